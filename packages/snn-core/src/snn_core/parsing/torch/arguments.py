"""Arguments of PyTorch operators: each one is used, has no effect, or is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from snn_core.errors import UnsupportedError
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.walk import Call, Emit, Value
from snn_core.parsing.seen import Seen
from snn_core.parsing.torch.archive import FLOATS
from snn_core.parsing.torch.unions import OPEN, Unread

_T = TypeVar("_T")

_ARITHMETIC = ("Tensor", "Scalar")
_FORMS = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), ("default", "padding")),
    "conv_transpose2d": ("input",),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max", "clip"), ("default", "Tensor")),
    **dict.fromkeys(("add", "sub", "mul", "rsub"), _ARITHMETIC),
    "div": (*_ARITHMETIC, "Tensor_mode", "Scalar_mode"),
    "mean": ("default", "dim"),
    "sum": ("default", "dim_IntList"),
    **dict.fromkeys(("max", "min"), ("default", "dim", "other")),
    "flatten": ("using_ints",),
    **dict.fromkeys(("unflatten", "transpose", "select", "softmax", "log_softmax"), ("int",)),
    "squeeze": ("default", "dim", "dims"),
    "slice": ("Tensor",),
    "split": ("Tensor", "sizes"),
    **dict.fromkeys(("upsample_nearest1d", "upsample_nearest2d"), ("default", "vec")),
    "to": ("device", "dtype", "other", "dtype_layout"),
}


def forms_of(kind: str) -> tuple[str, ...]:
    """Return the overloads of an operator whose arguments its emitter knows, as of its ``_`` form.

    Others mean other things: ``view.dtype`` takes the bits for another number.
    """
    return _FORMS.get(kind.removesuffix("_"), ("default",))


_WITHOUT_EFFECT = frozenset((
    "memory_format", "layout", "device", "pin_memory", "non_blocking", "copy",  # where numbers lie
    "implicit",  # who has asked for it
    "half_to_float",  # how exactly it computes
    "cudnn_enabled", "momentum", "p",  # for training, which the emitters refuse
))  # fmt: skip
_WITHOUT_EFFECT_IN = {
    # Only the type of the other tensor matters, which the type of the result tells.
    **dict.fromkeys(("to", "type_as"), ("other",)),
    # Constants broadcast to whatever size, and their type is compared with their values.
    **dict.fromkeys(("zeros", "ones", "full"), ("size", "dtype")),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like"), ("self", "dtype")),
}


_SIZES = ("size", "shape", "sizes", "output_size")
"""Arguments that may leave sizes open, as the program declares those of the results."""


class Arguments(Seen[_T]):
    """Arguments of a call, which remember what has been looked at."""

    def __getitem__(self, key: str) -> _T:
        value = super().__getitem__(key)
        if isinstance(value, Unread):
            raise UnsupportedError([f"its {key!r} has the form {value.form!r}, which is not read"])
        is_open = value is OPEN or (isinstance(value, list) and OPEN in value)
        if is_open and key not in _SIZES:
            raise UnsupportedError(
                [f"its {key!r} is computed, perhaps from the number of samples; use a fixed number"]
            )
        return value


def accounting(emit: Emit, overload: str) -> Emit:
    """Return an emitter that refuses what it would overlook: forms and arguments of an operator."""

    def emit_with_all(b: Builder, call: Call) -> Any:
        if overload not in forms_of(call.kind):
            raise UnsupportedError([f"its form {overload!r} is not supported"])
        inputs: Arguments[Value] = Arguments(call.inputs)
        settings: Arguments[Any] = Arguments(call.settings)
        found = emit(b, replace(call, inputs=inputs, settings=settings))
        free = _WITHOUT_EFFECT.union(_WITHOUT_EFFECT_IN.get(call.kind, ()))
        problems = [
            f"its argument {key!r} is not supported ({_describe(value)}); leave it out"
            for key, value in {**inputs.unseen(), **settings.unseen()}.items()
            if key not in free and not (key == "dtype" and value in FLOATS)
        ]
        if problems:
            raise UnsupportedError(problems)
        return found

    return emit_with_all


def _describe(value: Any) -> str:
    if value is OPEN:
        return "it is computed"
    plain = isinstance(value, (bool, int, float, str, list))
    return f"here {value!r}" if plain else "here a tensor"
