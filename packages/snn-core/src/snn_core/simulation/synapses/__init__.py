"""Simulators that are fed with populations and lists of synapses."""
