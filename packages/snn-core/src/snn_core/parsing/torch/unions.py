"""Unions of PyTorch's schema of programs: values that say which of several forms they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from snn_core.errors import ParseError, brief
from snn_core.typing import Shape

OPEN: Final = object()
"""A number that the program computes, such as how many samples there are."""

_NOT_FINITE = ("Infinity", "-Infinity", "NaN")
"""Numbers that JSON cannot spell."""

_ADVICE = "export the model again"


@dataclass(frozen=True, slots=True)
class Unread:
    """An argument of a form that no operator that is read takes, such as a part of the graph."""

    form: str


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_float(value: object) -> bool:
    return isinstance(value, float) or _is_int(value) or value in _NOT_FINITE


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_FORMS: Mapping[str, Callable[[object], bool]] = {
    "as_int": _is_int,
    "as_float": _is_float,
    "as_bool": _is_bool,
    "as_string": _is_text,
    # Types, layouts and formats have numbers, too.
    "as_scalar_type": _is_int,
    "as_layout": _is_int,
    "as_memory_format": _is_int,
    "as_device": lambda value: isinstance(value, Mapping),
}
"""Forms of one value, and whether a value has it."""

_LISTS = {f"{form}s": form for form in ("as_int", "as_float", "as_bool", "as_string")}
_OPEN_LISTS = {f"{form}s": form for form in ("as_sym_int", "as_sym_float", "as_sym_bool")}
_KNOWN = (
    "as_complex", "as_custom_obj", "as_float_lists", "as_graph", "as_int_lists",
    "as_nested_tensors", "as_operator", "as_optional_tensor", "as_optional_tensors",
    "as_string_to_argument", "as_tensor", "as_tensors",
)  # fmt: skip
"""Forms that are no plain values."""

_OF_KEYS = {
    "as_scalar_type": ("dtype",),
    "as_layout": ("layout",),
    "as_memory_format": ("memory_format",),
    "as_device": ("device",),
}
"""Arguments that have a form of their own, and no other one."""

_TEXTS = ("approximate", "mode", "padding", "reduction", "rounding_mode")
"""Arguments that may be texts."""


def member_of(union: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the form that a union has, and the value.

    Raises
    ------
    ParseError
        If it has several forms, or none.
    """
    if len(union) != 1:
        raise ParseError(f"The program holds {brief(dict(union))}; expected one form: {_ADVICE}.")
    ((form, value),) = union.items()
    return form, value


def to_plain(argument: Mapping[str, Any]) -> Any:
    """Return a setting as a plain value: with `OPEN` for numbers that are computed.

    Raises
    ------
    ParseError
        If the form is not known, or the value does not have it.
    """
    form, value = member_of(argument)
    if form == "as_none":
        return None
    if form in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        inner, _ = member_of(value)
        return OPEN if inner == "as_name" else _plain(form.replace("sym_", ""), value)
    if form in _OPEN_LISTS:
        return [to_plain({_OPEN_LISTS[form]: item}) for item in value]
    if form in _LISTS:
        return [_plain(_LISTS[form], {_LISTS[form]: item}) for item in value]
    if form in _FORMS:
        return _plain(form, argument)
    if form in _KNOWN:
        return Unread(form)
    raise ParseError(f"The program holds {brief(dict(argument))}, a form that is not known.")


def _plain(expected: str, union: Mapping[str, Any]) -> Any:
    form, value = member_of(union)
    if form != expected or not _FORMS[form](value):
        raise ParseError(
            f"The program holds {brief(value)} as {form}; expected {expected}: {_ADVICE}."
        )
    return float(value) if form == "as_float" else value


def require_form(key: str, argument: Mapping[str, Any]) -> None:
    """Make sure that an argument has a form that it can have: types are no numbers, nor texts.

    Raises
    ------
    ParseError
        If it has not.
    """
    form, _ = member_of(argument)
    own = next((own for own, keys in _OF_KEYS.items() if key in keys), form)
    is_text = form in ("as_string", "as_strings") and key not in _TEXTS
    if form != "as_none" and (form != own or is_text or key not in _OF_KEYS.get(form, (key,))):
        raise ParseError(
            f"The program holds {brief(dict(argument))}; expected another form: {_ADVICE}."
        )


def read_sizes(sizes: Any) -> Shape | None:
    """Return sizes of the schema as numbers, or nothing if some are left open.

    Raises
    ------
    ParseError
        If one is no size.
    """
    found = [None if member_of(size)[0] == "as_expr" else _plain("as_int", size) for size in sizes]
    fixed = tuple(size for size in found if size is not None)
    return fixed if len(fixed) == len(found) else None
