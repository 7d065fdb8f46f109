"""The section ``[output]`` of the settings: what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field, field_validator

from snn_core.errors import ArtifactError, suggest
from snn_core.settings.section import Section

RECORDABLE = ("spiketrains", "mem", "input", "activations")

_SHORT = {"spikes": "spiketrains", "potentials": "mem"}

_LOG_VARS = {
    **_SHORT,
    "spiketrains_n_b_l_t": "spiketrains",
    "mem_n_b_l_t": "mem",
    "input_b_l_t": "input",
    "activations_n_b_l": "activations",
    # Always recorded here, so asking for them adds nothing.
    "synaptic_operations_b_t": None,
    "neuron_operations_b_t": None,
}


def record_flag(names: Iterable[str]) -> str:
    """Return the flag that records variables: ``--record spikes,input``."""
    short = short_names(names)
    return f"--record {'all' if len(short) == len(RECORDABLE) else ','.join(short)}"


def short_names(variables: Iterable[str]) -> list[str]:
    """Return the names that ``--record`` has for variables: ``spikes`` for ``spiketrains``."""
    wanted, short = set(variables), {variable: name for name, variable in _SHORT.items()}
    return [short.get(name, name) for name in RECORDABLE if name in wanted]


def recorded_variable(name: object) -> str:
    """Return the variable that a name of ``--record`` stands for.

    Raises
    ------
    ArtifactError
        If there is none of that name.
    """
    found = _SHORT.get(name, name) if isinstance(name, str) else ""
    if found not in RECORDABLE:
        known = short_names(RECORDABLE)
        raise ArtifactError(
            f"There is no variable {name!r}.{suggest(name, (*known, *RECORDABLE))} Known: "
            f"{', '.join(known)} (spiketrains and mem name the first two, too)."
        )
    return found


class OutputSettings(Section):
    """Variables that are recorded."""

    log_vars: frozenset[Literal[RECORDABLE]] = Field(  # type: ignore[valid-type]
        frozenset(),
        description="variables to record besides decisions, counts and operations; "
        "`spikes` and `potentials` are short for `spiketrains` and `mem`, `all` for all of them",
    )

    @field_validator("log_vars", mode="before")
    @classmethod
    def _accept_original_names(cls, value: object) -> object:
        """Accept short names and the original's; ``all`` stands for every variable."""
        if isinstance(value, str):
            value = [name.strip() for name in value.split(",") if name.strip()]
        if isinstance(value, Mapping):  # the literal {} of an INI file is an empty dict
            value = list(value)
        if not isinstance(value, (list, tuple, set, frozenset)):
            return value
        if "all" in value:
            return frozenset(RECORDABLE)
        names = [str(item) for item in value]
        for name in names:
            if name not in (*_LOG_VARS, *RECORDABLE):
                raise ValueError(
                    f"expected some of spikes, potentials, input and activations, or all."
                    f"{suggest(name, (*_SHORT, *RECORDABLE))}"
                )
        return frozenset(
            variable for name in names if (variable := _LOG_VARS.get(name, name)) is not None
        )
