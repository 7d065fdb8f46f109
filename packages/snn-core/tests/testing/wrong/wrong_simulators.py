"""The list of wrong simulators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from snn_core.simulation.reference import ReferenceSNN

Simulator = TypeVar("Simulator", bound=type[ReferenceSNN])

BROKEN: dict[type[ReferenceSNN], str] = {}
"""Every wrong simulator and the one test that it fails."""


def fails(test: str) -> Callable[[Simulator], Simulator]:
    """Note which test a simulator fails."""

    def note(simulator: Simulator) -> Simulator:
        BROKEN[simulator] = test
        return simulator

    return note
