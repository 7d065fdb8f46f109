"""Layer emission that the parsers of Keras, PyTorch and ONNX share.

The functions take views of the source's tensors, and weights as `snn_core.ir` holds them: image
axes first, then the features. They emit channels-last layers, whichever axis the source has for
channels. Each raises an `UnsupportedError` with the reasons where there is no spiking form. The
folder of a framework translates its layers or operators into calls of them.
"""
