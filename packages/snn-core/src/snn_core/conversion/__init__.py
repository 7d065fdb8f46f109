"""Conversion: from a trained network to one whose neurons spike at its activations' rates."""

from snn_core.codes.base import HEADROOM
from snn_core.conversion.conversion import convert, costs
from snn_core.conversion.presets import PRESETS, preset

__all__ = ["HEADROOM", "PRESETS", "convert", "costs", "preset"]
