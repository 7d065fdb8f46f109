"""The integrate-and-fire neuron in NumPy: its arithmetic, its state, and spiking max pooling."""
