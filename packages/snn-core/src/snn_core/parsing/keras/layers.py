"""Conversion of the layer calls of a Keras model to a network.

Reasons not to convert a layer are collected over the whole model and raised together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from snn_core.errors import ParseError, UnsupportedError, brief
from snn_core.ir import Softmax
from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.elementwise import require_softmax_over_channels
from snn_core.parsing.emit.views import View
from snn_core.parsing.emit.walk import Reading, finish, stand_in, start
from snn_core.parsing.keras import elementwise, operations, preprocessing, shaping, weighted
from snn_core.parsing.keras.accounting import Settings, refuse_policy, require_accounted
from snn_core.parsing.keras.activations import refusals
from snn_core.parsing.keras.calls import Emitter, LayerCall
from snn_core.parsing.keras.config import CHANNELS_FIRST, CHANNELS_LAST, UINT8, Fields
from snn_core.parsing.keras.dtypes import follow_integers, refuse_input
from snn_core.parsing.keras.graph import Call, Graph
from snn_core.parsing.keras.nodes import HEADLINE
from snn_core.parsing.keras.weights import WeightStore

_ADVICE = {
    **dict.fromkeys(
        ("TFOpLambda", "SlicingOpLambda"),
        "it calls TensorFlow, which is not read; use a layer or keras.ops",
    ),
    **dict.fromkeys(
        ("AutoContrast", "CLAHE"),
        "it works on each image by itself, which weights cannot; do it to the data",
    ),
    "Lambda": "it holds Python code, which is not executed; replace it by a built-in layer",
    **dict.fromkeys(
        ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D"),
        "only feed-forward networks can be converted",
    ),
    **dict.fromkeys(
        ("GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"),
        "it normalizes each sample by itself, which weights cannot; use BatchNormalization",
    ),
    **dict.fromkeys(
        ("LeakyReLU", "PReLU", "ELU", "ThresholdedReLU"),
        "spike rates cannot follow it; use ReLU and retrain",
    ),
}

_SHAPE_KEEPING = frozenset((
    "Activation", "BatchNormalization", "ELU", "GroupNormalization", "LayerNormalization",
    "LeakyReLU", "Maximum", "Minimum", "Multiply", "PReLU", "ReLU", "Sigmoid", "Softmax",
    "ThresholdedReLU",
    "UnitNormalization",
))  # fmt: skip

_WITH_DATA_FORMAT = frozenset((
    *shaping.WITH_DATA_FORMAT, *weighted.WITH_DATA_FORMAT,
    "AveragePool", "CenterCrop", "MaxPool", "RandomCrop", "Resizing",
))  # fmt: skip
"""Layers that compute something else with another data format."""

_AFTER_OUTPUT = ("Activation", "Dropout", "Flatten", "Identity", "Reshape")


def build(graph: Graph, weights: WeightStore, *, note: str) -> Reading:
    """Return the network of a flat Keras graph, in the source dialect.

    Parameters
    ----------
    graph
        All calls of the model.
    weights
        Where its weights are.
    note
        First line of the network's history.

    Raises
    ------
    ParseError
        Naming the layer whose settings or weights are damaged.
    UnsupportedError
        With all layers that cannot be converted.
    """
    channels_first, mixed = _channels_first(graph)
    rounding = [
        f"{graph.input_name} (InputLayer): {reason}" for reason in refuse_input(graph.dtype)
    ]
    problems = [*graph.problems, *mixed, *rounding]
    b = Builder(channels_first, takes_uint8=graph.dtype == UINT8)
    entry = start(b, graph.input_shape, channels_first=channels_first, problems=problems)
    # Without one data format no shape is right, and weights would seem to be damaged.
    tensors: list[View | None] = [None if mixed else entry]
    integers = {0} if b.takes_uint8 else set()
    for i, call in enumerate(graph.calls[1:], 1):
        reads_integers = not integers.isdisjoint(call.inputs)
        gives_integers, rounding = follow_integers(call, reads_integers=reads_integers)
        if gives_integers:
            integers.add(i)
        inputs = [tensor for i in call.inputs if (tensor := tensors[i]) is not None]
        layer = LayerCall(call, inputs, weights) if len(inputs) == len(call.inputs) else None
        tensor, reasons = _emit(b, call, layer, rounding)
        problems += [f"{call.name} ({call.kind}): {reason}" for reason in reasons]
        tensors.append(tensor)
    if problems:
        # The passes would find these, but do not get to see a refused model.
        problems += _hidden_activations(graph)
    return finish(
        b,
        entry,
        tensors[graph.output],
        note=note,
        dead=graph.dead,
        problems=problems,
        what=HEADLINE,
    )


def _hidden_activations(graph: Graph) -> list[str]:
    """Return a problem for each softmax or sigmoid that goes on into other layers than reshapes."""
    found = []
    read_on = {
        i for reader in graph.calls if reader.kind not in _AFTER_OUTPUT for i in reader.inputs
    }
    for i, call in enumerate(graph.calls):
        if i not in read_on:
            continue
        found += [
            f"{call.name} ({call.kind}): {name.lower()} inside the network; only the output can "
            f"have it"
            for name in ("Softmax", "Sigmoid")
            if call.kind == name or call.config.get("activation") == name.lower()
        ]
    return found


def _channels_first(graph: Graph) -> tuple[bool, list[str]]:
    """Return whether the model is channels first, and a problem if its layers disagree.

    Only layers count for which it makes a difference: dropout has a data format, and does nothing.
    """
    found: dict[bool, str] = {}
    for call in graph.calls:
        if _has_data_format(call):
            with _named(call):
                found.setdefault(Fields(call.config).channels_first(), call.name)
    if len(found) > 1:
        said = {True: CHANNELS_FIRST, False: CHANNELS_LAST}
        names = ", ".join(f"{name} is {said[first]}" for first, name in found.items())
        return False, [f"data formats are mixed ({names}); use one in all layers"]
    return True in found, []


def _has_data_format(call: Call) -> bool:
    return call.kind in _WITH_DATA_FORMAT and not shaping.works_on_first_axis(call)


@contextmanager
def _named(call: Call) -> Iterator[None]:
    """Say which layer is damaged."""
    try:
        yield
    except ParseError as error:
        raise ParseError(f"Layer {call.name!r} ({call.kind}): {error}") from error


def _emit(
    b: Builder, call: Call, layer: LayerCall | None, rounding: list[str]
) -> tuple[View | None, list[str]]:
    """Emit the layers of one call; return its output, or all reasons why there is none.

    Parameters
    ----------
    layer
        The call with its inputs; without it, because an earlier one was refused, only the settings
        are checked.
    rounding
        Reasons in the types of its inputs.
    """
    if call.kind not in EMITTERS:
        advice = "this layer type is not supported; replace it and retrain"
        return _stand_in(b, call, layer), [_ADVICE.get(call.kind, advice)]
    emitted = len(b.layers)
    try:
        with _named(call):
            reasons = [*call.problems, *rounding, *_arguments(call), *_refuse_settings(call)]
            if layer is None:
                return None, reasons
            if not reasons:
                return _emit_layer(b, layer), []
    except UnsupportedError as error:
        del b.layers[emitted:]
        reasons = list(error.problems)
    return _stand_in(b, call, layer), reasons


def _arguments(call: Call) -> list[str]:
    """Return every reason in what a layer is called with not to convert it."""
    if len(call.inputs) > 1 and call.kind in elementwise.OF_ONE_TENSOR:
        return [elementwise.OF_ONE_TENSOR[call.kind]]
    if call.kind in elementwise.WITH_CONSTANTS or call.kind == "GetItem":
        return []
    return [
        f"it is called with the constant {brief(value)}, which has no neurons"
        for value in call.constants.values()
    ]


def _refuse_settings(call: Call) -> list[str]:
    """Return every reason in a layer's settings alone not to convert it."""
    # Inputs are judged by the values that come in.
    policy = [] if call.kind == "InputLayer" else refuse_policy(call.config)
    return [*refusals(call.kind, call.config), *policy]


