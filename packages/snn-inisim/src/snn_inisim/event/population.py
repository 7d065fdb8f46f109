"""The neurons of a layer as the event engine keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from snn_core.ir.shapes import count
from snn_core.typing import Array, Float32, Int64, Shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """The neurons of a layer and where their spikes lie in a frame.

    Parameters
    ----------
    shape
        Shape of the layer, channels last.
    first
        Number of its first position, among those of all populations.
    place, words
        First word of a frame of one step, and the number of words for each position.
    threshold_c
        Thresholds, infinite for the channels that fill the last vector.
    fanout_l
        Number of synapses that leave each neuron.
    """

    shape: Shape
    first: int
    place: int
    words: int
    threshold_c: Float32[Array, "c"]
    fanout_l: Int64[Array, "n"]

    @cached_property
    def positions(self) -> int:
        """Number of positions."""
        return count(self.shape[:-1])

    @cached_property
    def fanout(self) -> int:
        """Number of synapses that leave the layer."""
        return int(self.fanout_l.sum())
