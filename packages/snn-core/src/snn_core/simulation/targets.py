"""Chips that networks can be mapped to, found through the entry point group ``snn.targets``.

An entry point is a function of a network and its settings that returns a `TargetReport`; its name
is what users write after ``snn inspect --target``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeAlias

from snn_core.errors import UnknownSimulatorError
from snn_core.ir import Network
from snn_core.settings import Settings

GROUP = "snn.targets"

HOMES = {"loihi1": "snn-loihi", "loihi2": "snn-loihi", "spinnaker": "snn-spinnaker"}
"""Which package of the family brings a target."""


@dataclass(frozen=True, kw_only=True)
class TargetReport:
    """What a network takes on a chip.

    Parameters
    ----------
    columns, rows
        A table, as text: one row for each layer with neurons.
    lines
        Sentences below the table.
    data
        All of it in plain values, for JSON.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


Describe: TypeAlias = Callable[[Network, Settings], TargetReport]


def names() -> list[str]:
    """Return the names of all installed targets."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def get(name: str) -> Describe:
    """Return the function that describes a network on a target.

    Raises
    ------
    UnknownSimulatorError
        If no installed package brings the target; it says which one would.
    """
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            found: Describe = entry.load()
            return found
    home = HOMES.get(name)
    advice = f" Install it with `pip install {home}`." if home else ""
    raise UnknownSimulatorError(
        f"There is no target {name!r}.{advice} Installed: {', '.join(names()) or 'none'}."
    )
