"""Check before conversion: every layer without a spiking form, in one error."""

from __future__ import annotations

from snn_core.errors import UnsupportedError
from snn_core.ir import OUTPUT_ONLY, Layer, Network, Spiking, Weighted


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
    if isinstance(layer.activation, OUTPUT_ONLY) and layer is not network.output:
        found.append(_inside(layer))
    return found


def _left_over(layer: Layer) -> str:
    if isinstance(getattr(layer, "activation", None), OUTPUT_ONLY):
        return _inside(layer)
    return "it belongs to the source dialect; run snn_core.passes.run_structural first"


def _inside(layer: Layer) -> str:
    name = type(getattr(layer, "activation", None)).__name__.lower()
    return f"{name} inside the network; only the output can have it"
