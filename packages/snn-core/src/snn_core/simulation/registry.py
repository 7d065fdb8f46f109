"""Simulators by name, found through the entry point group ``snn.simulators``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from snn_core.errors import (
    ContractError,
    SettingsError,
    SimulatorImportError,
    SNNError,
    SNNWarning,
    UnknownSimulatorError,
    printable_line,
    suggest,
    warn,
)
from snn_core.installing import how_to_install
from snn_core.ir import Network
from snn_core.settings import Settings
from snn_core.simulation.contract import CONTRACT, AbstractSNN, Capabilities
from snn_core.typing import PathLikeStr

GROUP = "snn.simulators"

ALIASES = {
    "INI": "inisim",
    "MegaSim": "megasim",
    "spiNNaker": "spinnaker",
    "brian": "pynn-brian2",
    "nest": "pynn-nest",
    "neuron": "pynn-neuron",
}
"""Names that snn_toolbox used."""

HOMES = {
    "inisim": "snn-inisim",
    "brian2": "snn-brian2",
    "pynn-nest": "snn-pynn",
    "pynn-neuron": "snn-pynn",
    "pynn-brian2": "snn-pynn",
    "megasim": "snn-megasim",
    "spinnaker": "snn-spinnaker",
    "loihi": "snn-loihi",
}
"""Which package of the family brings a simulator."""

SMALLEST = "reference"
"""The simulator that comes with this package."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """An installed simulator and what it claims, or why it cannot be used.

    ``problem`` tells why it cannot be used; ``capabilities`` is then ``None``.
    """

    name: str
    distribution: str
    version: str
    capabilities: Capabilities | None
    problem: str | None


def names() -> list[str]:
    """Return the names of all registered simulators."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def current_name(name: str) -> str:
    """Return the name under which a simulator is registered now; most names stay as they are."""
    return name if name in names() else ALIASES.get(name, name)


def get(name: str) -> type[AbstractSNN]:
    """Return the class of a simulator.

    Raises
    ------
    UnknownSimulatorError
        If no installed package registers the name.
    SimulatorImportError
        If its package cannot be imported or registers something else.
    ContractError
        If it was written for another version of the contract, or two packages claim the name.
    """
    wanted = current_name(name)
    found = [entry for entry in entry_points(group=GROUP) if entry.name == wanted]
    if not found:
        raise UnknownSimulatorError(_describe_unknown(wanted, names()))
    if len(found) > 1:
        claims = " and ".join(_origin(entry) for entry in found)
        raise ContractError(
            f"The simulator name {wanted!r} is registered by {claims}; uninstall one of them."
        )
    return _load(found[0])


def load_settings(path: PathLikeStr, *, base: Settings) -> Settings:
    """Read a settings file on top of other settings, with options of the installed simulators.

    Raises
    ------
    SettingsError
        Names the file, if a setting or an option of a simulator is unknown or impossible.
    """
    settings = Settings.load(path, base=base, simulators=tuple(names()))
    changed = [name for name, own in settings.options.items() if own != base.options.get(name)]
    require_options(settings, changed, path=path)
    return settings


def require_options(settings: Settings, simulators: Iterable[str], *, path: PathLikeStr) -> None:
    """Make sure that simulators take the options that a file brought.

    Raises
    ------
    SettingsError
        Names the file.
    """
    for name in simulators:
        kind = None
        with suppress(ContractError, SimulatorImportError, UnknownSimulatorError):
            kind = get(name)  # what cannot run does nothing
        try:
            if kind is not None:
                kind.options_type.of_section(settings.options, name)
        except SettingsError as error:
            raise SettingsError(f"In {printable_line(path)}: {error}") from error


def without_free_texts(network: Network) -> Network:
    """Return a network whose settings leave folders, programs and hosts to who runs it.

    An artifact may come from anywhere. What it says of a simulator's options is taken, but for
    those that are any text (`Options.free_texts`): a cache folder holds programs that are executed.

    Warns
    -----
    OptionWarning
        Naming the options that are left out.
    """
    if network.settings is None or not network.settings.options:
        return network
    kept, dropped = split_free_texts(network.settings.options)
    if dropped:
        warn(
            f"The network's own settings name {', '.join(dropped)}, which only who runs it may "
            f"choose; they are left out. Give them for the run, if they are meant.",
            OptionWarning,
        )
    return network.replace(settings=network.settings.model_copy(update={"options": kept}))


def split_free_texts(
    sections: Mapping[str, Mapping[str, Any]],
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return options of simulators without those that are any text, and the names of the latter."""
    kept: dict[str, dict[str, Any]] = {}
    dropped: list[str] = []
    for name, options in sections.items():
        installed = current_name(name) in names()  # others cannot run, so theirs do nothing
        texts = get(name).options_type.free_texts() if installed else frozenset()
        kept[name] = {key: value for key, value in options.items() if key not in texts}
        dropped += [f"{name}.{key}" for key in sorted(texts & set(options)) if options[key]]
    return kept, dropped


class OptionWarning(SNNWarning):
    """Options that a file names are left out."""


def describe() -> list[Description]:
    """Return all registered simulators, broken ones too, without starting any."""
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        capabilities, problem = None, None
        try:
            simulator = get(entry.name)
            capabilities = simulator.capabilities_for(simulator.options_type())
        except SNNError as error:
            problem = str(error)
        found.append(
            Description(
                name=entry.name,
                distribution=entry.dist.name if entry.dist else "unknown",
                version=entry.dist.version if entry.dist else "unknown",
                capabilities=capabilities,
                problem=problem,
            )
        )
    return found


def version_of(name: str) -> str:
    """Return distribution and version that bring a simulator, for example ``snn-inisim 0.1.0``."""
    wanted = current_name(name)
    return next(_origin(entry) for entry in entry_points(group=GROUP) if entry.name == wanted)


def _load(entry: EntryPoint) -> type[AbstractSNN]:
    try:
        found = entry.load()
    except Exception as error:
        # A foreign module may fail in any way; whatever it is, the user has to know whose it is.
        raise SimulatorImportError(
            f"The simulator {entry.name!r} of {_origin(entry)} cannot be imported: "
            f"{type(error).__name__}: {error}. Reinstall or uninstall that package."
        ) from error
    if not (isinstance(found, type) and issubclass(found, AbstractSNN)):
        raise SimulatorImportError(
            f"The entry point {entry.name!r} of {_origin(entry)} is {found!r}; expected a subclass "
            f"of AbstractSNN."
        )
    if found.contract != CONTRACT:
        older = "the simulator" if found.contract < CONTRACT else "snn-core"
        raise ContractError(
            f"The simulator {entry.name!r} of {_origin(entry)} was written for contract "
            f"{found.contract}; this snn-core has contract {CONTRACT}. Update {older}."
        )
    return found


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _describe_unknown(name: str, known: Sequence[str]) -> str:
    home = HOMES.get(name)
    if home:
        advice = f" It comes with {home}. {how_to_install(home)}"
    else:
        advice = suggest(name, [*known, *HOMES])
    instead = ""
    if home and SMALLEST in known:
        instead = f" --simulator {SMALLEST} needs nothing else, and is slow."
    return (
        f"There is no simulator {name!r}.{advice}{instead} Installed: {', '.join(known) or 'none'}."
    )
