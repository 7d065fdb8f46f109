"""Exported PyTorch programs, ``.pt2`` archives, read without PyTorch.

``torch.export.save`` writes a zip of the graph as JSON and of every weight as raw bytes (format
``pt2``; PyTorch 2.9 and later). `torch.export.load` also unpickles parts of it; here the JSON and
the raw bytes are all that is read, so that nothing in a file is executed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from snn_core.errors import ParseError
from snn_core.installing import how_to_update
from snn_core.parsing.torch.conditions import require_ranges
from snn_core.parsing.torch.unions import read_sizes
from snn_core.reading import (
    count_values,
    open_archive,
    parse_json,
    read_member,
    spend,
    while_reading,
)
from snn_core.typing import Array

_DEPTH = 200
"""Depth of a graph, with the types of its values."""

_BFLOAT16 = 13
# Numbers of `torch._export.serde.schema.ScalarType`.
BYTE = 1
"""Number of uint8 in PyTorch's schema."""

TYPE_NAMES: Mapping[int, str] = {
    BYTE: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32",
    8: "float64", 12: "bool", 13: "bfloat16",
}  # fmt: skip
"""Numbers of the types of real numbers, and what PyTorch calls them."""

FLOATS = frozenset((6, 7, 8, 13))
"""Numbers of half, float, double and bfloat16."""

_TYPES: Mapping[int, str] = {
    BYTE: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?",
    _BFLOAT16: "<u2",
}  # fmt: skip
_MARKS = {"archive_format": "pt2", "archive_version": "0", "byteorder": "little"}
"""Members that say how an archive is written."""

_SCHEMA = 8
"""Major version of PyTorch's schema; 2.9 to 2.14 write it, and read no other one either."""

_STRIDED = 7
"""Number of plain tensors in the schema; others are sparse."""

_ITEMSIZE = 4
"""Bytes of a value as float32, which all weights become."""

_ADVICE = "Export the model again: torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"


@dataclass(frozen=True, slots=True)
class Program:
    """Exported PyTorch program: graph, signature and arrays.

    Parameters
    ----------
    graph
        Nodes, inputs, outputs and the types of all values, as PyTorch's schema has them.
    signature
        What the graph's inputs and outputs stand for.
    arrays
        Parameters, buffers and constants by name.
    types
        The numbers of their types in PyTorch's schema.
    guards
        Conditions of what it may be called with, as Python code.
    """

    graph: Mapping[str, Any]
    signature: Mapping[str, Any]
    arrays: Mapping[str, Array]
    types: Mapping[str, int]
    guards: Sequence[str] = ()


def read_program(file: Path | IO[bytes], *, what: str) -> Program:
    """Read an archive.

    Parameters
    ----------
    file
        The archive.
    what
        Its name in messages.

    Raises
    ------
    ParseError
        If it is damaged, of another format or holds pickled parts that matter.
    """
    with (
        while_reading(what, error=ParseError, advice=_ADVICE[0].lower() + _ADVICE[1:]),
        open_archive(file) as archive,
    ):
        return _read(archive, what)


def _read(archive: zipfile.ZipFile, what: str) -> Program:
    names = archive.namelist()
    models = [name for name in names if _inside(name).startswith("models/")]
    if len(models) != 1 or not models[0].endswith(".json"):
        kind = "is a TorchScript model" if any("/code/" in name for name in names) else (
            f"holds {len(models)} exported programs; expected one"
        )  # fmt: skip
        raise ParseError(f"{what} {kind}. {_ADVICE} (PyTorch 2.9 or later).")
    root = models[0][: -len(_inside(models[0]))]
    own = _inside(models[0])[len("models/") : -len(".json")]
    for member, expected in _MARKS.items():
        if f"{root}{member}" not in names:
            continue
        found = read_member(archive, f"{root}{member}").decode(errors="replace")
        if found != expected:
            raise ParseError(
                f"{what} has the {member} {found!r}; expected {expected!r}. {_ADVICE}."
            )
    program = parse_json(read_member(archive, models[0]), models[0], depth=_DEPTH)
    schema = program["schema_version"]["major"]
    if schema != _SCHEMA:
        raise ParseError(
            f"{what} follows version {schema} of PyTorch's schema of programs; {_SCHEMA} is read. "
            f"{how_to_update()}"
        )
    require_ranges(program["range_constraints"])
    module = program["graph_module"]
    arrays: dict[str, Array] = {}
    types: dict[str, int] = {}
    for folder in ("weights", "constants"):
        config = f"{root}data/{folder}/{own}_{folder}_config.json"
        if config not in names:
            raise ParseError(f"{what} holds no {folder} as raw numbers. {_ADVICE}.")
        entries = parse_json(read_member(archive, config), config)["config"]
        for name, entry in entries.items():
            if entry.get("use_pickle"):
                raise ParseError(
                    f"{what} stores {name!r} as a pickle, which is not read. Use plain dense "
                    f"tensors. {_ADVICE}."
                )
            if name in arrays:
                raise ParseError(f"{what} stores {name!r} twice, as a weight and as a constant.")
            types[name] = entry["tensor_meta"]["dtype"]
            arrays[name] = _array(archive, f"{root}data/{folder}/{entry['path_name']}", entry, name)
    guards = program.get("guards_code", [])
    return Program(module["graph"], module["signature"], arrays, types, guards)


def _inside(name: str) -> str:
    """Return a member's name without the archive's root folder."""
    return name.partition("/")[2]


def _array(archive: zipfile.ZipFile, path: str, entry: Mapping[str, Any], name: str) -> Array:
    """Return a tensor from its strided storage."""
    meta = entry["tensor_meta"]
    if meta["dtype"] not in _TYPES:
        raise ParseError(
            f"{name!r} has the data type number {meta['dtype']}; expected real numbers."
        )
    if meta["layout"] != _STRIDED:
        raise ParseError(f"{name!r} is no plain tensor (layout {meta['layout']}). {_ADVICE}.")
    kind = np.dtype(_TYPES[meta["dtype"]])
    shape, strides = read_sizes(meta["sizes"]), read_sizes(meta["strides"])
    if shape is None or strides is None or len(shape) != len(strides):
        raise ParseError(f"{name!r} has no fixed shape.")
    (start,) = read_sizes([meta["storage_offset"]]) or (-1,)
    if min(shape, default=1) < 0 or min(strides, default=0) < 0 or start < 0:
        raise ParseError(f"{name!r} has negative sizes.")
    # Strides of 0 repeat values: a tensor may be larger than its storage, and is when it is copied.
    spend(max(kind.itemsize, _ITEMSIZE) * count_values(shape), f"The tensor {name!r}")
    storage = np.frombuffer(read_member(archive, path), kind)
    if 0 in shape:
        return np.zeros(shape, kind)
    last = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= storage.size:
        raise ParseError(f"{name!r} needs {last + 1} values; its storage holds {storage.size}.")
    if meta["dtype"] == _BFLOAT16:
        # The upper half of a float32.
        spend(_ITEMSIZE * storage.size, f"The storage of {name!r} as float32")
        storage = storage.astype(np.uint32)
        storage <<= 16
        storage = storage.view(np.float32)
    return np.lib.stride_tricks.as_strided(
        storage[start:], shape, [stride * storage.itemsize for stride in strides], writeable=False
    )
