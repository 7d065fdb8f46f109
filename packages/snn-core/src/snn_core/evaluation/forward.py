"""The NumPy forward pass: activations, predictions and accuracy of a network without spikes.

Parsers are checked against it, and the rates of simulators approach it. For a normalized network it
returns the rates that its neurons approach, ``act(W a + b) / threshold``; `predict` alone returns
values in the units of the model.
Samples are pushed through in micro-batches, which keeps the gathered windows in the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from snn_core.data.lazy import LazySamples
from snn_core.data.numbers import as_array
from snn_core.data.shapes import advise_on_shape
from snn_core.errors import DataError, ParseError
from snn_core.evaluation.operators import drive
from snn_core.ir import ActivationLayer, Layer, Network, Spiking
from snn_core.ir.network import require_network
from snn_core.phases import advance
from snn_core.typing import Array, Float, Float32, Float64, Int, Shaped

MICRO_BATCH = 16


def forward(network: Network, x_b_l: Shaped[Array, "b *l"]) -> dict[str, Array]:
    """Return the activations of every layer.

    Parameters
    ----------
    network
        Any network, of the source dialect too.
    x_b_l
        Samples, shape ``(samples, *network.input.output_shape)``; 8-bit integers are scaled as
        the network's `InputData` says.

    Returns
    -------
    Layer name to activations of shape ``(samples, *layer.output_shape)``.

    Raises
    ------
    DataError
        If a layer computes infinite values, or ones that are no numbers.
    """
    return dict(_walk(network, x_b_l))


def _walk(network: Network, x_b_l: Shaped[Array, "b *l"]) -> Iterator[tuple[str, Array]]:
    """Yield the activations of every layer, and keep those that a later layer reads."""
    last_reader = {name: layer.name for layer in network for name in layer.inputs}
    values: dict[str, Array] = {network.input.name: network.input_data.as_floats(x_b_l)}
    yield network.input.name, _require_finite(network.input.name, values[network.input.name])
    for layer in network.layers[1:]:
        y = _require_finite(layer.name, _compute(layer, [values[name] for name in layer.inputs]))
        for name in {name for name in layer.inputs if last_reader[name] == layer.name}:
            del values[name]
        if layer.name in last_reader:
            values[layer.name] = y
        yield layer.name, y


def _compute(layer: Layer, inputs_n_b_l: Sequence[Array]) -> Array:
    """Return the activations of a layer; those that are infinite are left to `_require_finite`."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        y = drive(layer, inputs_n_b_l)
        if isinstance(layer, (Spiking, ActivationLayer)):
            y = layer.activation(y)
        return y / layer.threshold if isinstance(layer, Spiking) else y


def _require_finite(name: str, values_b_l: Array) -> Array:
    # Both pass on what is not a number, and need no array of the same size.
    if values_b_l.size and not np.isfinite([values_b_l.min(), values_b_l.max()]).all():
        raise DataError(
            f"Layer {name!r} computes infinite values, or ones that are no numbers, from these "
            f"samples; check their range and the model's weights."
        )
    return values_b_l


def layer_values(
    network: Network, x_b_l: Shaped[Array | LazySamples, "b *l"], *, batch_size: int = MICRO_BATCH
) -> Iterator[tuple[str, Array]]:
    """Yield the name and the activations of every layer for one micro-batch after the other.

    Memory stays bounded: what no later layer reads is not kept.

    Raises
    ------
    DataError
        If the samples do not have the shape of the network's input, or a layer computes infinite
        values from them.
    """
    check_shape(network, x_b_l)
    for start in range(0, len(x_b_l), batch_size):
        advance(start, len(x_b_l))
        yield from _walk(network, x_b_l[start : start + batch_size])


def predict(network: Network, x_b_l: Any) -> Float[Array, "b *o"]:
    """Return the outputs of the model for all samples, in its own units.

    What a conversion divided the outputs by, scales and threshold, is multiplied back
    (`scale_of_outputs`), so that a converted network gives the numbers of its source, as
    ``ann_output_b_o`` of a run does; `activations` gives the normalized ones.

    Parameters
    ----------
    x_b_l
        Samples, also as nested lists or tensors; 8-bit integers are scaled as in `forward`.

    Returns
    -------
    Outputs of shape ``(samples, *network.output.output_shape)``.

    Raises
    ------
    DataError
        If the samples are no numbers or do not have the shape of the network's input.
    ParseError
        If it is no network.
    """
    require_network(network)
    x_b_l = x_b_l if isinstance(x_b_l, LazySamples) else _as_samples(x_b_l)
    name, shape = network.output.name, network.output.output_shape
    if not len(x_b_l):
        check_shape(network, x_b_l)
        return np.zeros((0, *shape), np.float32)
    normalized_b_o = activations(network, x_b_l, layers=[name])[name]
    outputs_b_o: Array = normalized_b_o * scale_of_outputs(network).reshape(shape)
    return outputs_b_o


