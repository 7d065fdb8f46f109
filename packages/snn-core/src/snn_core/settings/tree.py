"""Settings: typed, validated, the same sections and keys as the original's INI files.

``Settings.load`` reads TOML or INI. An unknown key is an error that names the nearest known one.
Values that INI files keep as Python literals are parsed with `ast.literal_eval`. Sections named
after a simulator hold that simulator's own options and are checked by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from snn_core.errors import SettingsError
from snn_core.settings.cell import CellSettings
from snn_core.settings.files import read_tree
from snn_core.settings.input import DataflowKwargs, DatagenKwargs, InputSettings
from snn_core.settings.original import with_clamp_indices, without_original
from snn_core.settings.section import Section, Stage, describe_errors, require_known
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

SPIKE_CODES = (
    "temporal_mean_rate",
    "temporal_pattern",
    "ttfs",
    "ttfs_dyn_thresh",
    "ttfs_corrective",
    "ttfs_exact",
)

RECORDABLE = ("spiketrains", "mem", "input", "activations")

_LOG_VARS = {
    "spiketrains_n_b_l_t": "spiketrains",
    "mem_n_b_l_t": "mem",
    "input_b_l_t": "input",
    "activations_n_b_l": "activations",
    # Always recorded here, so asking for them adds nothing.
    "synaptic_operations_b_t": None,
    "neuron_operations_b_t": None,
}


class NormalizationSettings(Section):
    """How thresholds are found from calibration data."""

    stage: ClassVar[Stage] = "convert"
    other_stage: ClassVar[frozenset[str]] = frozenset(
        {"online_normalization", "diff_to_max_rate", "diff_to_min_rate", "timestep_fraction"}
    )
    claimed: ClassVar[frozenset[str]] = frozenset({"online_normalization"})

    method: Literal["percentile", "mse", "none"] = Field(
        "percentile", description="`percentile` of the positive activations, `mse`: the threshold "
        "with the smallest quantisation error at `timesteps` steps, `none`: leave weights alone",
    )  # fmt: skip
    percentile: float = Field(99.9, gt=0, le=100, description="percentile of positive activations")
    per_channel: bool = Field(False, description="one threshold per channel instead of per layer")
    normalization_schedule: bool = Field(
        False, description="lower the percentile by 0.02 for each layer in turn"
    )
    timesteps: int = Field(32, ge=1, description="number of steps T that `mse` optimises for")
    num_samples: int | None = Field(
        None, ge=1, description="use only so many calibration samples, classes in turn"
    )
    online_normalization: bool = Field(
        False, examples=[True],
        description="lower the threshold of a layer during the simulation to its highest "
        "spike rate, and what its spikes carry with it",
    )  # fmt: skip
    diff_to_max_rate: float = Field(
        200.0, ge=0, description="in Hz; leave thresholds alone if the highest rate is below the "
        "largest possible one, 1000 / dt, by no more than this",
    )  # fmt: skip
    diff_to_min_rate: float = Field(
        100.0, ge=0, description="in Hz; leave thresholds alone while the highest rate is below"
    )
    timestep_fraction: int = Field(10, ge=1, description="do so in every n-th step")


class ConversionSettings(Section):
    """How the network is turned into a spiking one."""

    stage: ClassVar[Stage] = "convert"
    claimed: ClassVar[frozenset[str]] = frozenset({"spike_code"})

    spike_code: Literal[SPIKE_CODES] = Field(  # type: ignore[valid-type]
        "temporal_mean_rate", description="how spikes stand for numbers; see `docs/spike-codes.md`"
    )
    num_bits: int = Field(
        8, ge=1, le=32, description="binary digits, and steps, of a `temporal_pattern`"
    )
    window_steps: int = Field(
        32, ge=0, description="steps of each layer's window in `ttfs_exact`; 0: continuous time"
    )
    ttfs_ramp: bool = Field(
        True, description="let the neurons of `ttfs`, `ttfs_dyn_thresh` and `ttfs_corrective` "
        "reach their threshold without input at the end of the run, and scale layers for that; if "
        "false, they behave as in the original",
    )  # fmt: skip
    readout: Literal["counts", "membrane"] = Field(
        "counts", description="decide by output spikes or by the output's membrane potentials"
    )
    softmax_to_relu: bool = Field(
        False, description="give a softmax output plain integrate-and-fire neurons"
    )
    max2avg_pool: bool = Field(False, description="replace max pooling by average pooling (lossy)")
    maxpool_type: Literal["fir_max", "avg_max", "exp_max", "pre_spike_max"] = Field(
        "fir_max", description="how spiking max pooling finds the maximum"
    )
    pool_spiking: bool = Field(
        True, description="give average pooling and up-sampling neurons of their own; if false, "
        "they are merged into the next layer's synapses",
    )  # fmt: skip


class SimulationSettings(Section):
    """Simulator, simulated time, samples and random seed."""

    claimed: ClassVar[frozenset[str]] = frozenset(
        {"reset_between_nth_sample", "scale_first_layer_parameters"}
    )

    simulator: str = Field(
        "inisim", min_length=1, description="name of the simulator, where none is given otherwise"
    )
    duration: float = Field(200.0, gt=0, description="simulated time per sample in ms")
    dt: float = Field(1.0, gt=0, description="length of a step in ms")
    batch_size: int = Field(100, ge=1, description="samples simulated at a time")
    num_to_test: int | None = Field(
        None, ge=1, description="use only so many samples: the first of each class, the second of "
        "each, ...; the first ones where samples follow one another (`reset_between_nth_sample`)",
    )  # fmt: skip
    sample_idxs_to_test: tuple[int, ...] = Field((), description="use these samples instead")
    reset_between_nth_sample: int = Field(
        1, examples=[2],
        description="reset the network before every n-th sample only, as for the frames of a "
        "video; 0 or less: before the first one only",
    )  # fmt: skip
    early_stopping: bool = Field(
        False, description="stop a sample after the last step that has any input"
    )
    scale_first_layer_parameters: float | None = Field(
        None, gt=0, examples=[1.0],
        description="experimental: present constant input more strongly at first, "
        "fading with this time constant in ms; `true` stands for 1",
    )  # fmt: skip
    top_k: int = Field(5, ge=1, description="also report the top-k error")
    task: Literal["auto", "classification", "binary", "multilabel", "regression"] = Field(
        "auto", description="what the outputs stand for, and so how they are scored; `auto` finds "
        "it from the outputs and the labels, see `docs/concepts.md`",
    )  # fmt: skip
    seed: int = Field(0, ge=0, description="seed of all random numbers")

    @field_validator("scale_first_layer_parameters", mode="before")
    @classmethod
    def _accept_switch(cls, value: object) -> object:
        """Accept a switch."""
        return (1.0 if value else None) if isinstance(value, bool) else value


class OutputSettings(Section):
    """Variables that are recorded."""

    log_vars: frozenset[Literal[RECORDABLE]] = Field(  # type: ignore[valid-type]
        frozenset(), description="variables to record besides decisions, counts and operations"
    )

    @field_validator("log_vars", mode="before")
    @classmethod
    def _accept_original_names(cls, value: object) -> object:
        """Accept the original's names; ``all`` stands for every variable."""
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Mapping):  # the literal {} of an INI file is an empty dict
            value = list(value)
        if not isinstance(value, (list, tuple, set, frozenset)):
            return value
        if "all" in value:
            return frozenset(RECORDABLE)
        return frozenset(
            name for item in value if (name := _LOG_VARS.get(str(item), str(item))) is not None
        )


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
            f"simulation.duration / simulation.dt = {steps:g} steps; expected at most {MOST_STEPS}"
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
        found = converted.updated(self.model_dump(exclude_unset=True))
        _require_same_conversion(found, converted)
        _require_short_steps(found, converted)
        return found

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
        path = Path(path)
        tree = read_tree(path)
        read = with_clamp_indices(tree, folder=path.parent)
        return (base or cls()).updated(read, simulators=simulators)

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
            items = _translate_keys(section, items)
            known = type(getattr(self, section)).model_fields
            for key in items:
                require_known(key, known, what=f"key in section [{section}]")
            own_section.update(items)
        try:
            return Settings.model_validate(values)
        except ValidationError as error:
            raise SettingsError(describe_errors(error)) from error


_SECTIONS = tuple(Settings.model_fields)


MOST_STEPS = 10**9
"""Steps that numbers of steps have room for everywhere."""

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
