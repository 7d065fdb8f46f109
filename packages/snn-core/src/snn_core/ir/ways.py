"""Ways between populations: the layers without neurons that lie before a layer.

Layers may branch and join, so that there are exponentially many ways, and they may follow each
other in thousands: every walk here visits each layer once, and none recurses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from snn_core.ir.layer import Layer
from snn_core.ir.layers import Input
from snn_core.ir.network import Network


def is_population(network: Network, layer: Layer) -> bool:
    """Return whether spikes (or the input) originate from a layer."""
    return isinstance(layer, Input) or network.has_neurons(layer)


def visit(names: Iterable[str], following: Callable[[str], Sequence[str]]) -> list[str]:
    """Return names and all that follow from them, each once and behind what follows from it.

    Parameters
    ----------
    names
        Where the walk starts.
    following
        Returns what follows from a name; called once for each.
    """
    order: list[str] = []
    seen: set[str] = set()
    waiting = [(name, False) for name in reversed(list(names))]
    while waiting:
        name, is_done = waiting.pop()
        if is_done:
            order.append(name)
        elif name not in seen:
            seen.add(name)
            waiting.append((name, True))
            waiting += [(after, False) for after in reversed(following(name)) if after not in seen]
    return order


def layers_between(
    network: Network, names: Iterable[str], ends: Callable[[Layer], bool] | None = None
) -> tuple[Layer, ...]:
    """Return the named layers without neurons and those before them, up to populations.

    Parameters
    ----------
    network
        The network.
    names
        Layers at which the ways end; populations among them are left out.
    ends
        Returns whether a way begins at a layer, in place of `is_population`.

    Returns
    -------
    In topological order, each once.
    """
    begins = ends or (lambda layer: is_population(network, layer))

    def following(name: str) -> tuple[str, ...]:
        layer = network[name]
        return () if begins(layer) else layer.inputs

    found = (network[name] for name in visit(names, following))
    return tuple(layer for layer in found if not begins(layer))


def inputs_behind(network: Network, layer: Layer) -> list[tuple[Layer, int]]:
    """Return every input that a layer and the layers without neurons before it have.

    In the order in which a walk meets them that goes back along each input as far as it can; a
    layer that it meets again is not gone through again.

    Returns
    -------
    Pairs of a reading layer and the place among its ``inputs``.
    """
    found: list[tuple[Layer, int]] = []
    seen = {layer.name}
    waiting = _inputs(layer)
    while waiting:
        reader, place = waiting.pop()
        found.append((reader, place))
        source = network[reader.inputs[place]]
        if source.name not in seen and not is_population(network, source):
            seen.add(source.name)
            waiting += _inputs(source)
    return found


def _inputs(layer: Layer) -> list[tuple[Layer, int]]:
    """Return the inputs of a layer, the first at the end."""
    return [(layer, place) for place in reversed(range(len(layer.inputs)))]


def populations_behind(network: Network, layer: Layer) -> tuple[str, ...]:
    """Return the populations, the input among them, that a layer reads from, each once."""
    sources = (network[reader.inputs[place]] for reader, place in inputs_behind(network, layer))
    return tuple(dict.fromkeys(s.name for s in sources if is_population(network, s)))
