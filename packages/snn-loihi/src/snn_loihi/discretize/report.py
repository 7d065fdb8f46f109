"""What rounding to integers costs, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from snn_core.typing import Array
from snn_loihi.discretize.connection import Connection


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What rounding one layer costs.

    Parameters
    ----------
    weight_error
        Change of the weights divided by their size, both as sums of magnitudes: the mean over the
        output channels.
    worst_channel
        The largest such ratio, of a single channel.
    bias_error
        Largest change of a bias, in thresholds per step.
    levels
        How many steps the largest weight is away from 0; 127 where eight bits are made full use of.
    threshold_mantissa
        Threshold in units of 64, the smallest where channels differ; 0 without threshold.
    weight_exponents, bias_exponent
        Exponents in use.
    headroom
        How many times larger the range of currents and membranes is than what can occur; below 1
        they may overflow.
    limited_by
        What keeps the integers from being larger.
    """

    weight_error: float
    worst_channel: float
    bias_error: float
    levels: int
    threshold_mantissa: int
    weight_exponents: tuple[int, ...]
    bias_exponent: int
    headroom: float
    limited_by: str

    def to_json(self) -> dict[str, object]:
        """Return plain values."""
        return {**asdict(self), "weight_exponents": list(self.weight_exponents)}


def channel_errors(exact: Connection, rounded: Connection, scale_o: Array) -> Array:
    """Return the relative error of the weights into each output channel, NaN without weights.

    Parameters
    ----------
    exact, rounded
        The same synapses before and after rounding.
    scale_o
        Membrane units for a potential of 1.
    """
    channels = exact.target.output_shape[-1]
    scale = exact.spread(scale_o)
    found = rounded.weights.astype(np.float64) * 64.0 * 2.0**rounded.exponent / scale
    change, size = np.abs(found - exact.weights), np.abs(exact.weights).astype(np.float64)
    sums = []
    for part in (change, size):
        if exact.channel is None:
            sums.append(part.reshape(-1, channels).sum(axis=0))
        else:
            sums.append(np.bincount(exact.channel, weights=part, minlength=channels))
    with np.errstate(invalid="ignore", divide="ignore"):
        error: Array = sums[0] / sums[1]
    return error


def worst_layer(losses: Mapping[str, Loss]) -> str | None:
    """Return the name of the layer that loses most, ``None`` without layers."""
    return max(losses, key=lambda name: losses[name].weight_error, default=None)


def summary(losses: Mapping[str, Loss]) -> str:
    """Return one line about the layer that loses most."""
    name = worst_layer(losses)
    if name is None:
        return "nothing is rounded"
    loss = losses[name]
    return (
        f"{name} loses most: its weights change by {loss.weight_error:.2%}, "
        f"{loss.worst_channel:.2%} in the worst channel"
    )
