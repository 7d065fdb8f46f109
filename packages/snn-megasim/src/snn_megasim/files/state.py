"""State files (``.stt``): how long the modules of a layer are busy at the start."""

from __future__ import annotations

from dataclasses import dataclass

from snn_megasim.files.attributes import require_ranges
from snn_megasim.files.lines import Lines

_NAME = "time_busy_initial"


@dataclass(frozen=True, kw_only=True)
class State:
    """First state of a module."""

    time_busy_initial: int = 0

    def __post_init__(self) -> None:
        require_ranges(self, (_NAME,))


def parse_state(lines: Lines) -> State:
    """Return the state that a file describes; raise a `MegaSimFileError` with file and line."""
    lines.expect(".integers")
    busy = lines.attribute(_NAME)
    lines.expect(".floats")
    lines.finish()
    return State(time_busy_initial=busy)


def format_state(state: State) -> str:
    """Return the text of a state file."""
    return f".integers\n{_NAME} {state.time_busy_initial}\n.floats\n"
