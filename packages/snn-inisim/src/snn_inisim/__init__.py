"""INIsim: converted spiking networks on TensorFlow.

TensorFlow is imported when a network is built, or when one of the layers is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from snn_inisim.options import INIsimOptions
from snn_inisim.simulator import SNN

_LAYERS = (
    "SpikeAdd",
    "SpikeAveragePooling2D",
    "SpikeConcatenate",
    "SpikeConv1D",
    "SpikeConv2D",
    "SpikeConv2DTranspose",
    "SpikeDense",
    "SpikeDepthwiseConv2D",
    "SpikeFlatten",
    "SpikeMaxPooling2D",
    "SpikeReshape",
    "SpikeUpSampling2D",
    "SpikeZeroPadding2D",
)

__all__ = ["SNN", "INIsimOptions", *_LAYERS]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _LAYERS:
        return getattr(import_module("snn_inisim.layers"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
