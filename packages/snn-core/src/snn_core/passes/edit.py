"""Replacing and removing layers of a network, for passes.

Where a layer is exchanged for several, the last of them keeps its name, so that nothing that reads
it has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from snn_core.ir import Flatten, Layer, Network, Reshape
from snn_core.typing import Shape


class Draft:
    """A network that a pass works on, layer by layer.

    A `Network` is whole after every change, which takes a look at all of its layers; a draft
    changes in the time that the change takes, so that passes over thousands of layers stay linear.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._layers = {layer.name: layer for layer in network.layers}
        # Layers that take one layer's place share its slot, in their order.
        self._slots = [[layer.name] for layer in network.layers]
        self._slot_of = {layer.name: i for i, layer in enumerate(network.layers)}
        self._readers: dict[str, dict[str, None]] = {name: {} for name in self._layers}
        for layer in network.layers:
            self._link(layer)
        self._notes: list[str] = []
        self._changed = False

    def __getitem__(self, name: str) -> Layer:
        """Return the layer of that name."""
        return self._layers[name]

    def __contains__(self, name: object) -> bool:
        """Return whether a layer of that name exists."""
        return name in self._layers

    def inbound(self, name: str) -> tuple[Layer, ...]:
        """Return the layers that a layer reads from, in the order of its inputs."""
        return tuple(self._layers[source] for source in self._layers[name].inputs)

    def outbound(self, name: str) -> tuple[Layer, ...]:
        """Return the layers that read from a layer, in topological order, each once."""
        order = sorted(self._readers[name], key=self._position)
        return tuple(self._layers[reader] for reader in order)

    def reads_alone(self, name: str) -> bool:
        """Return whether exactly one layer reads a layer, and reads it once."""
        readers = self._readers[name]
        return len(readers) == 1 and self._layers[next(iter(readers))].inputs.count(name) == 1

    def names(self) -> list[str]:
        """Return the names of all layers, in topological order."""
        return [name for slot in self._slots for name in slot]

    def input_shapes(self, name: str) -> tuple[Shape, ...]:
        """Return the output shapes of the inbound layers."""
        return tuple(layer.output_shape for layer in self.inbound(name))

    def replace(self, *layers: Layer) -> None:
        """Let layers take the place of the present ones of the same names."""
        for layer in layers:
            before = self._layers[layer.name]
            self._layers[layer.name] = layer
            if layer.inputs != before.inputs:
                self._unlink(before)
                self._link(layer)
        self._changed = True

    def remove(self, name: str, *, note: str | None = None) -> None:
        """Remove a layer of one input; what read it then reads that input."""
        layer = self._layers[name]
        (source,) = layer.inputs
        for reader in self.outbound(name):
            inputs = list(reader.inputs)
            for _ in range(inputs.count(name)):
                inputs[inputs.index(name)] = source
            self._layers[reader.name] = replace(reader, inputs=tuple(inputs))
        # Only these ends of readers move: a layer may read thousands of others.
        self._readers[source].update(self._readers.pop(name))
        self._drop(layer)
        self._note(note)

    def exchange(self, layers: Mapping[str, Sequence[Layer]], *, note: str | None = None) -> None:
        """Replace each of the named layers by others, or by none if nothing is left to read it."""
        places = {name: self._slot_of[name] for name in layers}
        for name in layers:
            self._drop(self._layers[name])
        for name, others in layers.items():
            for layer in others:
                self._layers[layer.name] = layer
                self._slot_of[layer.name] = places[name]
                self._slots[places[name]].append(layer.name)
                self._readers.setdefault(layer.name, {})
        for others in layers.values():
            for layer in others:
                self._link(layer)
        self._note(note)

    def finish(self) -> Network:
        """Return the network; the same object if nothing was changed."""
        if not self._changed:
            return self._network
        layers = tuple(self._layers[name] for name in self.names())
        history = (*self._network.history, *self._notes)
        return replace(self._network, layers=layers, history=history)

    def _position(self, name: str) -> tuple[int, int]:
        slot = self._slot_of[name]
        return slot, self._slots[slot].index(name)

    def _link(self, layer: Layer) -> None:
        for source in layer.inputs:
            self._readers[source][layer.name] = None

    def _unlink(self, layer: Layer) -> None:
        for source in layer.inputs:
            self._readers[source].pop(layer.name, None)

    def _drop(self, layer: Layer) -> None:
        """Take a layer out; who reads it stays known, for a layer that gets its name."""
        self._unlink(layer)
        del self._layers[layer.name]
        self._slots[self._slot_of.pop(layer.name)].remove(layer.name)
        self._changed = True

    def _note(self, note: str | None) -> None:
        if note is not None:
            self._notes.append(note)
            self._changed = True


Graph: TypeAlias = Network | Draft
"""A network to look at, finished or not."""


class Chains:
    """Where chains of layers that pass values on begin.

    Passes ask that of thousands of layers in a row. What was found of one holds for those behind
    it as long as the layers before it stay: a pass has to ask in topological order, and to change
    only what lies behind.

    Parameters
    ----------
    draft
        The network.
    passes
        Returns whether a layer of one input passes values on.
    """

    def __init__(self, draft: Draft, passes: Callable[[Layer], bool]) -> None:
        self._draft = draft
        self._passes = passes
        self._known: dict[str, tuple[str, bool]] = {}

    def begin(self, name: str) -> tuple[str, bool]:
        """Return the first layer from this one to the input that does not pass values on.

        Returns
        -------
        Its name, and whether it and all layers behind it, up to this one, are read alone; who reads
        this one does not matter.
        """
        passed: list[str] = []
        while name not in self._known and self._passes(self._draft[name]):
            passed.append(name)
            name = self._draft[name].inputs[0]
        begin, is_alone = self._known.get(name, (name, True))
        for each in reversed(passed):
            is_alone = is_alone and self._draft.reads_alone(self._draft[each].inputs[0])
            self._known[each] = begin, is_alone
        return begin, is_alone


def exchange(
    network: Network, layers: Mapping[str, Sequence[Layer]], *, note: str | None = None
) -> Network:
    """Replace each of the named layers by one or several others."""
    draft = Draft(network)
    draft.exchange(layers, note=note)
    return draft.finish()


def remove(network: Network, names: Iterable[str], *, note: str | None = None) -> Network:
    """Remove layers of one input each; what read them then reads that input."""
    draft = Draft(network)
    for name in names:
        draft.remove(name)
    draft.exchange({}, note=note)
    return draft.finish()


def keeps_channels(layer: Layer, before: Shape) -> bool:
    """Return whether a layer is a reshape that leaves the last axis as it is."""
    return isinstance(layer, (Flatten, Reshape)) and layer.output_shape[-1] == before[-1]
