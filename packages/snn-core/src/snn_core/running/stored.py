"""What the JSON files of a result folder must hold: a run's description and its summary.

A result folder is input like any other: it may come from elsewhere, be cut off or edited. Whoever
uses a run gets it from `snn_core.running.folder`, which checks it here and, as for the arrays of
its batches, in `snn_core.running.stored_arrays`, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from snn_core.codes import CODES
from snn_core.settings import OutputSettings, Section, Settings, SimulationSettings
from snn_core.settings.section import describe_errors
from snn_core.simulation.tasks import TASKS

Number = Annotated[int, Field(ge=0, lt=2**62)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0)]


MOST_VALUES = 2**21
"""Values in ``run.json`` and in ``summary.json``, such as the numbers of a million samples."""

MOST_OBJECTS = 10_000
"""Lists and objects among them; our own have some dozens."""

LONGEST_TEXT = 2**14
"""Letters of a text in them; a path has 4096."""


def require_short_texts(found: Mapping[str, Any]) -> None:
    """Make sure that no text is longer than what a page, a table or a terminal can show.

    Raises
    ------
    ValueError
        Names the text.
    """
    waiting: list[tuple[str, Any]] = [("", found)]
    while waiting:
        where, value = waiting.pop()
        for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if isinstance(name, str) and len(name) > LONGEST_TEXT:
                _refuse(name, f"a name in {where or 'it'}")
            if isinstance(item, str):
                if len(item) > LONGEST_TEXT:
                    _refuse(item, _place(where, name))
            elif isinstance(item, (Mapping, list, tuple)):
                waiting.append((_place(where, name), item))


def _place(where: str, name: str | int) -> str:
    return f"{where}.{name}".strip(".")[:_SHOWN] if isinstance(name, str) else where


def _refuse(text: str, where: str) -> NoReturn:
    raise ValueError(f"{where} is a text of {len(text)} letters; expected at most {LONGEST_TEXT}")


_SHOWN = 200
"""Letters of a text's place in a message."""


class _Stored(BaseModel):
    """An object whose known entries are checked; others are kept."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Conversion(_Stored):
    spike_code: Literal[tuple(CODES)]  # type: ignore[valid-type]
    readout: Literal["counts", "membrane"] = "counts"
    window_steps: Number = 1


class _Simulation(_Stored):
    dt: Positive
    duration: Positive
    top_k: Annotated[Number, Field(ge=1)] = 5


class _Settings(_Stored):
    conversion: _Conversion
    simulation: _Simulation


class _Identity(_Stored):
    simulator: str
    samples: Annotated[Number, Field(ge=1)]
    settings: _Settings
    simulator_version: str = "unknown"
    network_sha256: str = ""
    scales_sha256: str = ""
    data_sha256: str = ""
    sample_ids_sha256: str = ""


class _Model(_Stored):
    name: str = ""
    origin: str = ""
    parameters: Number | None = None


class _Description(_Stored):
    """The content of ``run.json``."""

    identity: _Identity
    layers: Annotated[list[str], Field(min_length=2)]
    num_neurons: list[Number]
    ann_operations: Number
    num_synapses: Number | None = None
    model: _Model = _Model()
    data: str = ""
    task: Literal[tuple(TASKS)] = "classification"  # type: ignore[valid-type]
    readout: Literal["counts", "membrane"] | None = None
    has_labels: bool = True
    input: str = ""
    classes: list[str] = []
    warnings: list[str] = []
    versions: dict[str, str] = {}
    hardware: str | None = None
    details: dict[str, Any] = {}

    @model_validator(mode="after")
    def _require_number_for_each_layer(self) -> _Description:
        if len(self.layers) != len(self.num_neurons) or not all(self.num_neurons):
            raise ValueError(
                f"{len(self.layers)} layers with {self.num_neurons} neurons do not fit together"
            )
        return self

    @model_validator(mode="after")
    def _require_outputs_of_task(self) -> _Description:
        outputs = self.num_neurons[-1]
        if self.task == "binary" and outputs != 1:
            raise ValueError(f"the task 'binary' with {outputs} outputs; expected one")
        if len(self.classes) > most_classes(outputs):
            raise ValueError(
                f"{len(self.classes)} classes for {outputs} output(s); expected at most "
                f"{most_classes(outputs)}"
            )
        return self


def most_classes(outputs: int) -> int:
    """Return how many classes so many outputs tell apart: one output tells two."""
    return max(outputs, 2)


def check_description(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked content of ``run.json``; what older versions left out is filled in.

    Raises
    ------
    ValueError
        If anything is missing or impossible, or a text is too long.
    """
    require_short_texts(found)
    try:
        description = _Description.model_validate(found).model_dump(mode="python")
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from error
    try:
        settings = Settings.stored(_known(found["identity"]["settings"], Settings))
    except ValidationError as error:
        raise ValueError(describe_errors(error)) from error
    _require_number_of_samples(description["identity"]["samples"], settings.simulation)
    return description


