"""Comparison of a parsed network with what its source computes.

Both are run on a few samples. Folded batch normalization and other orders of summation change
float32 results by some units in the last place per layer, which stays far below `TOLERANCE`;
anything larger means that the source was misread.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snn_core import errors
from snn_core.data.lazy import LazySamples
from snn_core.errors import ParseError, SNNError, SNNWarning
from snn_core.evaluation.forward import predict
from snn_core.parsing.base import Parsed, RunningParser
from snn_core.phases import phase
from snn_core.typing import Array, Float, Shaped

TOLERANCE = 1e-4
"""Largest difference that counts as rounding, relative to the largest output."""

COARSE_TOLERANCES = {"float16": 16 * 2.0**-10, "bfloat16": 16 * 2.0**-8}
"""The same for sources that compute in a type with fewer bits, by its name.

The values of every operation are rounded. Numbers of float16 have 11 bits and those of bfloat16 8,
so that a rounding changes a value by up to 2^-11 or 2^-8 of it. Errors of n operations one after
the other have independent signs and add up to sqrt(n) of them: 16 times 2^-8 allow for 256
operations, 16 times 2^-10 for 1024. Random networks of up to 16 convolutions in bfloat16 were off
by less than 2 times 2^-8.
"""

_IN_WORDS = {"float16": "half precision", "bfloat16": "bfloat16"}

_WIDTH = 120
_OWN_WIDTH = 400
"""Letters of a reason that are shown; those of this family of packages say what to do."""

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
    failed
        Whether that is because the framework is there and cannot run the source.
    samples
        Number of samples.
    difference
        Largest difference between two outputs.
    relative
        The same, divided by the largest output of the source.
    decisions
        Number of samples for which the largest output is another one.
    computed_in
        Name of the type in which the source computes, if that is one of `COARSE_TOLERANCES`.
    """

    engine: str = ""
    reason: str = ""
    failed: bool = False
    samples: int = 0
    difference: float = math.nan
    relative: float = math.nan
    decisions: int = 0
    computed_in: str = ""

    @property
    def compared(self) -> bool:
        """Whether the source was run."""
        return bool(self.engine)

    def is_within(self, tolerance: float) -> bool:
        """Return whether the relative difference is at most ``tolerance``, or mere rounding."""
        return self.relative <= self.allowed(tolerance)

    def allowed(self, tolerance: float) -> float:
        """Return the largest relative difference that may be rounding, at least ``tolerance``."""
        return max(tolerance, COARSE_TOLERANCES.get(self.computed_in, 0.0))

    def __str__(self) -> str:
        """Return the result in one line."""
        if not self.compared:
            return f"not compared with its source: {self.reason}"
        kind = f" in {_IN_WORDS[self.computed_in]}" if self.computed_in else ""
        return (
            f"compared with {self.engine}{kind} on "
            f"{self.samples} sample(s): largest difference {self.difference:.1e}, "
            f"{self.relative:.1e} of the largest output; {self.decisions} decision(s) differ"
        )


@phase("comparing with what was read")
def compare_cheaply(parsed: Parsed, x_b_l: Shaped[Array | LazySamples, "b *l"]) -> Exactness:
    """Compare as `compare` does, but start no framework that the parser does not ask for.

    Where its parser vouches for a source, the network is compared with the layers as they were
    read: all that was merged, moved and folded since is checked, in NumPy.
    """
    vouches = getattr(parsed.parser, "vouches", None)
    reason = "" if vouches is None else vouches(parsed.source)
    if not reason:
        return compare(parsed, x_b_l)
    x_b_l = parsed.network.input_data.as_floats(x_b_l[:SAMPLES])
    expected = predict(parsed.dialect, x_b_l)
    engine = f"its layers as read ({reason})"
    return difference(predict(parsed.network, x_b_l), expected, engine=engine)


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
        width = _OWN_WIDTH if isinstance(error, SNNError) else _WIDTH
        first = textwrap.shorten((str(error).strip().splitlines() or [""])[0], width)
        return Exactness(reason=f"running it failed ({type(error).__name__}: {first})", failed=True)
    if found is None:
        advice = getattr(parser, "framework", f"the framework of {parser.reads}")
        return Exactness(reason=f"for that, install {advice}")
    expected, engine, *kinds = found
    return difference(
        predict(parsed.network, x_b_l), np.asarray(expected), engine=engine, computed_in=kinds
    )


def difference(
    found: Float[Array, "b *o"],
    expected: Float[Array, "b *o"],
    *,
    engine: str,
    computed_in: Sequence[str] = (),
) -> Exactness:
    """Return how far the outputs of a network are from those of its source.

    Parameters
    ----------
    computed_in
        Name of the type in which the source computed them, if not that of ``expected``.
    """
    if found.shape != expected.shape:
        raise ParseError(
            f"The parsed network gives outputs of shape {found.shape}, {engine} of shape "
            f"{expected.shape}; the model was misread. Please report it together with the model."
        )
    away = float(np.abs(found - expected).max(initial=0.0))
    size = float(np.abs(expected).max(initial=0.0))
    first, second = (outputs.reshape(len(outputs), -1) for outputs in (found, expected))
    kind = next(iter(computed_in), expected.dtype.name)
    return Exactness(
        engine=engine,
        samples=len(expected),
        difference=away,
        relative=away / size if size else (0.0 if away == 0 else math.inf),
        decisions=int((first.argmax(axis=1) != second.argmax(axis=1)).sum()),
        computed_in=kind if kind in COARSE_TOLERANCES else "",
    )


def require_exact(
    exactness: Exactness,
    *,
    tolerance: float = TOLERANCE,
    warn: bool = False,
    demanded: bool = False,
) -> None:
    """Make sure that a network does not differ from its source by more than rounding.

    Parameters
    ----------
    demanded
        Whether a comparison that failed is an error, too: a file could switch it off otherwise. One
        that lacks its framework is none.

    Raises
    ------
    ParseError
        If it does; with ``warn`` that is an `ExactnessWarning`.
    """
    if demanded and exactness.failed:
        raise ParseError(
            f"The parsed network was {exactness}. --check auto (check='auto') converts the model "
            f"without that; otherwise repair the model or the samples, or export it again."
        )
    if not exactness.compared or exactness.is_within(tolerance):
        return
    message = (
        f"The parsed network does not compute what the model computes: {exactness}; expected at "
        f"most {exactness.allowed(tolerance):g} of the largest output."
    )
    if warn:
        errors.warn(message, ExactnessWarning)
    else:
        raise ParseError(
            f"{message} A model that computes partly in half precision explains such a difference; "
            f"--check warn (check='warn') then converts it all the same. Otherwise please report "
            f"it together with the model."
        )
