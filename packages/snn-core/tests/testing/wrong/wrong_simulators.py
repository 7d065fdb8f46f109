"""Simulators that are wrong on purpose: each is the reference with one mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from snn_core.simulation.reference import ReferenceSNN

Simulator = TypeVar("Simulator", bound=type[ReferenceSNN])

WRONG: dict[type[ReferenceSNN], str] = {}
"""Every wrong simulator and the test of the kit that finds it out."""


def fails(test: str) -> Callable[[Simulator], Simulator]:
    """Note which test a simulator fails."""

    def note(simulator: Simulator) -> Simulator:
        WRONG[simulator] = test
        return simulator

    return note
