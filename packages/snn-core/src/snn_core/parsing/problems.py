"""All reasons why a model is refused: those of its parser and of the structural passes.

A parser puts stand-ins in place of refused layers where it knows their shapes. What the passes find
in the other layers then belongs into the same message.
"""

from __future__ import annotations

from collections.abc import Sequence

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Layer, Network
from snn_core.passes import run_structural


def collect_problems(layers: Sequence[Layer], problems: Sequence[str]) -> list[str]:
    """Return the problems of a parser together with those that the structural passes find.

    Parameters
    ----------
    layers
        What the parser has emitted.
    problems
        Lines of the form ``name (type): reason``.
    """
    try:
        run_structural(Network(layers=tuple(layers)))
    except UnsupportedError as error:
        known = {problem.split(" (")[0] for problem in problems}
        names = tuple(f"{layer.name} (" for layer in layers if layer.name not in known)
        return [*problems, *(problem for problem in error.problems if problem.startswith(names))]
    except ParseError:  # with stand-ins the layers need not form one network
        pass
    return list(problems)


def refuse_several(names: Sequence[str], what: str, *, where: str = "the model") -> list[str]:
    """Return the problem of a model without exactly one input or output, if it has this problem.

    Parameters
    ----------
    names
        What it has.
    what
        ``"inputs"`` or ``"outputs"``.
    where
        The model, in an error's words.
    """
    found = f"{where} has {len(names)} {what} ({', '.join(names)}); expected one"
    return [] if len(names) == 1 else [found]
