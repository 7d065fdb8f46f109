"""Base classes of settings and of simulator options: strict, with the stage of each key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from typing_extensions import Self

from snn_core.errors import SettingsError, brief, suggest

Stage: TypeAlias = Literal["convert", "run"]
"""When a setting has its effect: while a network is converted, or in each run of it."""


LARGEST = 2**62
"""Largest whole number that a setting takes."""

LEAST_NUMBER, LARGEST_NUMBER = 1e-9, 1e9
"""Smallest and largest magnitude of a number with a fraction, apart from 0, whatever its unit.

In ms they are a picosecond and eleven days, in Hz a spike in 30 years and one in a nanosecond; of
thresholds, float32 tells neither beside 1. The product or quotient of any two of them, such as
``tau_refrac / dt``, is a number that float32 and int64 hold.
"""

MOST_STEPS = 10**9
"""Steps that numbers of steps have room for everywhere."""


MOST_THREADS = 4096
"""Threads that an option of a simulator may ask for; no computer has as many processors."""

MOST_SECONDS = 1e6
"""Longest time limit, 11 days: what waits for another process counts ms in 32 bits."""


class Section(BaseModel):
    """A section of the settings.

    Attributes
    ----------
    stage
        Stage of the section's keys.
    other_stage
        Keys that belong to the other stage.
    claimed
        Keys of which a simulator accepts no more than the default unless its capabilities say so.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    stage: ClassVar[Stage] = "run"
    other_stage: ClassVar[frozenset[str]] = frozenset()
    claimed: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _require_known_keys(cls, values: object) -> object:
        """Refuse keys that there are not, with the nearest that there is."""
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                raise ValueError(_describe_unknown(str(key), cls.model_fields, what="key"))
        return values

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_huge(cls, value: object) -> object:
        """Refuse whole numbers that no array index holds."""
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError(f"expected a number of at most {LARGEST}")
        return value

    @field_validator("*")
    @classmethod
    def _refuse_extremes(cls, value: object) -> object:
        """Refuse numbers that are out of range, also in lists and among keys."""
        for number in _numbers(value):
            if isinstance(number, int):
                cls._refuse_huge(number)
            elif number and not LEAST_NUMBER <= abs(number) <= LARGEST_NUMBER:
                raise ValueError(
                    f"expected a number of magnitude {LEAST_NUMBER:g} to {LARGEST_NUMBER:g}, or 0"
                )
        return value

    @classmethod
    def keys_of(cls, stage: Stage) -> list[str]:
        """Return the keys that have their effect in a stage."""
        return [key for key in cls.model_fields if (key in cls.other_stage) != (stage == cls.stage)]


def _numbers(value: object) -> Iterator[float]:
    """Yield the number that a value is, or those that it holds."""
    items = value.values() if isinstance(value, Mapping) else value
    for item in items if isinstance(items, Iterable) and not isinstance(items, str) else (items,):
        if isinstance(item, (int, float)) and not isinstance(item, bool):
            yield item


class Options(Section):
    """Options of a simulator: derive from this and give each field a default and a description.

    Values are taken as they are: ``true`` is no number, ``"3"`` neither.

    Raises
    ------
    SettingsError
        If a key is unknown or a value impossible.
    """

    model_config = ConfigDict(strict=True)

    def __init__(self, **values: Any) -> None:
        for key in values:
            require_known(key, type(self).model_fields, what="simulator option")
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError(describe_errors(error)) from error

    @classmethod
    def of_section(cls, sections: Mapping[str, Mapping[str, Any]], name: str) -> Self:
        """Return the options in a section of `Settings.options`; an error names the section."""
        try:
            return cls(**sections.get(name, {}))
        except SettingsError as error:
            raise SettingsError(f"In the section [{name}]: {error}") from error

    @classmethod
    def free_texts(cls) -> frozenset[str]:
        """Return the keys that take any text: names of folders, programs and hosts.

        Whoever runs a network chooses these; a file that came from elsewhere must not.
        """
        return frozenset(
            key
            for key, item in cls.model_fields.items()
            if str in (item.annotation, *get_args(item.annotation))
        )


def require_known(name: str, known: Iterable[str], *, what: str) -> None:
    """Raise unless a name is known.

    Raises
    ------
    SettingsError
        Names the nearest known name.
    """
    known = tuple(known)
    if name not in known:
        raise SettingsError(_describe_unknown(name, known, what=what))


def _describe_unknown(name: str, known: Iterable[str], *, what: str) -> str:
    known = sorted(known)
    hint, names = suggest(name, known), ", ".join(known) or "none"
    return f"Unknown {what}: {brief(name)}.{hint} Known: {names}."


MOST_LINES = 20
"""Impossible settings that a message lists."""


def describe_errors(error: ValidationError) -> str:
    """Return a message with a line for each impossible setting: what was found, what expected.

    Of more than `MOST_LINES` it says how many there are.
    """
    lines = []
    for item in error.errors(include_url=False)[:MOST_LINES]:
        message = describe_error(item)
        # Behind section and key follow pydantic's names for the branches of a union, unless the
        # value has keys of its own.
        place = tuple(map(str, item["loc"]))
        depth = 3 if place[1:] and place[1].endswith("_kwargs") else 2
        where = ".".join(place[:depth])
        # What is wrong with one key of several is said by the message.
        several = isinstance(item["input"], Mapping) and item["type"] == "value_error"
        found = "" if several else f"found {brief(item['input'])}; "
        lines.append(f"{where}: {found}{message}" if where else message)
    if error.error_count() > MOST_LINES:
        lines.append(f"and {error.error_count() - MOST_LINES} more")
    return "Impossible setting:\n" + "\n".join(f"  - {line}" for line in lines)


_EXPECTED: Mapping[str, str] = {
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type", "mapping_type"), "keys and values"),
    **dict.fromkeys(("string_type", "string_unicode"), "a text"),
    "none_required": "nothing",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
}
"""What is expected, by pydantic's kinds of errors."""


def describe_error(item: ErrorDetails) -> str:
    """Return what was expected, with the nearest of the words that a setting takes."""
    expected, limits = _EXPECTED.get(item["type"]), item.get("ctx", {})
    message = item["msg"].removeprefix("Value error, ")
    if expected is not None:
        message = f"expected {expected.format(**limits)}"
    if item["type"] != "literal_error":
        return message
    hint = suggest(str(item["input"]), re.findall(r"'([^']*)'", message))
    return f"{message}.{hint}" if hint else message
