"""Weights of Keras layers from HDF5 files and models in memory, checked for shape and finiteness.

Links to other files and data stored elsewhere are not followed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, TypeAlias, runtime_checkable

import h5py
import numpy as np

from snn_core.errors import ParseError
from snn_core.parsing.keras.plan import Location
from snn_core.parsing.sources import require_finite
from snn_core.reading import hdf5, while_reading
from snn_core.typing import Array, Shape

Shapes: TypeAlias = Mapping[str, Shape]
"""Names of a layer's variables, in Keras' order, and the shapes they must have."""

ALIASES = {"depthwise_kernel": ("depthwise_kernel", "kernel")}
"""Names that other Keras versions gave to a variable."""


@runtime_checkable
class WeightStore(Protocol):
    """Protocol of a weight store, which holds the variables of Keras layers."""

    def read(self, location: Location, shapes: Shapes) -> dict[str, Array]:
        """Return the variables of one layer as float32 arrays.

        Raises
        ------
        ParseError
            If one is missing, has another shape or holds values that are not finite.
        """
        ...


reading = functools.partial(
    while_reading, "the HDF5 data", error=ParseError, advice="copy the file again"
)


class ArchiveWeights:
    """The weights of a ``.keras`` archive: layers by class and number, variables by number.

    A layer that belongs to several models is stored with the first of them only, and the numbers of
    the others skip it. It is then found by its name, or where a layer of that name and class is
    stored: older versions of Keras write no names.
    """

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._named: dict[str, list[h5py.Group]] | None = None
        self._stored_twins = functools.cache(self._find_twins)

    @reading()
    def read(self, location: Location, shapes: Shapes) -> dict[str, Array]:
        """Return the variables of one layer as float32 arrays."""
        name = location.names[-1]
        group = descend(self._file, f"{location.group}/vars")
        stored = name if group is None else _stored_name(group, name)
        if group is None or stored != name:
            group = self._by_name(name, shapes) or self._twin(location)
        if group is None:
            if stored == name:
                raise ParseError(
                    f"the file holds no weights for it under {location.group!r}; save the model "
                    f"again."
                )
            raise ParseError(
                f"the weights under {location.group!r} belong to the layer {stored!r}; the "
                f"configuration and the weights file do not fit together: save the model again."
            )
        if len(group) != len(shapes):
            raise ParseError(
                f"the file holds {len(group)} weight arrays for it; expected {len(shapes)} "
                f"({', '.join(shapes)})."
            )
        return {
            name: read_array(descend(group, str(i)), name, shape)
            for i, (name, shape) in enumerate(shapes.items())
        }

    def _twin(self, location: Location) -> h5py.Group | None:
        """Return the only group of a layer of the same name and class in another model."""
        stored = self._stored_twins(location.twins)
        found = [group for path, group in stored.items() if path != location.group]
        return found[0] if len(found) == 1 and "name" not in found[0].attrs else None

    def _find_twins(self, twins: tuple[str, ...]) -> dict[str, h5py.Group]:
        """Return some of the layers that have weights: of more than three, none is the only other.

        Layers of one name have the same twins, so it is done once for all of them.
        """
        groups = ((path, descend(self._file, f"{path}/vars")) for path in twins)
        stored = ((path, item) for path, item in groups if isinstance(item, h5py.Group))
        return dict(islice(((path, item) for path, item in stored if len(item)), 3))

    def _by_name(self, name: str, shapes: Shapes) -> h5py.Group | None:
        """Return the only group that says it belongs to a layer of this name, and fits."""
        if self._named is None:
            self._named = {}
            for group in _variables(self._file):
                self._named.setdefault(_stored_name(group, ""), []).append(group)
        wanted = list(shapes.values())
        found = [
            group
            for group in self._named.get(name, ())
            if [getattr(descend(group, str(i)), "shape", None) for i in range(len(group))] == wanted
        ]
        return found[0] if len(found) == 1 else None


def _stored_name(group: h5py.Group, default: str) -> str:
    """Return the layer that a group of variables says it belongs to."""
    name = group.attrs.get("name", default)
    return name.decode() if isinstance(name, bytes) else str(name)


def _variables(file: h5py.Group) -> Iterator[h5py.Group]:
    """Yield all groups of variables."""
    for path, item in hdf5.walk(file):
        if isinstance(item, h5py.Group) and path.rpartition("/")[2] == "vars":
            yield item


class ModelWeights:
    """The weights of a model in memory."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def read(self, location: Location, shapes: Shapes) -> dict[str, Array]:
        """Return the variables of one layer as float32 arrays."""
        layer = self._model
        for name in location.names:
            layer = next(item for item in layer.layers if item.name == name)
        stored = {
            # "dense/kernel:0" in Keras 2, "kernel" in Keras 3
            str(variable.name).rpartition("/")[2].partition(":")[0]: variable
            for variable in layer.variables
        }
        found = {}
        for name, shape in shapes.items():
            key = next((alias for alias in ALIASES.get(name, (name,)) if alias in stored), None)
            if key is None:
                raise ParseError(
                    f"it has no variable {name!r}; build the model (model.build or a call on data)."
                )
            values = np.asarray(stored[key].numpy())
            if values.shape != shape:
                raise ParseError(f"its {name} has the shape {values.shape}; expected {shape}.")
            # A copy, as the variable may share its memory.
            found[name] = require_finite(values, name).copy()
        return found


def descend(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset | None:
    """Return what lies under a path, reached through plain links only."""
    current: h5py.Group | h5py.Dataset | None = group
    for part in path.split("/"):
        if not isinstance(current, h5py.Group):
            return None
        current = hdf5.child(current, part)
    return current


def read_array(data: h5py.Group | h5py.Dataset | None, name: str, shape: Shape) -> Array:
    """Return what is stored for a variable as a float32 array.

    Raises
    ------
    ParseError
        If it is missing, has another shape or holds values that are not finite.
    """
    if not isinstance(data, h5py.Dataset):
        raise ParseError(f"its {name} is missing from the file; save the model again.")
    if data.shape != shape:
        raise ParseError(f"its {name} has the shape {data.shape} in the file; expected {shape}.")
    if data.external or data.is_virtual or data.dtype.kind not in "fiu" or "dtype" in data.attrs:
        raise ParseError(
            f"its {name} is stored as {data.attrs.get('dtype', data.dtype)} or outside the file; "
            f"expected plain numbers: save the model with float32 weights."
        )
    return require_finite(hdf5.read_dataset(data), name)
