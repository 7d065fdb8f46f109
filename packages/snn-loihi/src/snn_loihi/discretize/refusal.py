"""Why a layer does not fit into the integers, and the nearest setting with which it would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.typing import Array, Float64
from snn_loihi.discretize.choice import Choice, Grid, choose, full_scale_o
from snn_loihi.discretize.connection import Connection
from snn_loihi.options import LoihiOptions
from snn_loihi.ranges import (
    BIAS_EXPONENTS,
    THRESHOLD_MAX,
    UNIT,
    WEIGHT_EXPONENTS,
    lowest_exponent,
    weight_step,
)

WEIGHTS = "the range of weights"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """What integers of a layer are chosen from.

    Parameters
    ----------
    connections
        Its synapses.
    limits
        Largest scale that each range allows, see `snn_loihi.discretize.choice.limits_of`.
    threshold_o
        Its thresholds.
    options
        Ranges that are given.
    """

    connections: Sequence[Connection]
    limits: Mapping[str, Float64[Array, "o"]]
    threshold_o: Float64[Array, "o"]
    options: LoihiOptions

    def choose(self) -> Choice:
        """Return threshold and exponents."""
        return choose(
            self.connections,
            dict(self.limits),
            threshold_o=self.threshold_o,
            options=self.options,
        )

    def rooms(self) -> dict[str, float]:
        """Return the largest mantissa of a threshold that each range allows, by its name."""
        scales = dict(self.limits)
        bits = self.options.connection_kwargs.numWeightBits
        grids = [Grid.of(item, bits=bits) for item in self.connections]
        if grids:
            given = self.options.connection_kwargs.weightExponent
            scales[WEIGHTS] = full_scale_o(grids, given=given)
        if self.options.thresholds == "layer":
            scales = {name: np.full_like(scale, np.min(scale)) for name, scale in scales.items()}
        return {
            name: float(np.min(scale * self.threshold_o)) / UNIT for name, scale in scales.items()
        }


@dataclass(frozen=True, kw_only=True)
class _Reason:
    """Why a layer does not fit.

    Parameters
    ----------
    text
        What was found and expected.
    tightest
        Name of the range that is too small; empty if the text says it all.
    share
        How much room there is, divided by what is needed.
    """

    text: str
    tightest: str = ""
    share: float = 1.0


def problem(layer: Layer, choice: Choice, *, num_steps: int, dt: float) -> str | None:
    """Return why a layer does not fit, with the nearest setting that would; ``None`` if it does.

    Parameters
    ----------
    layer, choice
        The layer, and the integers that were chosen for it.
    num_steps, dt
        Length of a run, and of a step in ms.
    """
    reason = _reason(layer, choice)
    if reason is None:
        return None
    advice = _advice(layer, reason, num_steps=num_steps, dt=dt) if reason.tightest else ""
    return reason.text + advice


def _reason(layer: Layer, choice: Choice) -> _Reason | None:
    bits = layer.options.connection_kwargs.numWeightBits
    pairs = list(zip(layer.connections, choice.exponents, strict=True))
    for item, exponent in pairs:
        lowest = lowest_exponent(bits, mixed=item.mixed)
        if exponent < lowest:
            return _Reason(
                text=f"weightExponent = {exponent} drops bits of {bits}-bit weights; the smallest "
                f"that keeps them is {lowest}"
            )
    rooms = layer.rooms()
    tightest = min(rooms, key=lambda name: rooms[name])
    room = min(rooms[tightest], THRESHOLD_MAX)
    if room < 1 or (choice.mantissa_o < 1).any():
        text = f"{tightest} leaves no threshold of 1 or more"
        return _Reason(text=text, tightest=tightest, share=room)
    forced = layer.options.compartment_kwargs.vThMant
    if forced is not None and forced > room:
        text = f"vThMant = {forced} leaves {tightest}; the largest that fits is {int(room)}"
        return _Reason(text=text, tightest=tightest, share=room / forced)
    for item, exponent in pairs:
        step = weight_step(bits, mixed=item.mixed) * 2.0**exponent * UNIT
        largest = float((item.largest_o() * choice.scale_o).max(initial=0))
        if 0 < largest < step / 2:
            text = f"{tightest} makes all weights 0"
            return _Reason(text=text, tightest=tightest, share=2 * largest / step)
    return None


def _advice(layer: Layer, reason: _Reason, *, num_steps: int, dt: float) -> str:
    """Return the setting that would make room."""
    smaller = _smaller_exponent(layer)
    if smaller is not None:
        return f"; the largest weightExponent that fits is {smaller}"
    if reason.tightest == WEIGHTS and layer.options.connection_kwargs.weightExponent is not None:
        return "; leave out weightExponent, so that each connection gets its own"
    if "membranes" in reason.tightest:
        # What a membrane can take in grows with the number of steps.
        steps = int(num_steps * reason.share)
        lower = f"lower simulation.duration to {steps * dt:g} ms, or " if steps else ""
        return f"; {lower}set loihi.do_overflow_estimate = false"
    if "currents" in reason.tightest:
        return "; set loihi.do_overflow_estimate = false"
    if "biases" in reason.tightest and layer.options.compartment_kwargs.biasExp is not None:
        return f"; raise biasExp, at most to {BIAS_EXPONENTS[1]}"
    what = "biases" if "biases" in reason.tightest else "weights and thresholds"
    return f"; normalize the network, or rescale the layer's {what}"


def _smaller_exponent(layer: Layer) -> int | None:
    """Return the largest weight exponent below a given one with which a layer fits."""
    given = layer.options.connection_kwargs.weightExponent
    if given is None:
        return None
    for exponent in range(given - 1, WEIGHT_EXPONENTS[0] - 1, -1):
        connection = layer.options.connection_kwargs.model_copy(update={"weightExponent": exponent})
        options = layer.options.model_copy(update={"connection_kwargs": connection})
        changed = replace(layer, options=options)
        if _reason(changed, changed.choose()) is None:
            return exponent
    return None
