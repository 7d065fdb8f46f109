"""Settings: typed, validated, the same sections and keys as the original's INI files.

``Settings.load`` reads TOML or INI. An unknown key is an error that names the nearest known one.
Values that INI files keep as Python literals are parsed with `ast.literal_eval`. Sections named
after a simulator hold that simulator's own options and are checked by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError, model_validator
from typing_extensions import Self

from snn_core.errors import SettingsError, printable_line
from snn_core.files import as_path
from snn_core.reading import spend
from snn_core.settings.cell import CellSettings
from snn_core.settings.conversion import (
    SPIKE_CODES,
    ConversionSettings,
    NormalizationSettings,
)
from snn_core.settings.files import read_tree
from snn_core.settings.input import DataflowKwargs, DatagenKwargs, InputSettings
from snn_core.settings.original import with_clamp_indices, without_original
from snn_core.settings.output import RECORDABLE, OutputSettings
from snn_core.settings.section import MOST_STEPS, Section, describe_errors, require_known
from snn_core.settings.simulation import SimulationSettings
from snn_core.typing import PathLikeStr

__all__ = [
    "RECORDABLE",
    "SPIKE_CODES",
    "CellSettings",
    "ConversionSettings",
    "DataflowKwargs",
    "DatagenKwargs",
    "InputSettings",
    "NormalizationSettings",
    "OutputSettings",
    "Settings",
    "SimulationSettings",
]


class Settings(Section):
    """All settings of a conversion and a simulation.

    Attributes
    ----------
    options
        Sections named after a simulator: its own options, checked by it.
    """

    input: InputSettings = Field(default_factory=InputSettings)
    normalization: NormalizationSettings = Field(default_factory=NormalizationSettings)
    conversion: ConversionSettings = Field(default_factory=ConversionSettings)
    simulation: SimulationSettings = Field(default_factory=SimulationSettings)
    cell: CellSettings = Field(default_factory=CellSettings)
    output: OutputSettings = Field(default_factory=OutputSettings)
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        """Refuse settings that contradict each other."""
        stops = self.simulation.early_stopping or self.input.max_num_input_spikes is not None
        wrong = {
            "input.max_num_input_spikes needs input.encoding = 'constant' and cell.reset = "
            "'subtraction', which it counts with": self.input.max_num_input_spikes is not None
            and (self.input.encoding, self.cell.reset) != ("constant", "subtraction"),
            "simulation.scale_first_layer_parameters needs input.encoding = 'constant'": (
                self.simulation.scale_first_layer_parameters is not None
                and self.input.encoding != "constant"
            ),
            "cell.payloads needs cell.reset = 'subtraction': a spike then takes all of the "
            "potential": self.cell.payloads and self.cell.reset != "subtraction",
            "normalization.online_normalization and cell.payloads both decide what a spike "
            "carries": self.cell.payloads and self.normalization.online_normalization,
            "simulation.reset_between_nth_sample cannot be combined with stopping samples early, "
            "as the state of a stopped sample is not defined": stops
            and self.simulation.reset_between_nth_sample != 1,
        }
        steps = self.simulation.duration / self.simulation.dt
        wrong[
            f"simulation.duration / simulation.dt = {steps:g} steps; expected 1 to {MOST_STEPS}"
        ] = not 1 <= round(steps) <= MOST_STEPS
        steps = self.cell.tau_refrac / self.simulation.dt
        wrong[
            f"cell.tau_refrac / simulation.dt = {steps:g} steps; expected at most {MOST_STEPS}"
        ] = steps > MOST_STEPS
        found = [line for line, applies in wrong.items() if applies]
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def num_steps(self) -> int:
        """Number of steps N = round(duration / dt)."""
        return round(self.simulation.duration / self.simulation.dt)

    @property
    def of_conversion(self) -> dict[str, Any]:
        """The settings that have their effect in a conversion, by ``section.key``.

        A number as initial potential becomes part of the network, so it is one of them; where a
        word chooses the potentials of a run, those of the network are 0.
        """
        found = {
            f"{name}.{key}": getattr(section, key)
            for name, section in self
            if isinstance(section, Section)
            for key in section.keys_of("convert")
        }
        found["cell.v_init"] = self.cell.v_init if self._starts_by_number else 0.0
        return found

    @property
    def _starts_by_number(self) -> bool:
        return not isinstance(self.cell.v_init, str)

    @property
    def of_run(self) -> Settings:
        """The settings that have their effect in a run alone; all of them count as given."""
        elsewhere = set(self.of_conversion)
        if not self._starts_by_number:
            elsewhere.discard("cell.v_init")
        return Settings.of(
            {
                section: {k: v for k, v in items.items() if f"{section}.{k}" not in elsewhere}
                for section, items in self.to_tree().items()
            }
        )

    def on_top_of(self, base: Settings) -> Settings:
        """Return other settings in which those that were given here replace the present ones."""
        return base.updated(self.model_dump(exclude_unset=True))

    def with_conversion(self, converted: Settings) -> Settings:
        """Return settings for running a network that was converted with other ones.

        Those that were given here replace the ones of the conversion; all others are taken from
        there. A default counts as given where it was written down.

        Raises
        ------
        SettingsError
            If a setting that has its effect in a conversion is given with another value than the
            network was converted with, or steps are longer than the network allows.
        """
        found = self.on_top_of(converted)
        _require_same_conversion(found, converted)
        _require_short_steps(found, converted)
        return found

    def changes(self) -> list[str]:
        """Return what differs from the defaults, as ``--set`` takes it: ``simulation.seed=3``."""
        default, tree = Settings().to_tree(), self.to_tree()
        tree |= tree.pop("options")
        return [
            f"{name}.{key}={value!r}"
            for name, section in tree.items()
            for key, value in section.items()
            if name not in default or value != default[name][key]
        ]

    def to_tree(self) -> dict[str, Any]:
        """Return the settings as nested dictionaries of plain JSON values, in a fixed order."""
        tree = self.model_dump(mode="json")
        tree["output"]["log_vars"].sort()  # a set has no order of its own
        return tree

    @classmethod
    def load(
        cls, path: PathLikeStr, *, base: Settings | None = None, simulators: tuple[str, ...] = ()
    ) -> Settings:
        """Read a TOML or INI file on top of other settings.

        Parameters
        ----------
        base
            What the file changes; the defaults if not given.
        simulators
            Names of sections that hold simulator options.

        Raises
        ------
        SettingsError
            If the file is missing or not readable, or holds anything unknown or impossible.
        """
        path = as_path(path, error=SettingsError)
        tree = read_tree(path)
        try:
            read = with_clamp_indices(tree, folder=path.parent)
            return (base or cls()).updated(read, simulators=simulators)
        except SettingsError as error:
            raise SettingsError(f"In {printable_line(path)}: {error}") from error

    @classmethod
    def stored(cls, tree: Any) -> Settings:
        """Return the settings that a file keeps as `to_tree` gives them; call it in a reader.

        Raises
        ------
        ValidationError
            If they are none.
        BudgetExceededError
            If they may take more memory than the file may, as each can be impossible.
        """
        spend(_PER_VALUE * _count_values(tree), "its settings", kept=False)
        return cls.model_validate(tree)

    @classmethod
    def of(cls, tree: Mapping[str, Any], *, simulators: tuple[str, ...] = ()) -> Settings:
        """Return settings from nested mappings, checked strictly.

        Raises
        ------
        SettingsError
            Names the setting, what was found and what was expected.
        """
        return cls().updated(tree, simulators=simulators)

    def updated(self, tree: Mapping[str, Any], *, simulators: tuple[str, ...] = ()) -> Settings:
        """Return a copy in which the given settings replace the present ones.

        Raises
        ------
        SettingsError
            As in `of`.
        """
        found: object = tree  # which may come from anywhere
        if not isinstance(found, Mapping):
            raise SettingsError(
                f"Found settings of type {type(tree).__name__}; expected Settings, or a dictionary "
                f"from sections to dictionaries: {{'simulation': {{'duration': 32}}}}."
            )
        # Only what was given, so that it stays known what was.
        values = self.model_dump(exclude_unset=True)
        tree = with_clamp_indices(tree)
        for section, items in without_original(tree, simulators=simulators).items():
            require_known(section, (*_SECTIONS, *simulators), what="section")
            own_section = values.setdefault("options" if section in simulators else section, {})
            if not isinstance(items, Mapping):
                raise SettingsError(
                    f"Found [{section}] = {items!r}; expected a section with keys and values."
                )
            if section in simulators:
                own_section[section] = {**own_section.get(section, {}), **items}
                continue
            if section == "options":
                for name, own in items.items():
                    if not isinstance(own, Mapping):
                        raise SettingsError(
                            f"Found options.{name} = {own!r}; expected a section with keys and "
                            f"values."
                        )
                    own_section[name] = {**own_section.get(name, {}), **own}
                continue
            present = getattr(self, section)
            for key, value in _translate_keys(section, items).items():
                require_known(key, type(present).model_fields, what=f"key in section [{section}]")
                own_section[key] = _merge(getattr(present, key), value)
        try:
            return Settings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(describe_errors(error)) from error


_SECTIONS = tuple(Settings.model_fields)

_PER_VALUE = 1000
"""Memory that pydantic takes to say that one value is impossible, about."""


def _count_values(tree: Any) -> int:
    """Return how many values nested dictionaries and lists hold, themselves included."""
    number, waiting = 0, [tree]
    while waiting:
        value = waiting.pop()
        number += 1
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
    return number


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested settings, each with its dotted name; an empty section is one."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def _merge(present: object, given: object) -> object:
    """Return the value of a key: a setting with keys of its own keeps those that are not given.

    Without any key it starts anew.
    """
    if not (isinstance(present, Section) and isinstance(given, Mapping) and given):
        return given
    return {**present.model_dump(exclude_unset=True), **given}


LONGEST_STEP_MS = 1.0
"""Length of a step in which a neuron at its scale spikes once: scales stand for a spike per ms."""


def _require_same_conversion(found: Settings, converted: Settings) -> None:
    stored, given = converted.of_conversion, found.of_conversion
    if not found._starts_by_number:
        del given["cell.v_init"]
    lines = [
        f"  - {setting} = {value!r}; the network was converted with {stored[setting]!r}"
        for setting, value in given.items()
        if value != stored[setting]
    ]
    if lines:
        raise SettingsError(
            "These settings have their effect in a conversion, none in a run:\n"
            + "\n".join(lines)
            + "\nConvert the model with them, or leave them out."
        )


def _require_short_steps(found: Settings, converted: Settings) -> None:
    """Raise if rates would be lost, since a neuron spikes no more than once in a step."""
    dt, longest = found.simulation.dt, max(LONGEST_STEP_MS, converted.simulation.dt)
    if found.conversion.spike_code == "temporal_mean_rate" and dt > longest:
        raise SettingsError(
            f"Found steps of {dt:g} ms (simulation.dt); the network was converted for rates of up "
            f"to one spike per {longest:g} ms, which need steps of at most {longest:g} ms. Shorten "
            f"the steps."
        )


def _translate_keys(section: str, items: Mapping[str, Any]) -> dict[str, Any]:
    """Translate keys of the original that have another name here."""
    items = dict(items)
    if section == "input" and "poisson_input" in items:
        items["encoding"] = "poisson" if items.pop("poisson_input") else "constant"
    return items
