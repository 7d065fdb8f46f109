"""Cost of a lossy pass, measured on calibration data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from snn_core.data.lazy import LazySamples
from snn_core.evaluation.forward import predict
from snn_core.ir import Linear, Network, Softmax, Spiking
from snn_core.typing import Array, Float

WORDS = "of the decisions on the calibration data"
"""Words that mark the lines of a network's history that state a cost."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Difference between the outputs of two networks.

    Parameters
    ----------
    largest, mean
        Largest and mean difference of two outputs.
    decisions
        Share of the samples for which the largest output is another one.
    """

    largest: float
    mean: float
    decisions: float

    def __str__(self) -> str:
        """Return the cost in words."""
        return (
            f"changes outputs by {self.mean:.3g} on average and {self.largest:.3g} at most, and "
            f"{self.decisions:.2%} {WORDS}"
        )


def cost(before: Network, after: Network, x_b_l: Float[Array | LazySamples, "b *l"]) -> Cost:
    """Measure the cost of changing a network.

    Where only one of them ends in a softmax, the scores in front of it are compared.
    """
    if _has_softmax(before) != _has_softmax(after):
        before, after = _without_softmax(before), _without_softmax(after)
    first, second = (predict(network, x_b_l).reshape(len(x_b_l), -1) for network in (before, after))
    away = np.abs(first - second)
    return Cost(
        largest=float(away.max(initial=0.0)),
        mean=float(away.mean()) if away.size else 0.0,
        decisions=float((first.argmax(axis=1) != second.argmax(axis=1)).mean()),
    )


def _has_softmax(network: Network) -> bool:
    return isinstance(getattr(network.output, "activation", None), Softmax)


def _without_softmax(network: Network) -> Network:
    output = network.output
    if not isinstance(output, Spiking) or not isinstance(output.activation, Softmax):
        return network
    return network.replace(replace(output, activation=Linear()))
