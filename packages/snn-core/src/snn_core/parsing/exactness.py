"""Comparison of a parsed network with what its source computes.

Both are run on a few samples. Folded batch normalization and other orders of summation change
float32 results by some units in the last place per layer, which stays far below `TOLERANCE`;
anything larger means that the source was misread.
"""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import numpy as np

from snn_core import errors
from snn_core.data.lazy import LazySamples
from snn_core.errors import ParseError, SNNWarning
from snn_core.evaluation.forward import predict
from snn_core.parsing.base import Parsed, RunningParser
from snn_core.phases import phase
from snn_core.typing import Array, Float, Shaped

TOLERANCE = 1e-4
"""Largest difference that counts as rounding, relative to the largest output."""

HALF_TOLERANCE = 16 * float(np.finfo(np.float16).eps)
"""The same for a source that computes in half precision, which rounds the values of every layer."""

SAMPLES = 8
"""How many samples tell enough."""


class ExactnessWarning(SNNWarning):
    """A parsed network does not compute what its source computes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exactness:
    """Difference between the outputs of a parsed network and of its source.

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
    half
        Whether the source computes in half precision.
    """

    engine: str = ""
    reason: str = ""
    samples: int = 0
    difference: float = math.nan
    relative: float = math.nan
    decisions: int = 0
    half: bool = False

    @property
    def compared(self) -> bool:
        """Whether the source was run."""
        return bool(self.engine)

    def is_within(self, tolerance: float) -> bool:
        """Return whether the relative difference is at most ``tolerance``, or mere rounding."""
        return self.relative <= (max(tolerance, HALF_TOLERANCE) if self.half else tolerance)

    def __str__(self) -> str:
        """Return the result in one line."""
        if not self.compared:
            return f"not compared with its source: {self.reason}"
        return (
            f"compared with {self.engine}{' in half precision' if self.half else ''} on "
            f"{self.samples} sample(s): largest difference {self.difference:.1e}, "
            f"{self.relative:.1e} of the largest output; {self.decisions} decision(s) differ"
        )


@phase("comparing with its framework")
def compare(parsed: Parsed, x_b_l: Shaped[Array | LazySamples, "b *l"]) -> Exactness:
    """Run a source and the network that was read from it on the same samples.

    Parameters
    ----------
    x_b_l
        Samples in the axis order of the network, scaled as its `InputData` says; the first
        `SAMPLES` are used.

    Returns
    -------
    The differences, or why there are none: the framework is missing or cannot run the source.
    """
    parser = parsed.parser
    if not isinstance(parser, RunningParser):
        return Exactness(reason=f"the parser {parser.name!r} cannot run models")
    x_b_l = parsed.network.input_data.as_floats(x_b_l[:SAMPLES])
    try:
        found = parser.run(parsed.source, x_b_l, input_shape=parsed.input_shape)
    except Exception as error:  # noqa: BLE001 - frameworks raise anything; none of it stops parsing
        first = textwrap.shorten((str(error).strip().splitlines() or [""])[0], 120)
        return Exactness(reason=f"running it failed ({type(error).__name__}: {first})")
    if found is None:
        advice = getattr(parser, "framework", f"the framework of {parser.reads}")
        return Exactness(reason=f"for that, install {advice}")
    expected, engine = found
    return difference(predict(parsed.network, x_b_l), np.asarray(expected), engine=engine)


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
        half=expected.dtype == np.float16,
    )


def require_exact(
    exactness: Exactness, *, tolerance: float = TOLERANCE, warn: bool = False
) -> None:
    """Make sure that a network does not differ from its source by more than rounding.

    Raises
    ------
    ParseError
        If it does; with ``warn`` that is an `ExactnessWarning`.
    """
    if not exactness.compared or exactness.is_within(tolerance):
        return
    message = (
        f"The parsed network does not compute what the model computes: {exactness}; expected at "
        f"most {max(tolerance, HALF_TOLERANCE) if exactness.half else tolerance:g} of the largest "
        f"output."
    )
    if warn:
        errors.warn(message, ExactnessWarning)
    else:
        raise ParseError(
            f"{message} A model that computes partly in half precision explains such a difference; "
            f"--check warn (check='warn') then converts it all the same. Otherwise please report "
            f"it together with the model."
        )
