"""Choice of a layer's threshold mantissa and exponents: the finest integers that fit.

A potential of 1 becomes ``scale`` membrane units. Larger scales round less, until something leaves
its range: a weight, the threshold, a bias, a current or the membrane. The threshold is a multiple
of 64 and is met exactly; weights and biases are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.typing import Array, Float64
from snn_loihi.discretize.connection import Connection
from snn_loihi.discretize.overflow import Bounds
from snn_loihi.options import LoihiOptions
from snn_loihi.ranges import (
    BIAS_EXPONENTS,
    STATE_MAX,
    THRESHOLD_MAX,
    UNIT,
    WEIGHT_EXPONENTS,
    lowest_exponent,
    weight_limit,
    weight_step,
)

MARGIN = 0.999
"""Part of a range that is used, as rounding may enlarge sums; the integers are checked again."""


ENOUGH = 0.98
"""Share of the best number of steps that is as good as the best."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Which weights a connection can have.

    Parameters
    ----------
    step, limit
        Distance of neighbouring mantissas, and the largest.
    lowest
        Smallest exponent without loss.
    largest_o
        Largest weight of the network into each output channel.
    """

    step: int
    limit: int
    lowest: int
    largest_o: Float64[Array, "o"]

    @classmethod
    def of(cls, connection: Connection, *, bits: int) -> Grid:
        """Return the weights that a connection can have."""
        mixed = connection.mixed
        return cls(
            step=weight_step(bits, mixed=mixed),
            limit=weight_limit(bits, mixed=mixed),
            lowest=lowest_exponent(bits, mixed=mixed),
            largest_o=connection.largest_o(),
        )

    def full_scale_o(self, exponent: int) -> Float64[Array, "o"]:
        """Return the scale with which the largest weight has the largest mantissa."""
        full = self.limit * 2.0**exponent * UNIT
        with np.errstate(divide="ignore"):
            scale_o: Array = np.where(self.largest_o > 0, full / self.largest_o, np.inf)
        return scale_o

    def exponent(self, scale_o: Array) -> int:
        """Return the smallest exponent under which no weight is too large."""
        for exponent in range(self.lowest, WEIGHT_EXPONENTS[1]):
            if (self.full_scale_o(exponent) >= scale_o * (1 - 1e-12)).all():
                return exponent
        return WEIGHT_EXPONENTS[1]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen for a layer.

    Parameters
    ----------
    scale_o
        Membrane units for a potential of 1, for each channel.
    mantissa_o
        Thresholds in units of 64.
    exponents
        Weight exponent of each connection.
    limited_by
        What keeps the scale from being larger.
    """

    scale_o: Float64[Array, "o"]
    mantissa_o: Array
    exponents: tuple[int, ...]
    limited_by: str


def limits_of(
    bounds: Bounds, *, threshold_o: Array, bias_o: Array, fires: bool, options: LoihiOptions
) -> dict[str, Float64[Array, "o"]]:
    """Return the largest scale that each range allows, by its name.

    Parameters
    ----------
    bounds
        What can occur, in the network's unit.
    threshold_o, bias_o
        Thresholds, and largest magnitudes of biases and currents, in the network's unit.
    """
    held = (1 << options.connection_kwargs.numBiasBits) - 1
    largest = options.compartment_kwargs.biasExp
    exponent = BIAS_EXPONENTS[1] if largest is None else largest
    with np.errstate(divide="ignore"):
        found = {"the range of biases": held * (1 << exponent) / np.abs(bias_o)}
        if fires:
            found["the range of thresholds"] = THRESHOLD_MAX * UNIT / threshold_o
        if options.do_overflow_estimate:
            found["the range of currents"] = MARGIN * STATE_MAX / bounds.current_o
            found["the range of membranes"] = MARGIN * STATE_MAX / bounds.needed_o
    return found


