"""Data sets of event cameras: recordings, cut into samples that are read when they are needed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from snn_core.data.base import Dataset
from snn_core.data.events import (
    EVENT_SUFFIXES,
    CellEvents,
    EventStream,
    cut,
    frame_shape,
    on_chip,
    read_events,
    scaled_frame,
    to_cells,
)
from snn_core.data.events.arrays import (
    read_arrays,
    set_prefix,
    single_columns,
    split,
    stream_of,
)
from snn_core.data.folders import find_files, hash_files
from snn_core.data.lazy import LazyItems, LazySamples
from snn_core.data.truth import as_classes
from snn_core.errors import DataError
from snn_core.files import hash_file
from snn_core.ir.shapes import count
from snn_core.reading import FileStates, limit_memory, spend, while_reading
from snn_core.settings import InputSettings
from snn_core.typing import Array, Pair

Read = TypeVar("Read")

RECORDINGS_KEPT = 4
"""Event-camera recordings in memory: samples lie in their order, so the last are needed again."""

_BLOCK = 2**12
"""Recordings whose first events lie within so many are read at once: checking takes as long for one
event as for thousands."""

_PER_CELL = 40
"""Memory for a cell of a frame: sums of its ON and OFF events, their difference, its parts."""


@dataclass(frozen=True, kw_only=True)
class EventRecordings:
    """Recordings of an event camera, with the class of each.

    Parameters
    ----------
    load
        Reads the recording of an index.
    labels_b
        Class of each, or ``None``.
    number
        How many there are.
    hash
        Returns the hash of everything in them. They are looked at first: what is no recording is
        not worth reading all of a large file.
    classes
        Name of each class, by its number; empty where they have no names.
    """

    load: Callable[[int], EventStream]
    labels_b: Array | None
    number: int
    hash: Callable[[], str]
    classes: tuple[str, ...] = ()


def find_recordings(
    path: Path, *, part: str, settings: InputSettings, classes: Sequence[str] = ()
) -> EventRecordings:
    """Return the recordings in a folder or file, none of which may change from now on.

    Parameters
    ----------
    classes
        Classes that a network knows; see `find_files`.

    Raises
    ------
    DataError
        If there are none, or a file is damaged.
    """
    states = FileStates()
    if path.is_dir():
        files = find_files(path, EVENT_SUFFIXES, label_dict=settings.label_dict, known=classes)
        paths = files.paths
        return EventRecordings(
            load=lambda i: _read_same(paths[i], read_events, states),
            labels_b=files.labels_b,
            number=len(paths),
            hash=lambda: hash_files(files, path, states),
            classes=files.classes,
        )
    hash_it = functools.partial(_read_same, path, hash_file, states)
    if path.suffix.lower() in (".npz", ".h5", ".hdf5"):
        arrays = _read_same(path, read_arrays, states)
        prefix = set_prefix(arrays, part)
        if prefix is not None:
            return _split_arrays(arrays, prefix, path, hash_it)
        sets = sorted(name for name in arrays if name.endswith("off"))
        if sets:
            raise DataError(
                f"{path} holds recordings under {', '.join(sets)}, none of them for {part}; "
                f"expected names that start with {'test_' if part == 'test' else 'train_'}."
            )
    return EventRecordings(
        load=lambda _: _read_same(path, read_events, states), labels_b=None, number=1, hash=hash_it
    )


def _read_same(path: Path, read: Callable[[Path], Read], states: FileStates) -> Read:
    """Read a file that must not have changed since it was read first."""
    with while_reading(path, error=DataError, advice="copy it again"), states.watch(path):
        return read(path)


def _split_arrays(
    arrays: dict[str, Array], prefix: str, path: Path, hash_it: Callable[[], str]
) -> EventRecordings:
    """Return recordings that lie one after the other in the same arrays."""
    columns = single_columns(arrays, prefix, path)
    bounds, label = split(arrays, prefix, path), arrays.get(f"{prefix}label")

    starts_r = np.array([start for start, _ in bounds], np.int64)
    block_r = starts_r // _BLOCK

    @functools.lru_cache(maxsize=2)
    def read_block(block: int) -> tuple[int, EventStream]:
        first, last = np.searchsorted(block_r, [block, block + 1])
        begin, end = bounds[first][0], bounds[last - 1][1]
        parts = tuple(column[begin:end] for column in columns)
        return begin, stream_of(parts, path, starts=starts_r[first:last] - begin)

    def load(i: int) -> EventStream:
        begin, events = read_block(int(block_r[i]))
        start, stop = bounds[i]
        return events[start - begin : stop - begin]

    return EventRecordings(
        load=load,
        labels_b=None if label is None else as_classes(np.asarray(label), str(path)),
        number=len(bounds),
        hash=lambda: hashlib.sha256(f"{hash_it()}{prefix}".encode()).hexdigest(),
    )


def from_event_files(
    path: Path, *, part: str, settings: InputSettings, classes: Sequence[str] = ()
) -> Dataset:
    """Return the samples of recordings; ``x_b_l`` are their frames, ``events_b`` their events.

    All recordings are read once to find the samples in them, one at a time.

    Parameters
    ----------
    classes
        Classes that a network knows; see `find_files`.

    Raises
    ------
    DataError
        If there are none, or a recording is damaged or has no event on the chip.
    """
    found = find_recordings(path, part=part, settings=settings, classes=classes)
    load = functools.lru_cache(maxsize=RECORDINGS_KEPT)(found.load)
    pieces, chip = _cut_recordings(load, found.number, settings, str(path))

    @functools.lru_cache(maxsize=1)
    def whole(i: int) -> EventStream:
        return on_chip(load(i), chip)

    @functools.lru_cache(maxsize=cache_size(settings))
    def cells(i: int) -> CellEvents:
        recording, start, stop = (int(n) for n in pieces[i])
        return to_cells(whole(recording)[start:stop], chip, settings)

    shape = frame_shape(chip, settings)
    with limit_memory(path, error=DataError):
        size = f"a frame of {' x '.join(map(str, shape[:2]))} pixels (input.chip_size)"
        spend(_PER_CELL * count(shape), size)
    frames = LazyItems(lambda i: scaled_frame(cells(i)), range(len(pieces)))
    return Dataset(
        x_b_l=LazySamples(frames, shape),
        labels_b=None if found.labels_b is None else found.labels_b[pieces[:, 0]],
        sample_ids=range(len(pieces)),
        name=str(path),
        sha256=found.hash(),
        events_b=LazyItems(cells, range(len(pieces))),
        classes=found.classes,
        advice="Set input.chip_size, input.frame_gen_method or target_size in "
        "input.dataflow_kwargs, or choose another model.",
    )


def cache_size(settings: InputSettings) -> int:
    """Return how many samples to keep: those of a batch, if their events are needed after it."""
    return 256 if settings.encoding == "events" else 1


def _cut_recordings(
    load: Callable[[int], EventStream], number: int, settings: InputSettings, name: str
) -> tuple[Array, Pair]:
    """Return recording, first event and end of each sample, and the size of the chip."""
    rows: list[tuple[int, int, int]] = []
    chips = set()
    for i in range(number):
        stream = load(i)
        if not len(stream):
            raise DataError(f"{name} holds no event in recording {i}: it is empty, or cut off.")
        chip = settings.chip_size or stream.chip_size
        if chip is None:
            raise DataError(
                f"{name} does not tell the size of the chip; set input.chip_size to its "
                f"(width, height)."
            )
        chips.add(chip)
        t_us_e = on_chip(stream, chip).t_us_e
        if not len(t_us_e):
            raise DataError(
                f"{name} has no event on a chip of {chip[0]} x {chip[1]} pixels in recording {i}; "
                f"check input.chip_size (width, height)."
            )
        parts = cut(
            t_us_e,
            num_events=settings.num_dvs_events_per_sample,
            window_us=settings.sample_window_us,
        )
        rows += [(i, start, stop) for start, stop in parts]
    if len(chips) > 1:
        found = ", ".join(f"{width} x {height}" for width, height in sorted(chips))
        raise DataError(f"{name} has chips of {found} pixels; set input.chip_size to use one size.")
    return np.array(rows, np.int64), chips.pop()
