"""AEDAT 4: recordings of DV, read with the library ``aedat`` (extra ``events``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snn_core.errors import DataError
from snn_core.events.stream import EventStream


def read_aedat4(path: Path) -> EventStream:
    """Read all event streams of a recording.

    Raises
    ------
    DataError
        If it is damaged or holds no events, or the library is missing.
    """
    try:
        import aedat
    except ImportError as error:
        raise DataError(
            f"{path} is in AEDAT 4, which needs the library aedat: "
            f"python -m pip install 'snn-core[events]'."
        ) from error
    try:
        decoder = aedat.Decoder(str(path))
        streams = [s for s in decoder.id_to_stream().values() if s["type"] == "events"]
        packets = [packet["events"] for packet in decoder if "events" in packet]
    except BaseException as error:
        # On some damaged files the library's Rust code panics, which is no Exception for Python.
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise DataError(
            f"{path} cannot be read as AEDAT 4 ({error}); it is cut off or damaged."
        ) from error
    if not streams:
        raise DataError(f"{path} holds no stream of events; expected one.")
    columns = [
        np.concatenate([packet[key] for packet in packets]) if packets else np.zeros(0, np.int64)
        for key in ("x", "y", "t", "on")
    ]
    size = (max(int(s["width"]) for s in streams), max(int(s["height"]) for s in streams))
    return EventStream.of(*columns, name=str(path), chip_size=size)
