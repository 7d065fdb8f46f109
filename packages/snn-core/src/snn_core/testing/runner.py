"""Runner of a conformance suite without pytest's collection, which gathers the outcomes.

This is how the kit itself is tested, and how a suite can be run from a notebook.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of one test.

    Parameters
    ----------
    status
        ``"passed"``, ``"failed"`` or ``"skipped"``.
    reason
        Error message or reason of the skip.
    """

    status: str
    reason: str = ""


def cases(*names: str) -> Callable[[Test], Test]:
    """Run a test once for each name, passed as ``case``."""
    return pytest.mark.parametrize("case", names)


def smoke(test: Test) -> Test:
    """Mark a test as one that shows within seconds that a simulator works on a version of Python.

    Packages whose settings of pytest don't name the marker ``smoke`` go without it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)
        try:
            marked: Test = pytest.mark.smoke(test)
        except pytest.fail.Exception:  # an unknown marker under --strict-markers
            return test
    return marked


def cases_of(test: Callable[..., None]) -> tuple[str, ...]:
    """Return the cases of a test, none if it has no parameter."""
    for mark in getattr(test, "pytestmark", ()):
        if mark.name == "parametrize":
            return tuple(mark.args[1])
    return ()


def test_names(suite: type[Any]) -> list[str]:
    """Return the names of all tests of a suite, inherited ones too, in the order of definition."""
    names = (name for kind in reversed(suite.__mro__) for name in vars(kind))
    return [name for name in dict.fromkeys(names) if name.startswith("test_")]


def outcomes(suite: type[Any], *, only: Collection[str] | None = None) -> dict[str, Outcome]:
    """Run all tests of a suite; expected failures are not looked at.

    Parameters
    ----------
    only
        Names of the tests to run; all if not given.

    Returns
    -------
    Name of the test, with ``[case]`` where it has cases, to its outcome.
    """
    return {
        name: _outcome(test)
        for name, test in _bound_tests(suite)
        if only is None or name.partition("[")[0] in only
    }


def _bound_tests(suite: type[Any]) -> Iterator[tuple[str, Callable[[], None]]]:
    for name in test_names(suite):
        test = getattr(suite(), name)
        if cases_of(test):
            for case in cases_of(test):
                yield f"{name}[{case}]", functools.partial(test, case=case)
        else:
            yield name, test


def _outcome(test: Callable[[], None]) -> Outcome:
    try:
        test()
    except pytest.skip.Exception as skip:
        return Outcome(status="skipped", reason=str(skip))
    # Whatever a simulator raises is a failed test, as it is for pytest.
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001
        return Outcome(status="failed", reason=f"{type(error).__name__}: {error}")
    return Outcome(status="passed")
