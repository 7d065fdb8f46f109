"""Check before conversion: every layer without a spiking form, in one error."""

from __future__ import annotations

from snn_core.errors import UnsupportedError
from snn_core.ir import Layer, Network, Softmax, Spiking, Weighted


def check_convertible(network: Network) -> None:
    """Raise unless every layer has a spiking form.

    Raises
    ------
    UnsupportedError
        With all problems, each naming its layer.
    """
    problems = [
        f"{layer.name} ({layer.kind}): {reason}"
        for layer in network.layers
        for reason in _problems(network, layer)
    ]
    if not any(isinstance(layer, Weighted) for layer in network.layers):
        problems.append("the network has no layer with weights, so there is nothing to convert")
    if problems:
        raise UnsupportedError(problems, what="This network cannot be converted")


def _problems(network: Network, layer: Layer) -> list[str]:
    found = []
    if layer.source_dialect:
        found.append(_left_over(layer))
    if not isinstance(layer, Spiking):
        return found
    if isinstance(layer.activation, Softmax) and layer is not network.output:
        found.append("softmax inside the network; only the output can have it")
    return found


def _left_over(layer: Layer) -> str:
    activation = getattr(layer, "activation", None)
    if isinstance(activation, Softmax):
        return "softmax inside the network; only the output can have it"
    return "it belongs to the source dialect; run snn_core.passes.run_structural first"
