"""Emission of operator calls with their refusals, and of the network's input and output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import ActivationLayer, Add, InputData, Network, ReLU, Softmax
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.views import CHANNELS_LAST, View
from snn_core.parsing.problems import collect_problems
from snn_core.parsing.sources import require_finite, require_real
from snn_core.typing import Array, Shape

Value: TypeAlias = "View | Array | None"
"""A tensor of the network, a constant, or nothing where a refused operator hides what it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One application of an operator.

    Parameters
    ----------
    name
        Name of the layers it becomes, unique in the source.
    kind
        Name of the operator, as the framework spells it.
    inputs
        Tensors and constants, by position or by name.
    settings
        Everything else that it is called with.
    shapes
        Shapes of one sample of its outputs, as far as the source tells.
    """

    name: str
    kind: str
    inputs: Mapping[str, Value]
    settings: Mapping[str, Any] = field(default_factory=dict)
    shapes: Sequence[Shape | None] = ()

    def tensor(self, key: str) -> View:
        """Return an input that must be a tensor of the network."""
        value = self.inputs.get(key)
        if not isinstance(value, View):
            raise UnsupportedError([f"its input {key!r} is a constant; expected a layer's output"])
        return value

    def constant(self, key: str) -> Array:
        """Return an input that must be a constant."""
        value = self.constant_or_none(key)
        if value is None:
            raise ParseError(f"its input {key!r} is missing.")
        return value

    def constant_or_none(self, key: str) -> Array | None:
        """Return an input that must be a constant of real numbers, if it is given."""
        value = self.inputs.get(key)
        if isinstance(value, View):
            raise UnsupportedError(
                [f"its input {key!r} is computed by the network; only constants are supported"]
            )
        return None if value is None else require_real(value, f"input {key!r}")

    def weights(self, key: str) -> Array:
        """Return a constant that must consist of finite numbers, as float32."""
        return require_finite(self.constant(key), key)

    def kernel(self, key: str) -> Array:
        """Return the weights of a convolution with the image axes first; here they come last."""
        return np.moveaxis(self.weights(key), (0, 1), (-1, -2))

    def weights_or_none(self, key: str) -> Array | None:
        """Return a constant that must consist of finite numbers, if it is given."""
        value = self.constant_or_none(key)
        return None if value is None else require_finite(value, key)


Emit: TypeAlias = Callable[[Builder, Call], "Value | Sequence[Value]"]
"""A function that emits the layers of a call and returns its output or outputs."""


def source_axis(value: int, rank: int) -> int:
    """Return an axis without that of the samples.

    Parameters
    ----------
    value
        An axis as the source counts it, from the end if negative.
    rank
        Number of axes of one sample.
    """
    place = value + rank + 1 if value < 0 else value
    if place == 0:
        raise UnsupportedError(["it works across samples"])
    if not 0 < place <= rank:
        raise ParseError(f"its axis {value} is not an axis of a tensor with {rank + 1} axes.")
    return place - 1


def transpose(x: View, axes: Sequence[int]) -> View:
    """Return a tensor with its axes, that of the samples among them, in another order."""
    if axes[0] != 0:
        raise UnsupportedError([f"it moves the axis of the samples (perm {list(axes)})"])
    return x.transpose([axis - 1 for axis in axes[1:]])


def emit_call(
    emit: Emit | None, b: Builder, call: Call, *, advice: str, framework: str
) -> tuple[Sequence[Value], list[str]]:
    """Emit a call; return its outputs and all reasons why there are none.

    Where a call is refused, stand-ins of the shapes that the source tells take the place of its
    outputs, so that the calls after it are looked at as well.

    Parameters
    ----------
    emit
        The function for its kind; ``None`` if that is not supported.
    advice
        What to say then.
    framework
        Who tells the shapes, which are compared with those found.
    """
    line = f"{call.name} ({call.kind})"
    if emit is None:
        return _stand_ins(b, call), [f"{line}: {advice}"]
    if any(value is None for value in call.inputs.values()):
        return _stand_ins(b, call), []  # a call before it was refused
    try:
        found = emit(b, call)
    except UnsupportedError as error:
        return _stand_ins(b, call), [f"{line}: {problem}" for problem in error.problems]
    except ParseError as error:
        raise ParseError(f"Operator {line}: {error}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ParseError(
            f"Operator {line} does not have the form that is expected ({error!r}); export the "
            f"model again."
        ) from error
    outputs = [found] if found is None or isinstance(found, (View, np.ndarray)) else list(found)
    for value, expected in zip(outputs, call.shapes, strict=False):
        if isinstance(value, View) and expected is not None and value.shape != expected:
            raise ParseError(
                f"Operator {line} gives the shape {value.shape} here and {expected} in "
                f"{framework}; please report this."
            )
    return outputs, []


def start(b: Builder, shape: Shape, *, channels_first: bool, problems: list[str]) -> View | None:
    """Emit the input; where that is impossible, add the reason to the problems."""
    try:
        return b.start(shape, channels_first=channels_first)
    except UnsupportedError as error:
        problems += error.problems
        b.start((1,), channels_first=False)  # for what stands in for refused layers
        return None


def _stand_ins(b: Builder, call: Call) -> list[Value]:
    views = [value for value in call.inputs.values() if isinstance(value, View)]
    if not views:  # what is computed from constants is no layer's output
        return [None] * len(call.shapes)
    return [stand_in(b, f"{call.name}/refused", shape, views) for shape in call.shapes]


def stand_in(b: Builder, name: str, shape: Shape | None, reads: Sequence[View] = ()) -> View | None:
    """Emit a layer in place of one that was refused; the network is not used then.

    It rectifies, as what would replace it would do, so that nothing after it is refused for that.
    For the same reason its axes are stored as those of what it reads.
    """
    if shape is None or len(shape) not in CHANNELS_LAST:
        return None
    rank = len(shape)
    axes = next((x.axes for x in reads if x.rank == rank and x.axes is not None), b.axes(rank))
    stored = tuple(shape[i] for i in np.argsort(axes))
    inputs = list(reads) or [View(b.layers[0].name, b.layers[0].output_shape)]
    weight_nc = np.ones(len(inputs), np.float32)
    settings: dict[str, Any] = {"weight_nc": weight_nc, "activation": ReLU()}
    return b.add(Add, name, inputs, stored, axes=axes, **settings)


def channels_come_first(
    first_reader: Callable[[str], tuple[str, str, Sequence[int]] | None], name: str, rank: int
) -> bool:
    """Return whether the first axis of the input holds channels, from what first computes with it.

    Parameters
    ----------
    first_reader
        Tensor name to the role of the operator that first reads it (``"elementwise"``,
        ``"transpose"``, ``"dense"``, ``"reshape"`` or another), its output and, for a
        transposition, the order of the axes, that of the samples among them.
    name
        The input.
    rank
        Number of its axes without that of the samples.
    """
    seen: set[str] = set()  # a damaged model may lead back to a tensor
    moves: list[Sequence[int]] = []
    inner = rank == 3
    while name not in seen and (found := first_reader(name)) is not None:
        seen.add(name)
        role, name, axes = found
        if role == "transpose":
            moves.append(axes)
        elif role != "elementwise":
            inner = rank == 3 if role == "reshape" else role != "dense"
            break
    for axes in reversed(moves):
        inner = rank == 1 or axes[1 if inner else rank] == 1
    return inner


def trace_back(
    reads: Sequence[Sequence[str]], outputs: Sequence[Sequence[str | None]], targets: Sequence[str]
) -> set[int]:
    """Return the indices of all operators that some values depend on.

    Parameters
    ----------
    reads, outputs
        For each operator the names of what it reads and computes.
    targets
        Names of the values.
    """
    producers = {name: i for i, names in enumerate(outputs) for name in names if name}
    found: set[int] = set()
    waiting = list(targets)
    while waiting:
        i = producers.get(waiting.pop())
        if i is not None and i not in found:
            found.add(i)
            waiting += reads[i]
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """A network with the axis order that its input and output have in the source.

    Parameters
    ----------
    network
        In the source dialect.
    input_axes, output_axes
        The stored axis of each source axis.
    log_softmax
        Whether the source ends in a log-softmax, which the network computes as a softmax.
    """

    network: Network
    input_axes: tuple[int, ...]
    output_axes: tuple[int, ...]
    log_softmax: bool = False

    def to_source(self, x_b_l: Array) -> Array:
        """Return samples as the source wants them."""
        moved = x_b_l.transpose(0, *(axis + 1 for axis in self.input_axes))
        # A copy always: with one channel a transposition is contiguous already, but its strides are
        # those of channels-last images to PyTorch, whose results then have no views.
        return np.array(moved, np.float32, order="C")

    def from_source(self, y: Array) -> Array:
        """Return outputs of the source as the network gives them; half precision stays so."""
        y = np.asarray(y)
        if y.ndim <= len(self.output_axes):  # the axis of a single output was squeezed
            y = y.reshape(-1, 1)
        kind = np.float16 if y.dtype == np.float16 else np.float32
        y = np.exp(y.astype(np.float32)) if self.log_softmax else y
        return y.astype(kind).transpose(0, *(axis + 1 for axis in np.argsort(self.output_axes)))


def finish(
    b: Builder,
    entry: View | None,
    output: Value,
    *,
    note: str,
    dead: Sequence[str] = (),
    log_softmax: bool = False,
    problems: Sequence[str],
    what: str,
) -> Reading:
    """Return the network whose last tensor is ``output``.

    Parameters
    ----------
    entry
        The input, if there is one.
    note
        First line of the history.
    dead
        Names of what the output does not depend on.
    log_softmax
        Whether there is a log-softmax.
    problems
        Reasons found so far why there is no network.
    what
        The headline of the error.

    Raises
    ------
    UnsupportedError
        With all problems; also if the output is a constant or its values are not in the source's
        order.
    """
    problems = list(problems)
    if isinstance(output, View):
        if not output.rank:  # one number for each sample, whose axis was squeezed
            output = output.reshape((1,))
        try:
            output = b.settle(output, name="output")
        except UnsupportedError as error:
            problems += [f"output: {problem}" for problem in error.problems]
    elif not problems:
        problems.append("the output does not depend on the input")
    if problems or entry is None or not isinstance(output, View):
        raise UnsupportedError(collect_problems(b.layers, problems), what=what)
    history = [note]
    if dead:
        history.append(f"left out, as the output does not depend on them: {', '.join(dead)}")
    if log_softmax:
        history.append("read log-softmax as softmax: the decisions are the same")
    if entry.axes != tuple(range(entry.rank)):
        history.append("channels-first source: reordered; the samples must be channels last")
    data = InputData(uint8_scale=1.0, decided_by="model") if b.takes_uint8 else InputData()
    network = Network(layers=tuple(b.layers), history=tuple(history), input_data=data)
    if log_softmax and not _ends_in_softmax(network):
        problem = "log-softmax inside the network; only the output can have it"
        raise UnsupportedError([problem], what=what)
    return Reading(
        network,
        entry.axes or b.axes(entry.rank),
        output.axes or b.axes(output.rank),
        log_softmax,
    )


def _ends_in_softmax(network: Network) -> bool:
    layer = network.output
    while layer.inputs and not isinstance(layer, ActivationLayer):
        (layer, *_) = network.inbound(layer.name)
    return isinstance(layer, ActivationLayer) and isinstance(layer.activation, Softmax)
