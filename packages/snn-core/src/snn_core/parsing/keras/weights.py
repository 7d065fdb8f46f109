"""Weights of Keras layers from HDF5 files and models in memory, checked for shape and finiteness.

Links to other files and data stored elsewhere are not followed.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
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

# Names that other Keras versions gave to a variable.
_ALIASES = {"depthwise_kernel": ("depthwise_kernel", "kernel")}


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


_reading = functools.partial(
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

    @_reading()
    def read(self, location: Location, shapes: Shapes) -> dict[str, Array]:
        """Return the variables of one layer as float32 arrays."""
        name = location.names[-1]
        group = _descend(self._file, f"{location.group}/vars")
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
            name: _read(_descend(group, str(i)), name, shape)
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
        groups = ((path, _descend(self._file, f"{path}/vars")) for path in twins)
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
            if [getattr(_descend(group, str(i)), "shape", None) for i in range(len(group))]
            == wanted
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
            key = next((alias for alias in _ALIASES.get(name, (name,)) if alias in stored), None)
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


class GroupWeights:
    """The weights of an ``.h5`` model: variables by name, grouped by outer layer."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group
        self._stored: dict[str, _Variables] = {}

    @_reading()
    def read(self, location: Location, shapes: Shapes) -> dict[str, Array]:
        """Return the variables of one layer as float32 arrays."""
        outer = location.names[0]
        if outer not in self._stored:  # a nested model has one group for all of its layers
            group = _descend(self._group, outer)
            if group is None:
                raise ParseError("the file holds no weights for it; save the model again.")
            self._stored[outer] = _Variables(outer, _datasets(group))
        stored = self._stored[outer]
        return {
            name: _read(stored.find(location.names[1:], name), name, shape)
            for name, shape in shapes.items()
        }


class _Variables:
    """The variables of one group, by every ending of their paths such as ``conv2d/kernel:0``."""

    def __init__(self, group: str, stored: Mapping[str, h5py.Dataset]) -> None:
        self._group = group
        self._stored = stored
        self._ending_in: dict[str, list[str]] = {}
        for path in stored:
            parts = path.partition(":")[0].split("/")
            for start in range(len(parts)):
                self._ending_in.setdefault("/".join(parts[start:]), []).append(path)

    def find(self, nested: Sequence[str], name: str) -> h5py.Dataset:
        """Return a variable of a layer.

        A layer of the outer model has its group to itself. Inside a nested model the path also
        names the layer, with or without the models around it.

        Parameters
        ----------
        nested
            The names of the layer and of the models around it, without the outermost.

        Raises
        ------
        ParseError
            If there is not one.
        """
        candidates: list[str] = []
        for start in range(max(len(nested), 1)):
            candidates = [
                path
                for alias in _ALIASES.get(name, (name,))
                for path in self._ending_in.get("/".join((*nested[start:], alias)), ())
            ]
            if candidates:
                break
        if len(candidates) != 1:
            found = ", ".join(candidates or self._stored) or "none"
            raise ParseError(
                f"expected one variable {name!r} for it in the group {self._group!r}; found "
                f"{textwrap.shorten(found, 1000)}."
            )
        return self._stored[candidates[0]]


def _descend(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset | None:
    """Return what lies under a path, reached through plain links only."""
    current: h5py.Group | h5py.Dataset | None = group
    for part in path.split("/"):
        if not isinstance(current, h5py.Group):
            return None
        current = hdf5.child(current, part)
    return current


def _datasets(group: h5py.Group | h5py.Dataset) -> dict[str, h5py.Dataset]:
    if isinstance(group, h5py.Dataset):
        return {}
    return {path: item for path, item in hdf5.walk(group) if isinstance(item, h5py.Dataset)}


def _read(data: h5py.Group | h5py.Dataset | None, name: str, shape: Shape) -> Array:
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
