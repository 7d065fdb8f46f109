"""Base class of the conformance kits: a suite derives from a kit and cannot leave tests out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from snn_core.testing.runner import cases_of, test_names


class Kit:
    """Base class of the kits.

    A kit derives from this and from its groups of tests, with ``subject`` as a class argument: the
    attribute that a suite must set. A suite derives from a kit. There a test cannot be overridden
    or left out; one that fails for a known reason is named in ``expected_failures``: it is then a
    strict expected failure, so the entry must go as soon as the test passes.

    Attributes
    ----------
    expected_failures
        Test name, or ``test_name[case]``, to the reason why it fails.

    Raises
    ------
    TypeError
        When a suite is derived that overrides a test, adds one, or expects an unknown one to fail.
    """

    kit: ClassVar[dict[str, Callable[..., None]]] = {}
    subject: ClassVar[str] = ""
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, *, subject: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if subject:
            cls.subject = subject
            cls.kit = {name: getattr(cls, name) for name in test_names(cls)}
            return
        problems = suite_problems(cls)
        if problems:
            raise TypeError(f"{cls.__name__} is no conformance suite: {'; '.join(problems)}.")
        for name, test in cls.kit.items():
            reasons = _reasons(cls.expected_failures, name)
            setattr(cls, name, _expected_to_fail(test, reasons) if reasons else test)

    def test_suite_is_complete(self) -> None:
        """No test of the kit was replaced or deleted after the suite was defined.

        If this fails: put tests of your own into another class, and name tests that cannot pass in
        ``expected_failures``.
        """
        assert not suite_problems(type(self))


def suite_problems(suite: type[Kit]) -> list[str]:
    """Return what is wrong with a class derived from a kit."""
    problems = [] if hasattr(suite, suite.subject) else [f"it does not set `{suite.subject}`"]
    for name in test_names(suite):
        if name not in suite.kit:
            problems.append(f"{name} is not a test of the kit, put it into another class")
        elif _original(getattr(suite, name, None)) is not suite.kit[name]:
            problems.append(f"{name} overrides a test of the kit, use expected_failures")
    known = {
        key
        for name, test in suite.kit.items()
        for key in (name, *(f"{name}[{case}]" for case in cases_of(test)))
    }
    for key, reason in suite.expected_failures.items():
        if key not in known:
            problems.append(f"expected_failures names {key!r}, which the kit does not have")
        elif not reason.strip():
            problems.append(f"expected_failures gives no reason for {key!r}")
    return problems


def _original(test: Any) -> Any:
    """Return the kit's test behind one that is marked as an expected failure."""
    return getattr(test, "__wrapped__", test)


def _reasons(expected: Mapping[str, str], name: str) -> dict[str | None, str]:
    """Return the reasons why a test fails, by case; ``None`` stands for all cases."""
    reasons: dict[str | None, str] = {}
    for key, reason in expected.items():
        test, _, case = key.partition("[")
        if test == name:
            reasons[case.removesuffix("]") or None] = reason
    return reasons


def _expected_to_fail(
    test: Callable[..., None], reasons: Mapping[str | None, str]
) -> Callable[..., None]:
    """Return a test that is marked as failing, as a whole or in some of its cases."""

    @functools.wraps(test)
    def marked(*args: Any, **kwargs: Any) -> None:
        test(*args, **kwargs)

    def failing(reason: str) -> pytest.MarkDecorator:
        return pytest.mark.xfail(reason=reason, strict=True)

    marks = list(getattr(test, "pytestmark", ()))
    if None in reasons:
        marks.append(failing(reasons[None]).mark)
    else:
        names = [
            pytest.param(case, marks=failing(reasons[case])) if case in reasons else case
            for case in cases_of(test)
        ]
        marks = [mark for mark in marks if mark.name != "parametrize"]
        marks.append(pytest.mark.parametrize("case", names).mark)
    marked.pytestmark = marks  # type: ignore[attr-defined]
    return marked
