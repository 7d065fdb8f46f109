"""The analog network in NumPy: operators of all layers and the forward pass."""
