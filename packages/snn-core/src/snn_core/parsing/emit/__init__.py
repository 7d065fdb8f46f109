"""Emitting layers for sources that put the channels of an image first: PyTorch and ONNX.

The functions take weights and settings in the arrangement that both frameworks share and emit
channels-last layers. Each raises an `UnsupportedError` with the reasons where there is no spiking
form.
"""
