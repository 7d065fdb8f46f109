"""The chip's network as processes of lava-nc.

lava's compiler imports the other files of a process's folder, so they have one of their own. Import
`snn_loihi.lava.runner` where lava is installed; nothing else in the package does.
"""