def _emit_layer(b: Builder, layer: LayerCall) -> View:
    settings = Settings(layer.call.config)
    y = EMITTERS[layer.kind](b, replace(layer, call=replace(layer.call, config=settings)))
    compared = ("data_format",) if _has_data_format(layer.call) else ()
    require_accounted(layer.kind, settings, seen=compared)
    if isinstance(layer.activation, Softmax):
        require_softmax_over_channels(y, y.rank - 1)
    return y


def _stand_in(b: Builder, call: Call, layer: LayerCall | None) -> View | None:
    """Emit a layer in place of one that was refused, if its shape is known.

    It rectifies, as what would replace it would do, so that nothing after it is refused for that.
    The network is not used then.
    """
    if layer is None or not layer.inputs:
        return None
    shapes = {x.shape for x in layer.inputs}
    if call.kind in _SHAPE_KEEPING and len(shapes) == 1:
        return stand_in(b, call.name, shapes.pop(), layer.inputs)
    if "activation" not in call.config or call.kind not in EMITTERS:
        return None
    emitted = len(b.layers)
    rectifying = replace(call, config={**call.config, "activation": "relu"})
    try:
        return _emit_layer(b, replace(layer, call=rectifying))
    except (UnsupportedError, ParseError):  # it is refused for more than its activation
        del b.layers[emitted:]
        return None


EMITTERS: dict[str, Emitter] = {
    **weighted.EMITTERS,
    **elementwise.EMITTERS,
    **shaping.EMITTERS,
    **operations.EMITTERS,
    **preprocessing.EMITTERS,
    "InputLayer": lambda _, layer: layer.tensor(),
}
"""Keras class names to the functions that emit their layers."""
