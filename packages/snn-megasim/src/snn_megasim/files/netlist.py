"""Directories of MegaSim: a schematic and the files that it names, read, checked, written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from snn_core.files import FileKind, atomic_write, list_folder, make_folder, require_writable
from snn_megasim.files.lines import Lines, MegaSimFileError
from snn_megasim.files.modules import (
    RESETTABLE,
    Convolution,
    Flatten,
    FullyConnected,
    Matrix,
    Module,
    sent_range,
)
from snn_megasim.files.parameters import format_parameters, parse_parameters
from snn_megasim.files.schematic import Instance, Schematic, format_schematic, parse_schematic
from snn_megasim.files.state import State, format_state, parse_state
from snn_megasim.files.stimulus import (
    RESET,
    SOFTMAX,
    EventList,
    format_events,
    parse_events,
)

SCHEMATIC = "megasim.sch"

MOST_TOLD = 50
"""Problems of a directory that are told."""

Content = TypeVar("Content")


@dataclass(frozen=True, kw_only=True, eq=False)
class Netlist:
    """A schematic and what its files hold.

    Parameters
    ----------
    schematic
        Sources and modules.
    modules, states, stimuli
        Contents by name of the file.
    """

    schematic: Schematic
    modules: Mapping[str, Module]
    states: Mapping[str, State]
    stimuli: Mapping[str, EventList]

    def module_of(self, instance: Instance) -> Module:
        """Return the parameters of an instance."""
        return self.modules[instance.parameters]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files of the directory."""
        return (*self.modules, *self.states, *self.stimuli, SCHEMATIC)

    def problems(self) -> list[str]:
        """Return everything that does not fit together, with the file it is wrong in."""
        found: list[str] = []
        for instance in self.schematic.instances:
            module = self.modules.get(instance.parameters)
            if module is None:
                continue
            if len(module.ports) != len(instance.inputs):
                found.append(
                    f"{instance.parameters}: has {len(module.ports)} ports; expected "
                    f"{len(instance.inputs)}, one for each node that {SCHEMATIC} gives "
                    f"{instance.output}"
                )
                continue
            found += self._port_problems(instance, module)
        return found

    def _port_problems(self, instance: Instance, module: Module) -> list[str]:
        found: list[str] = []
        ranges = {
            other.output: sent_range(self.modules[other.parameters])
            for other in self.schematic.instances
            if other.output in instance.inputs and other.parameters in self.modules
        }
        files = {source.node: source.file for source in self.schematic.sources}
        for number, node in enumerate(instance.inputs):
            port = f"port {number} ({node})"
            if node in ranges:
                problem = _range_problem(module, number, ranges[node])
                found += [f"{instance.parameters}: {port} {problem}"] if problem else []
            elif files.get(node) in self.stimuli:
                events = self.stimuli[files[node]]
                wrong = _stimulus_problem(instance, module, number, events)
                if wrong is not None:
                    place = f"{files[node]}:{events.line(wrong[0])}"
                    found.append(f"{place}: {wrong[1]}, for {port} of {instance.parameters}")
        return found


def _room(module: Module, port: int) -> tuple[int, int] | None:
    """Return the columns and rows of addresses that a port takes, ``None`` where it takes all."""
    if isinstance(module, Convolution):
        return None
    if isinstance(module, Flatten):
        return module.sizes[port]
    matrix: Matrix = module.ports[port]
    return matrix.Nx_array_pre, matrix.Ny_array_pre


def _range_problem(module: Module, port: int, sent: tuple[int, int, int, int]) -> str | None:
    room = _room(module, port)
    first_x, last_x, first_y, last_y = sent
    if room is None or last_x < first_x or last_y < first_y:
        return None
    if first_x >= 0 and last_x < room[0] and first_y >= 0 and last_y < room[1]:
        return None
    return (
        f"has room for {room[0]} columns and {room[1]} rows; it is sent columns {first_x} to "
        f"{last_x} and rows {first_y} to {last_y}"
    )


