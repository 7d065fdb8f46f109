"""The NumPy forward pass: activations, predictions and accuracy of a network without spikes.

Parsers are checked against it, and the rates of simulators approach it. For a normalized network it
returns the rates that its neurons approach, ``act(W a + b) / threshold``.
Samples are pushed through in micro-batches, which keeps the gathered windows in the cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from snn_core.data.lazy import LazySamples
from snn_core.errors import DataError, ParseError
from snn_core.evaluation.operators import drive
from snn_core.ir import ActivationLayer, Network, Spiking
from snn_core.phases import advance
from snn_core.typing import Array, Float, Float64, Int, Shaped

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
    """
    values: dict[str, Array] = {network.input.name: network.input_data.as_floats(x_b_l)}
    for layer in network.layers[1:]:
        y = drive(layer, [values[name] for name in layer.inputs])
        if isinstance(layer, (Spiking, ActivationLayer)):
            y = layer.activation(y)
        if isinstance(layer, Spiking):
            y = y / layer.threshold
        values[layer.name] = y
    return values


def forward_batches(
    network: Network, x_b_l: Shaped[Array | LazySamples, "b *l"], *, batch_size: int = MICRO_BATCH
) -> Iterator[dict[str, Array]]:
    """Yield `forward` for one micro-batch after the other, so that memory stays bounded.

    Raises
    ------
    DataError
        If the samples do not have the shape of the network's input.
    """
    check_shape(network, x_b_l)
    for start in range(0, len(x_b_l), batch_size):
        advance(start, len(x_b_l))
        yield forward(network, x_b_l[start : start + batch_size])


def predict(network: Network, x_b_l: Shaped[Array | LazySamples, "b *l"]) -> Float[Array, "b *o"]:
    """Return the output activations of all samples; 8-bit integers are scaled as in `forward`."""
    name = network.output.name
    parts = [values[name] for values in forward_batches(network, x_b_l)]
    return np.concatenate(parts) if parts else np.zeros((0, *network.output.output_shape), "f4")


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
    batches = [{n: values[n] for n in names} for values in forward_batches(network, x_b_l)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


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
            f"(channels last, without the sample axis). Reshape the data or convert another model."
        )


def check_consistent(network: Network) -> None:
    """Push an empty sample through the network to see that all shapes and settings fit together.

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
            y = drive(layer, [values[name] for name in layer.inputs])
            if isinstance(layer, Spiking):
                y = layer.activation(y) / layer.threshold + layer.v_init
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise ParseError(f"Layer {layer.name!r} does not fit its input: {error}.") from error
        if y.shape[1:] != layer.output_shape:
            raise ParseError(
                f"Layer {layer.name!r} gives the shape {y.shape[1:]}; it says {layer.output_shape}."
            )
        values[layer.name] = y