def scale_of_outputs(network: Network) -> Float32[Array, "o"]:
    """Return what turns the outputs of a normalized network into those of its source."""
    scale = network.scale_facs.get(network.output.name, np.float32(1))
    return np.broadcast_to(np.float32(scale), network.output.output_shape).reshape(-1)


def _as_samples(x_b_l: Any) -> Array:
    """Return samples as an array of numbers.

    Raises
    ------
    DataError
        If they are something else, or lists of different lengths.
    """
    x = as_array(x_b_l)
    if x.dtype.kind not in "fiub" or x.ndim == 0:
        raise DataError(
            f"Found samples of type {x.dtype} and shape {x.shape}; expected numbers of shape "
            f"(samples, ...)."
        )
    return x


def activations(
    network: Network,
    x_b_l: Shaped[Array | LazySamples, "b *l"],
    *,
    layers: Iterable[str] | None = None,
) -> dict[str, Array]:
    """Return the activations of some layers for all samples.

    Parameters
    ----------
    layers
        Names; all layers with neurons by default.
    """
    names = [layer.name for layer in network.spiking_layers] if layers is None else list(layers)
    found: dict[str, list[Array]] = {name: [] for name in names}
    for name, values in layer_values(network, x_b_l):
        if name in found:
            found[name].append(values)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def top_k_hits(
    scores_b_c: Float[Array, "b c"] | Float64[Array, "b c"],
    labels_b: Int[Array, "b"],
    *,
    k: int,
) -> Array:
    """Return per sample whether the label is among the ``k`` best scores.

    Ties go to the lowest class index; a score of minus infinity is never credited.
    """
    order = np.argsort(-scores_b_c, axis=1, kind="stable")[:, :k]
    credited = np.take_along_axis(scores_b_c, order, axis=1) > -np.inf
    hits: Array = ((order == labels_b[:, None]) & credited).any(axis=1)
    return hits


def accuracy(
    network: Network,
    x_b_l: Shaped[Array | LazySamples, "b *l"],
    labels_b: Int[Array, "b"],
    *,
    k: int = 1,
) -> float:
    """Return the share of samples whose label is among the ``k`` largest outputs."""
    return float(top_k_hits(predict(network, x_b_l), labels_b, k=k).mean())


def check_shape(network: Network, x_b_l: Array | LazySamples) -> None:
    """Raise a `DataError` unless the samples have the shape of the network's input."""
    expected = network.input.output_shape
    if x_b_l.shape[1:] != expected:
        raise DataError(
            f"Found samples of shape {x_b_l.shape[1:]}; the network expects {expected} "
            f"(channels last, without the sample axis). "
            f"{advise_on_shape(x_b_l.shape[1:], expected)}"
        )


_MISFITS = (
    ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError,
)  # fmt: skip
"""What computing with shapes and settings that don't fit together leads to."""


def check_consistent(network: Network) -> None:
    """Push an empty sample through the network to see that all shapes and settings fit together.

    What each layer holds has to be valid (`snn_core.ir.validation`) before.

    Raises
    ------
    ParseError
        Naming the first layer that does not.
    """
    values: dict[str, Array] = {
        network.input.name: np.zeros((1, *network.input.output_shape), np.float32)
    }
    for layer in network.layers[1:]:
        try:
            with np.errstate(all="ignore"):  # shapes count here, not values
                y = drive(layer, [values[name] for name in layer.inputs])
                if isinstance(layer, Spiking):
                    y = layer.activation(y) / layer.threshold + layer.v_init
        except _MISFITS as error:
            raise ParseError(f"Layer {layer.name!r} does not fit its input: {error}.") from error
        if y.shape != (1, *layer.output_shape):
            raise ParseError(
                f"Layer {layer.name!r} gives the shape {y.shape[1:]}; it says {layer.output_shape}."
            )
        values[layer.name] = y