def _require_number_of_samples(samples: int, settings: SimulationSettings) -> None:
    """Make sure that a run has as many samples as its settings ask for, if they do."""
    named = settings.sample_idxs_to_test
    wanted = len(named) if named else settings.num_to_test
    if wanted not in (None, samples):
        place = "sample_idxs_to_test" if named else "num_to_test"
        raise ValueError(
            f"identity.samples is {samples}; simulation.{place} of its settings asks for {wanted}"
        )


def asked_variables(description: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the variables that a run was to record; ``None`` if its settings do not say.

    Parameters
    ----------
    description
        What `check_description` returned.
    """
    output = description["identity"]["settings"].get("output", {})
    if "log_vars" not in output:
        return None
    return OutputSettings.model_validate({"log_vars": output["log_vars"]}).log_vars


def _first_problem(error: ValidationError) -> str:
    """Return the first of pydantic's problems: its place, and what is wrong."""
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {said}"[:_SHOWN] if where else said


def _known(found: Mapping[str, Any], section: type[Section]) -> dict[str, Any]:
    """Return the entries of a section that there are in this version; others had other ones."""
    known: dict[str, Any] = {}
    for name in section.model_fields.keys() & found.keys():
        kind, value = section.model_fields[name].annotation, found[name]
        # Python 3.10 takes `tuple[int, ...]` for a class.
        is_class = get_origin(kind) is None and isinstance(kind, type)
        is_section = is_class and issubclass(kind, Section)  # type: ignore[arg-type]
        inner = is_section and isinstance(value, Mapping)
        known[name] = _known(value, kind) if inner else value  # type: ignore[arg-type]
    return known


_SUMMARY = TypeAdapter(
    dict[str, str | Annotated[int, Field(gt=-(2**62), lt=2**62)] | Finite | list[str] | None]
)
_TEXTS = frozenset({"simulator", "spike_code", "task", "digest"})
_SHARES = frozenset({"accuracy", "ann_accuracy", "exact_match", "ann_exact_match", "agreement"})
_ANY_SIGN = frozenset({"r2", "ann_r2"})


def check_summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked content of ``summary.json``.

    Raises
    ------
    ValueError
        If a figure is no number or out of its range, or a text is too long.
    """
    require_short_texts(found)
    try:
        figures = _SUMMARY.validate_python(found, strict=True)
    except ValidationError as error:
        name = str(error.errors(include_url=False)[0]["loc"][0])[:_SHOWN]
        raise ValueError(f"{name} is no number, text or list of texts") from error
    for name, value in figures.items():
        expected = _expected_instead(name, value)
        if expected:
            raise ValueError(f"{name}: expected {expected}, found {value!r}"[:_SHOWN])
    return figures


def _expected_instead(name: str, value: object) -> str:
    """Return what a figure should be, nothing if it may be what it is."""
    if name in _TEXTS:
        return "" if isinstance(value, str) else "a text"
    if name == "classes":
        return "" if isinstance(value, list) else "names"
    if value is None:
        return ""
    if not isinstance(value, (int, float)):
        return "numbers"
    if name in _SHARES:
        return "" if 0 <= value <= 1 else "a share from 0 to 1"
    return "" if value >= 0 or name in _ANY_SIGN else "no negative number"
