"""Whatever happens to the bytes of a recording: it is read, or refused as damaged."""

import h5py
import numpy as np
import pytest

from snn_core.data.events import read_events
from snn_core.errors import DataError


def structured():
    events = np.zeros(40, [("t", "u8"), ("x", "u2"), ("y", "u2"), ("p", "?")])
    events["t"] = np.arange(40)
    return events


def write(path):
    events = structured()
    if path.suffix == ".npy":
        np.save(path, events)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **{name: events[name] for name in events.dtype.names})
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name in events.dtype.names:
                file.create_dataset(f"events/{name}", data=events[name], compression="gzip")
    else:
        path.write_bytes(b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n" + bytes(8 * 40))


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5", "a.aedat"])
def test_damaged_recordings_raise_nothing_else(tmp_path, name):
    path, rng = tmp_path / name, np.random.default_rng(0)
    write(path)
    content = np.frombuffer(path.read_bytes(), np.uint8)
    refused = []
    for trial in range(60):
        damaged = content.copy()
        if trial % 2:
            damaged = damaged[: rng.integers(len(content))]
        else:
            places = rng.integers(0, min(len(content), 400), 3)
            damaged[places] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            read_events(path)
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(str(path) in message for message in refused)
