"""Weights of ``.h5`` models of Keras, in the order in which the file lists them.

Keras loads layers and variables by their places in these lists, whatever they are called.
"""

from __future__ import annotations

import textwrap
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from snn_core.errors import ParseError, brief
from snn_core.parsing.keras.nodes import config_of, entries_of, is_nested, name_of
from snn_core.parsing.keras.plan import MAX_DEPTH, Location
from snn_core.parsing.keras.weights import ALIASES, Shapes, descend, read_array, reading
from snn_core.typing import Array

_NEVER_TRAINED = ("moving_mean", "moving_variance", "mean", "variance", "count", "mask")
"""Variables that stand behind those that are trained, in the list of a nested model."""


class GroupWeights:
    """The weights of an ``.h5`` model: variables in lists, grouped by outer layer.

    Parameters
    ----------
    group
        What holds them.
    model
        The configuration of the model.
    """

    def __init__(self, group: h5py.Group, model: Any) -> None:
        self._group = group
        self._model = model
        self._layers: dict[str, _Variables] = {}

    @reading()
    def read(self, location: Location, shapes: Shapes) -> dict[str, Array]:
        """Return the variables of one layer as float32 arrays."""
        if not self._layers:
            self._layers = self._list_layers()
        outer, *nested = location.names
        if outer not in self._layers:
            raise ParseError("the file holds no weights for it; save the model again.")
        # A layer of the outer model has its group to itself.
        found = self._layers[outer].find(tuple(nested), shapes)
        return {
            name: read_array(data, name, shape)
            for (name, shape), data in zip(shapes.items(), found, strict=True)
        }

    def _list_layers(self) -> dict[str, _Variables]:
        """Return the variables of all layers that have some.

        Raises
        ------
        ParseError
            If the layers are not listed, or not in the order of the model.
        """
        names = _read_names(self._group, "layer_names")
        if not names:
            raise ParseError("the file lists no weights for any layer; save the model again.")
        entries = entries_of(config_of(self._model))
        places = {name_of(entry): i for i, entry in enumerate(entries)}
        found: dict[str, _Variables] = {}
        last = -1
        for name in names:
            group = descend(self._group, name)
            stored = _read_names(group, "weight_names") if isinstance(group, h5py.Group) else []
            if not stored:
                continue
            place = places.get(name, -1)
            if place <= last:
                raise ParseError(
                    f"the file lists the weights of the layer {name!r} at another place than the "
                    f"model has it; the weights and the model do not fit together: save again."
                )
            found[name], last = _Variables(name, group, stored, entries[place]), place
        return found


def _read_names(group: h5py.Group, key: str) -> list[str]:
    """Return the names in an attribute; long lists are split: ``layer_names0`` and so on."""
    parts = [group.attrs[key]] if key in group.attrs else []
    while not (parts and key in group.attrs) and f"{key}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{key}{len(parts)}"])
    names = [name for part in parts for name in np.asarray(part).ravel().tolist()]
    names = [name.decode() if isinstance(name, bytes) else name for name in names]
    if not all(isinstance(name, str) for name in names):
        raise ParseError(f"the file lists {brief(names)} as {key}; expected names.")
    return names


@dataclass(slots=True)
class _Order:
    """The places that layers have in a model and in a list of variables, which must agree."""

    found: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, place: int, variables: Sequence[int]) -> bool:
        """Add a layer and return whether its variables stand between those of its neighbours."""
        if not variables:
            return True
        item = (place, variables[0], variables[-1])
        i = bisect(self.found, item)
        if i and self.found[i - 1] == item:  # a layer that is called twice
            return True
        before = not i or self.found[i - 1][2] < item[1]
        behind = i == len(self.found) or item[2] < self.found[i][1]
        self.found.insert(i, item)
        return before and behind


class _Variables:
    """The variables of one outer layer, as they are listed."""

    def __init__(self, name: str, group: h5py.Group, stored: Sequence[str], entry: Any) -> None:
        self._name = name
        self._group = group
        self._stored = stored
        self._of_layer: dict[str, list[int]] = {}
        for i, path in enumerate(stored):
            *around, _ = path.partition(":")[0].split("/")
            for start in range(len(around)):
                self._of_layer.setdefault("/".join(around[start:]), []).append(i)
        self._layers = {
            names: (place, frozen) for place, (names, frozen) in enumerate(_leaves(entry))
        }
        self._trained, self._kept = _Order(), _Order()

    def find(self, nested: tuple[str, ...], shapes: Shapes) -> list[Any]:
        """Return what is stored for the variables of a layer, in Keras' order.

        Parameters
        ----------
        nested
            The names of the layer and of the models around it, without the outermost; none for a
            layer that has the group to itself. Inside a nested model the path of a variable names
            the layer, with or without the models around it.
        shapes
            Names and shapes of the variables.

        Raises
        ------
        ParseError
            If they are not what is listed.
        """
        own = self._find_own(nested) if nested else list(range(len(self._stored)))
        if len(own) != len(shapes):
            found = ", ".join(self._stored[i] for i in own) or ", ".join(self._stored)
            raise ParseError(
                f"expected {len(shapes)} variable(s) for it ({', '.join(shapes)}) in the group "
                f"{self._name!r}; found {textwrap.shorten(found, 1000)}."
            )
        if nested and not self._is_in_order(nested, own, list(shapes)):
            raise ParseError(
                f"the group {self._name!r} lists the variables of its layers in another order than "
                f"the model has them; Keras would take one for the other: save the model again."
            )
        return [descend(self._group, self._stored[i]) for i in own]

    def _find_own(self, nested: tuple[str, ...]) -> list[int]:
        keys = ("/".join(nested[start:]) for start in range(len(nested)))
        return next((self._of_layer[key] for key in keys if key in self._of_layer), [])

    def _is_in_order(self, nested: tuple[str, ...], own: list[int], names: list[str]) -> bool:
        stored = [self._stored[i].rpartition("/")[2].partition(":")[0] for i in own]
        aliases = [ALIASES.get(name, (name,)) for name in names]
        if not all(found in known for found, known in zip(stored, aliases, strict=True)):
            return False
        place, is_frozen = self._layers.get(nested, (0, True))
        if is_frozen:  # behind all that are trained, in an order that depends on the version
            return True
        kept = [i for i, name in zip(own, names, strict=True) if name in _NEVER_TRAINED]
        trained = [i for i in own if i not in kept]
        return self._trained.add(place, trained) and self._kept.add(place, kept)


def _leaves(
    entry: Any, outer: tuple[str, ...] = (), *, frozen: bool = False
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the layers in a model, with the names of the models around them, in Keras' order.

    The second value tells whether they are not trained.
    """
    if len(outer) > MAX_DEPTH or not is_nested(entry):
        return
    config = config_of(entry)
    frozen = frozen or config.get("trainable") is False
    for item in entries_of(config):
        names = (*outer, name_of(item))
        yield names, frozen or config_of(item).get("trainable") is False
        yield from _leaves(item, names, frozen=frozen)
