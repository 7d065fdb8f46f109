"""Reading of event-camera recordings in any known format."""

from __future__ import annotations

from snn_core.data.events.aedat import read_aedat
from snn_core.data.events.aedat4 import read_aedat4
from snn_core.data.events.arrays import columns_of, read_arrays, stream_of
from snn_core.data.events.stream import EventStream
from snn_core.errors import DataError
from snn_core.files import as_path
from snn_core.reading import limit_memory, spend, while_reading
from snn_core.typing import PathLikeStr

AEDAT_SUFFIXES = (".aedat", ".aedat2", ".aedat3", ".aedat4", ".dat")
ARRAY_SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
EVENT_SUFFIXES = (*AEDAT_SUFFIXES, *ARRAY_SUFFIXES)
"""Endings of files with events, in lower case."""

_PER_BYTE = 12
"""Memory for each byte of a recording: itself, and for an event of 8 or 6 bytes nine numbers until
`EventStream`, which counts what it takes, has them."""


def read_events(path: PathLikeStr) -> EventStream:
    """Read one recording: AEDAT 1.0, 2.0, 3.1 or 4, ``.npy``, ``.npz`` or HDF5.

    AEDAT files tell their version themselves; see `snn_core.data.events.arrays` for the arrays.

    Raises
    ------
    DataError
        If it is missing, damaged, or holds no events.
    """
    path = as_path(path)
    suffix = path.suffix.lower()
    if suffix in ARRAY_SUFFIXES:
        with limit_memory(path, error=DataError):
            return stream_of(columns_of(read_arrays(path), path), path)
    if suffix not in AEDAT_SUFFIXES:
        raise DataError(f"{path} is no file of events; known: {', '.join(EVENT_SUFFIXES)}.")
    with while_reading(path, error=DataError, advice="it is cut off or damaged: copy it again"):
        spend(_PER_BYTE * path.stat().st_size, "its events")
        with path.open("rb") as file:
            is_version_4 = file.read(10) == b"#!AER-DAT4"
        return read_aedat4(path) if is_version_4 else read_aedat(path)