def _stimulus_problem(
    instance: Instance, module: Module, port: int, events: EventList
) -> tuple[int, str] | None:
    """Return the first event of a source that a port cannot take, and why; ``None`` without one."""
    is_reset = events.sign_e == RESET
    if is_reset.any() and instance.module not in RESETTABLE:
        known = ", ".join(sorted(RESETTABLE))
        problem = f"found a reset, which {instance.module} does not know; expected {known}"
        return int(is_reset.argmax()), problem
    room = _room(module, port)
    if room is None:
        return None
    beyond = (events.x_e < 0) | (events.x_e >= room[0])
    beyond |= (events.y_e < 0) | (events.y_e >= room[1])
    beyond &= ~is_reset
    if instance.module == "module_softmax":
        beyond &= ~((events.sign_e == -1) & (events.y_e == SOFTMAX))
    if not beyond.any():
        return None
    first = int(beyond.argmax())
    place = f"column {events.x_e[first]} and row {events.y_e[first]}"
    return first, f"found {place}; expected one of {room[0]} columns and {room[1]} rows"


def read_netlist(folder: Path) -> Netlist:
    """Read a directory.

    Raises
    ------
    MegaSimFileError
        With everything that is wrong in it: each problem names its file and, where there is one,
        the line.
    """
    schematic = parse_schematic(Lines.of(folder / SCHEMATIC))
    # A name may be too long to ask for, and a link may lead out of the directory.
    there = {path.name for path in list_folder(folder) if not path.is_symlink()}
    problems: list[str] = []

    def read(
        name: str, line: int, parse: Callable[[Lines], Content], into: dict[str, Content]
    ) -> None:
        if name in into or len(problems) >= MOST_TOLD:
            return
        if name not in there:
            problems.append(f"{SCHEMATIC}:{line}: names {name}, which is no file in {folder}")
            return
        try:
            into[name] = parse(Lines.of(folder / name))
        except MegaSimFileError as error:
            problems.extend(error.problems)

    modules: dict[str, Module] = {}
    states: dict[str, State] = {}
    stimuli: dict[str, EventList] = {}
    kinds: dict[str, str] = {}
    for source in schematic.sources:
        read(source.file, source.line, parse_events, stimuli)
    for instance in schematic.instances:
        other = kinds.setdefault(instance.parameters, instance.module)
        if other != instance.module:
            problems.append(
                f"{SCHEMATIC}:{instance.line}: {instance.parameters} is the file of a {other} and "
                f"of a {instance.module}; expected one file for each"
            )
        read(
            instance.parameters,
            instance.line,
            lambda lines, kind=instance.module: parse_parameters(lines, kind),  # type: ignore[misc]
            modules,
        )
        read(instance.state, instance.line, parse_state, states)
    netlist = Netlist(schematic=schematic, modules=modules, states=states, stimuli=stimuli)
    problems += netlist.problems()
    if problems:
        raise MegaSimFileError(dict.fromkeys(problems[:MOST_TOLD]))
    return netlist


def write_netlist(netlist: Netlist, folder: Path, *, overwrite: bool = False) -> None:
    """Write a directory, the schematic last.

    Raises
    ------
    DataError
        If the folder or a file in it cannot be written.
    """
    make_folder(folder)
    texts = {
        **{name: format_parameters(module) for name, module in netlist.modules.items()},
        **{name: format_state(state) for name, state in netlist.states.items()},
        **{name: format_events(events) for name, events in netlist.stimuli.items()},
        SCHEMATIC: format_schematic(netlist.schematic),
    }
    for name in texts:
        require_writable(folder / name, kind=FILE, overwrite=overwrite)
    for name, text in texts.items():
        write_text(folder / name, text, overwrite=overwrite)


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write one of MegaSim's files; only such a file is ever replaced."""
    with atomic_write(path, kind=FILE, overwrite=overwrite) as file:
        file.write(text.encode("ascii"))


def event_file(node: str) -> str:
    """Return the name of the file with the events of a node."""
    return f"node_{node}.evs"


def _is_megasim(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return False
    first = start.split(b"\n", 1)[0].strip()
    is_numbers = all(word.lstrip(b"-").isdigit() for word in first.split())
    return first in (b".netlist", b".integers") or is_numbers


FILE = FileKind("file of MegaSim", _is_megasim)
"""What a file of MegaSim may replace: another one."""


def module_size(module: Module) -> int:
    """Return the number of neurons of a module."""
    if isinstance(module, (Convolution, FullyConnected)):
        return module.shape[0] * module.shape[1]
    return 0
