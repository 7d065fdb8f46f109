"""Converted spiking networks on NEST, NEURON and Brian2, through PyNN.

A simulator and PyNN are imported when a network is built.
"""

from snn_pynn.options import Brian2Options, NestOptions, NeuronOptions

__all__ = ["Brian2Options", "NestOptions", "NeuronOptions"]
