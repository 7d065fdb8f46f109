"""The walk over all layers of a Keras model.

Reasons not to convert a layer are collected over the whole model and raised together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Add, Network, ReLU
from snn_core.parsing.keras import elementwise, shaping, weighted
from snn_core.parsing.keras.activations import refusals
from snn_core.parsing.keras.build import Builder, Emitter, Tensor, exactly, require_plain_order
from snn_core.parsing.keras.graph import Call, Graph
from snn_core.parsing.keras.nodes import HEADLINE
from snn_core.parsing.keras.weighted import WeightedEmitter
from snn_core.parsing.keras.weights import WeightStore
from snn_core.parsing.problems import with_those_of_passes

_ADVICE = {
    "Lambda": "it holds Python code, which is not executed; replace it by a built-in layer",
    "Permute": "reorder the axes of the data instead",
    "Multiply": "products of activations have no spiking form",
    **dict.fromkeys(
        ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D"),
        "only feed-forward networks can be converted",
    ),
    **dict.fromkeys(
        ("LeakyReLU", "PReLU", "ELU", "ThresholdedReLU"),
        "spike rates cannot follow it; use ReLU and retrain",
    ),
}

_SHAPE_KEEPING = frozenset((
    "Activation", "BatchNormalization", "ELU", "GroupNormalization", "LayerNormalization",
    "LeakyReLU", "Maximum", "Minimum", "Multiply", "PReLU", "ReLU", "Softmax", "ThresholdedReLU",
    "UnitNormalization",
))  # fmt: skip

_AFTER_SOFTMAX = ("Activation", "Dropout", "Flatten", "Identity", "Reshape")


def build(graph: Graph, weights: WeightStore, *, note: str) -> Network:
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
    first, problems = _channels_first(graph)
    problems = [*graph.problems, *problems]
    builder = Builder(weights, first)
    tensors: list[Tensor | None] = [builder.start(graph.input_shape)]
    for call in graph.calls[1:]:
        inputs = [tensor for i in call.inputs if (tensor := tensors[i]) is not None]
        known = len(inputs) == len(call.inputs)
        tensor, reasons = _emit(builder, call, inputs if known else None)
        problems += [f"{call.name} ({call.kind}): {reason}" for reason in reasons]
        tensors.append(tensor)
    output = tensors[graph.output]
    if output is not None and output.order is not None:
        problems.append(
            f"{output.name}: the output is a flattened channels_first tensor; end with Dense"
        )
    if problems or output is None:
        # The passes would find these, but do not get to see a refused model.
        problems += _hidden_softmax(graph)
        raise UnsupportedError(with_those_of_passes(builder.layers, problems), what=HEADLINE)
    history = [note]
    if first:
        history.append("channels_first source: reordered; the samples must be channels last")
    if graph.dead:
        history.append(f"left out, as the output does not depend on them: {', '.join(graph.dead)}")
    return Network(layers=tuple(builder.layers), history=tuple(history))


def _hidden_softmax(graph: Graph) -> list[str]:
    """Return a problem for each softmax whose values go on into other layers than reshapes."""
    found = []
    for i, call in enumerate(graph.calls):
        softmax = call.kind == "Softmax" or call.config.get("activation") == "softmax"
        readers = [reader.kind for reader in graph.calls if i in reader.inputs]
        if softmax and any(kind not in _AFTER_SOFTMAX for kind in readers):
            found.append(
                f"{call.name} ({call.kind}): softmax inside the network; only the output can have "
                f"it"
            )
    return found


def is_channels_first(graph: Graph) -> bool:
    """Return whether a model's images have their channels first."""
    return _channels_first(graph)[0]


def _channels_first(graph: Graph) -> tuple[bool, list[str]]:
    """Return whether the model is channels first, and a problem if its layers disagree."""
    formats: dict[str, str] = {}
    for call in graph.calls:
        value = call.config.get("data_format")
        if isinstance(value, str) and call.kind != "Flatten":
            formats.setdefault(value, call.name)
    if len(formats) > 1:
        found = ", ".join(f"{name} is {value}" for value, name in formats.items())
        return False, [f"data formats are mixed ({found}); use one in all layers"]
    return "channels_first" in formats, []


def _emit(
    builder: Builder, call: Call, inputs: list[Tensor] | None
) -> tuple[Tensor | None, list[str]]:
    """Emit the layers of one call; return its output, or all reasons why there is none.

    Without inputs, because an earlier layer was refused, only the settings are checked.
    """
    if call.kind not in EMITTERS:
        advice = "this layer type is not supported; replace it and retrain"
        return _stand_in(builder, call, inputs), [_ADVICE.get(call.kind, advice)]
    emitted = len(builder.layers)
    try:
        reasons = [*call.problems, *refusals(call.kind, call.config)]
        if inputs is None:
            return None, reasons
        if not reasons:
            return EMITTERS[call.kind](builder, call, inputs), []
    except UnsupportedError as error:
        del builder.layers[emitted:]
        reasons = list(error.problems)
    except ParseError as error:
        raise ParseError(f"Layer {call.name!r} ({call.kind}): {error}") from error
    return _stand_in(builder, call, inputs), reasons


def _stand_in(builder: Builder, call: Call, inputs: list[Tensor] | None) -> Tensor | None:
    """Emit a layer in place of one that was refused, if its shape is known.

    It rectifies, as what would replace it would do, so that nothing after it is refused for that.
    The network is not used then.
    """
    if not inputs:
        return None
    if call.kind in _SHAPE_KEEPING and len({x.shape for x in inputs}) == 1:
        weight_nc = np.ones(len(inputs), np.float32)
        first = inputs[0]
        return builder.add(
            Add, call, inputs, first.shape, order=first.order, weight_nc=weight_nc,
            activation=ReLU(),
        )  # fmt: skip
    if "activation" not in call.config or call.kind not in EMITTERS:
        return None
    emitted = len(builder.layers)
    rectifying = replace(call, config={**call.config, "activation": "relu"})
    try:
        return EMITTERS[call.kind](builder, rectifying, inputs)
    except (UnsupportedError, ParseError):  # it is refused for more than its activation
        del builder.layers[emitted:]
        return None


def _weighted(emit: WeightedEmitter) -> Emitter:
    """Return the emitter of a layer with weights, which reads one tensor."""

    def emitter(b: Builder, call: Call, inputs: list[Tensor]) -> Tensor:
        (x,) = exactly(inputs, 1)
        if call.kind not in ("Dense", "Sparse"):
            require_plain_order(x)
        return emit(b, call, x)

    return emitter


EMITTERS: dict[str, Emitter] = {
    **{kind: _weighted(emit) for kind, emit in weighted.EMITTERS.items()},
    **elementwise.EMITTERS,
    **shaping.EMITTERS,
}
"""Keras class names to the functions that emit their layers."""
