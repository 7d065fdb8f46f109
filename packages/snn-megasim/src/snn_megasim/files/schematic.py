"""Schematics (``megasim.sch``): sources and modules, joined by nodes that carry events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from snn_megasim.files.attributes import LARGEST
from snn_megasim.files.lines import Lines
from snn_megasim.files.modules import KINDS

_SOURCE = re.compile(r"source\s+\{([^{}\s]+)\}\s+(\S+)")
_MODULE = re.compile(r"(module_\w+)\s+\{([^{}\s]+)\}\s*\{([^{}\s]+)\}\s+(\S+)\s+(\S+)")
_OPTION = re.compile(r"(\w+)\s*=\s*([0-9]{1,10})")
_NODE = re.compile(r"[A-Za-z0-9_.+-]+")
"""Names of nodes, which become parts of names of files."""

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Names of files: in the directory itself, never hidden and never anywhere else."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Node whose events come from a file.

    Parameters
    ----------
    node
        Name of the node.
    file
        Name of the stimulus file.
    line
        Line of the schematic that it was read from, 0 if it was not.
    """

    node: str
    file: str
    line: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Module that reads from some nodes and writes to another.

    Parameters
    ----------
    module
        Kind of the module, as ``module_conv``.
    inputs
        Nodes, one for each port in their order.
    output
        The node that it writes.
    parameters, state
        Names of its files.
    line
        Line of the schematic that it was read from, 0 if it was not.
    """

    module: str
    inputs: tuple[str, ...]
    output: str
    parameters: str
    state: str
    line: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class Schematic:
    """Everything that is simulated.

    Parameters
    ----------
    sources, instances
        In the order in which they stand; simultaneous events of sources are sent in this order.
    t_max
        Time after which nothing happens.
    """

    sources: tuple[Source, ...]
    instances: tuple[Instance, ...]
    t_max: int = LARGEST

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of all nodes: those of sources first, then those of modules."""
        return (
            *(source.node for source in self.sources),
            *(instance.output for instance in self.instances),
        )


def parse_schematic(lines: Lines) -> Schematic:
    """Return the schematic that a file describes.

    Raises
    ------
    MegaSimFileError
        With everything that is wrong in it, each with the file and the line.
    """
    lines.expect(".netlist")
    sources: list[Source] = []
    instances: list[Instance] = []
    while lines.peek() not in (None, ".options"):
        number, line = lines.number, lines.take("a source or a module")
        if (found := _SOURCE.fullmatch(line)) is not None:
            file = _file(lines, found[2], number)
            sources.append(Source(node=found[1], file=file, line=number))
        elif (found := _MODULE.fullmatch(line)) is not None:
            instances.append(_instance(lines, found, number))
        else:
            lines.note(
                f"found {line[:60]!r}; expected `source {{node}} file` or "
                f"`module_… {{node,…}}{{node}} parameters state`",
                number=number,
            )
    lines.expect(".options")
    number, line = lines.number, lines.take("`Tmax=` and a number")
    option = _OPTION.fullmatch(line)
    if option is None or option[1] != "Tmax":
        raise lines.error(f"found {line[:40]!r}; expected `Tmax=` and a number", number=number)
    lines.check("Tmax", int(option[2]), number=number)
    _check_nodes(lines, sources, instances)
    lines.finish()
    return Schematic(sources=tuple(sources), instances=tuple(instances), t_max=int(option[2]))


def _instance(lines: Lines, found: re.Match[str], number: int) -> Instance:
    if found[1] not in KINDS:
        known = ", ".join(KINDS)
        lines.note(f"there is no module {found[1]!r}; expected one of {known}", number=number)
    inputs = tuple(found[2].split(","))
    return Instance(
        module=found[1],
        inputs=inputs,
        output=found[3],
        parameters=_file(lines, found[4], number),
        state=_file(lines, found[5], number),
        line=number,
    )


def _file(lines: Lines, name: str, number: int) -> str:
    if not _FILE.fullmatch(name):
        lines.note(
            f"{name[:40]!r} is no name of a file in this directory; expected letters, digits and "
            f"_ . + -",
            number=number,
        )
    return name


def _check_nodes(lines: Lines, sources: list[Source], instances: list[Instance]) -> None:
    """Require that every node is written once, and that every node that is read is written."""
    written = [source.node for source in sources]
    names = [*written, *(node for item in instances for node in (*item.inputs, item.output))]
    for node in dict.fromkeys(names):
        if not _NODE.fullmatch(node):
            lines.note(
                f"{node[:40]!r} is no name of a node; expected letters, digits and _ . + -",
                number=1,
            )
    known = {*written, *(instance.output for instance in instances)}
    if len(set(written)) < len(written):
        lines.note("two sources have the same node", number=1)
    for instance in instances:
        if instance.output in written:
            lines.note(f"node {instance.output!r} is written twice", number=instance.line)
        written.append(instance.output)
        for node in instance.inputs:
            if node not in known:
                lines.note(
                    f"node {node!r} is read, but neither a source nor a module writes it",
                    number=instance.line,
                )


def format_schematic(schematic: Schematic) -> str:
    """Return the text of a schematic: sources of input, of control, then modules by layer."""
    return "\n".join(_format(schematic))


def _format(schematic: Schematic) -> Iterator[str]:
    yield ".netlist"
    yield from (f"source {{{source.node}}} {source.file}" for source in schematic.sources)
    state = None
    for instance in schematic.instances:
        if instance.state != state:  # one file for all modules of a layer
            yield ""
        state = instance.state
        inputs = ",".join(instance.inputs)
        files = f"{instance.parameters} {instance.state}"
        yield f"{instance.module} {{{inputs}}}{{{instance.output}}} {files}"
    yield from ("", ".options", f"Tmax={schematic.t_max}", "")
