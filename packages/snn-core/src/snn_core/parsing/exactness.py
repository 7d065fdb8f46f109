"""Whether a parsed network computes what its source computes.

Both are run on a few samples. Folded batch normalization and other orders of summation change
float32 results by some units in the last place per layer, which stays far below `TOLERANCE`;
anything larger means that the source was misread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.evaluate import predict
from snn_core.ir import Network
from snn_core.parsing.base import Parser, RunningParser, choose
from snn_core.typing import Array, Float, Shape

TOLERANCE = 1e-4
"""Largest difference that counts as rounding, relative to the largest output."""

SAMPLES = 8
"""How many samples tell enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exactness:
    """How far a parsed network is from its source.

    Parameters
    ----------
    engine
        Name and version of the framework; empty if nothing was compared.
    reason
        Why nothing was compared.
    samples
        Number of samples.
    difference
        Largest difference between two outputs.
    relative
        The same, divided by the largest output of the source.
    decisions
        Number of samples for which the largest output is another one.
    """

    engine: str = ""
    reason: str = ""
    samples: int = 0
    difference: float = math.nan
    relative: float = math.nan
    decisions: int = 0

    @property
    def compared(self) -> bool:
        """Whether the source was run."""
        return bool(self.engine)

    def is_within(self, tolerance: float) -> bool:
        """Return whether the relative difference is at most ``tolerance``."""
        return self.relative <= tolerance

    def __str__(self) -> str:
        """Return the result in one line."""
        if not self.compared:
            return f"not compared with its source: {self.reason}"
        return (
            f"compared with {self.engine} on {self.samples} sample(s): largest difference "
            f"{self.difference:.1e}, {self.relative:.1e} of the largest output; {self.decisions} "
            f"decision(s) differ"
        )


def compare(
    source: Any,
    network: Network,
    x_b_l: Float[Array, "b *l"],
    *,
    input_shape: Shape | None = None,
    parsers: Sequence[Parser] | None = None,
) -> Exactness:
    """Run a source and the network that was parsed from it on the same samples.

    Parameters
    ----------
    source
        As in `snn_core.parsing.parse`.
    network
        What that returned.
    x_b_l
        Samples in the axis order of the network; the first `SAMPLES` are used.
    input_shape, parsers
        As in `snn_core.parsing.parse`.

    Returns
    -------
    The differences, or why there are none: the framework is missing or cannot run the source.
    """
    source, parser = choose(source, parsers)
    if not isinstance(parser, RunningParser):
        return Exactness(reason=f"the parser {parser.name!r} cannot run models")
    x_b_l = np.asarray(x_b_l[:SAMPLES], np.float32)
    try:
        found = parser.run(source, x_b_l, input_shape=input_shape)
    except Exception as error:  # noqa: BLE001 - frameworks raise anything; none of it stops parsing
        first = (str(error).strip().splitlines() or [""])[0]
        return Exactness(reason=f"running it failed ({type(error).__name__}: {first})")
    if found is None:
        return Exactness(reason=f"the framework of {parser.reads} is not installed here")
    expected, engine = found
    return difference(predict(network, x_b_l), np.asarray(expected), engine=engine)


def difference(
    found: Float[Array, "b *o"], expected: Float[Array, "b *o"], *, engine: str
) -> Exactness:
    """Return how far the outputs of a network are from those of its source."""
    if found.shape != expected.shape:
        raise ParseError(
            f"The parsed network gives outputs of shape {found.shape}, {engine} of shape "
            f"{expected.shape}; the model was misread. Please report it together with the model."
        )
    away = float(np.abs(found - expected).max(initial=0.0))
    size = float(np.abs(expected).max(initial=0.0))
    first, second = (outputs.reshape(len(outputs), -1) for outputs in (found, expected))
    return Exactness(
        engine=engine,
        samples=len(expected),
        difference=away,
        relative=away / size if size else (0.0 if away == 0 else math.inf),
        decisions=int((first.argmax(axis=1) != second.argmax(axis=1)).sum()),
    )


def require(exactness: Exactness, *, tolerance: float = TOLERANCE) -> None:
    """Raise a `ParseError` if a network differs from its source by more than rounding."""
    if exactness.compared and not exactness.is_within(tolerance):
        raise ParseError(
            f"The parsed network does not compute what the model computes: {exactness}; expected "
            f"at most {tolerance:g} of the largest output. A model that computes in half precision "
            f"explains such a difference: `--check warn` then converts it all the same. Otherwise "
            f"please report it together with the model."
        )