def choose(
    connections: Sequence[Connection],
    limits: dict[str, Array],
    *,
    threshold_o: Array,
    options: LoihiOptions,
) -> Choice:
    """Choose threshold and exponents of a layer.

    Parameters
    ----------
    connections
        Its synapses.
    limits
        See `limits_of`.
    threshold_o
        Its thresholds.
    """
    names = list(limits)
    table = np.stack([np.broadcast_to(limits[name], threshold_o.shape) for name in names])
    allowed_o = table.min(axis=0)
    limited_by = names[int(table[:, allowed_o.argmin()].argmin())]
    grids = [Grid.of(item, bits=options.connection_kwargs.numWeightBits) for item in connections]
    full_o = _fullest(grids, allowed_o, threshold_o, options=options)
    if (full_o <= allowed_o).all():
        limited_by = "the bits of weights"
    mantissa_o = _mantissas(np.minimum(allowed_o, full_o), threshold_o, options=options)
    forced = options.compartment_kwargs.vThMant
    if forced is not None:
        mantissa_o = np.full_like(mantissa_o, forced)
    elif np.isinf(full_o).all():
        mantissa_o = np.minimum(mantissa_o, THRESHOLD_MAX)
    scale_o = mantissa_o * UNIT / threshold_o
    given = options.connection_kwargs.weightExponent
    exponents = tuple(
        given if given is not None else grid.exponent(scale_o) for grid in grids
    )  # fmt: skip
    return Choice(
        scale_o=scale_o, mantissa_o=mantissa_o, exponents=exponents, limited_by=limited_by
    )


def _mantissas(scale_o: Array, threshold_o: Array, *, options: LoihiOptions) -> Array:
    """Return the largest mantissas of thresholds whose scales do not exceed some."""
    if options.thresholds == "layer":
        scale_o = np.full_like(scale_o, scale_o.min())
    mantissa_o: Array = np.floor(np.minimum(scale_o * threshold_o / UNIT * (1 + 1e-12), 2**62))
    return mantissa_o


def _fullest(
    grids: Sequence[Grid], allowed_o: Array, threshold_o: Array, *, options: LoihiOptions
) -> Array:
    """Return the scale that makes full use of the weights' bits, with the best exponent.

    That is the one under which the channel that is rounded most has the most steps. A larger
    exponent makes the threshold finer, until something else limits the scale. Of exponents that
    hardly differ the largest is taken; without bounds the smallest, which leaves most room.
    """
    if not any((grid.largest_o > 0).any() for grid in grids):
        return np.full_like(allowed_o, np.inf)
    main = max(grids, key=lambda grid: grid.largest_o.max())
    ceiling_o = full_scale_o(grids)
    given = options.connection_kwargs.weightExponent
    exponents = [*range(main.lowest, WEIGHT_EXPONENTS[1] + 1)] if given is None else [given]
    candidates = [np.minimum(main.full_scale_o(exponent), ceiling_o) for exponent in exponents]
    qualities = []
    for exponent, full_o in zip(exponents, candidates, strict=True):
        mantissa_o = _mantissas(np.minimum(allowed_o, full_o), threshold_o, options=options)
        used_o = mantissa_o * UNIT / threshold_o / main.full_scale_o(exponent)
        qualities.append(float(used_o[main.largest_o > 0].min()))
    enough = ENOUGH * max(qualities)
    good = [
        full_o for full_o, quality in zip(candidates, qualities, strict=True) if quality >= enough
    ]
    return good[-1] if options.do_overflow_estimate else good[0]


def full_scale_o(grids: Sequence[Grid], *, given: int | None = None) -> Float64[Array, "o"]:
    """Return the largest scale that the range of weights allows.

    Parameters
    ----------
    given
        Exponent of all weights; the largest there is if not given.
    """
    exponent = WEIGHT_EXPONENTS[1] if given is None else given
    found: Array = np.min([grid.full_scale_o(exponent) for grid in grids], axis=0)
    return found


def rounded(connection: Connection, choice: Choice, exponent: int, *, bits: int) -> Connection:
    """Return a connection with whole mantissas."""
    grid = Grid.of(connection, bits=bits)
    exact = connection.weights.astype(np.float64) * connection.spread(choice.scale_o)
    steps = np.rint(exact / (2.0**exponent * UNIT * grid.step))
    most = grid.limit // grid.step
    mantissas = np.clip(steps, -most, most) * grid.step
    return connection.with_weights(mantissas.astype(np.float32), exponent=exponent)


def smaller(choice: Choice, threshold_o: Array) -> Choice:
    """Return a choice with the next smaller thresholds, and the same exponents."""
    mantissa_o = np.maximum(np.floor(choice.mantissa_o * MARGIN), 1)
    return replace(choice, mantissa_o=mantissa_o, scale_o=mantissa_o * UNIT / threshold_o)
