"""Whether the figures in ``summary.json`` are those of the run that lies beside it.

Whoever reads all batches compares the figures themselves. A list of many runs cannot: there, a
digest tells whether anything was changed, from the checksums that the batches' files hold anyway.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snn_core.reading import open_archive

DIGEST = "digest"
"""Name of the digest among the figures in the file."""

TOLERANCE = 1e-6
"""Relative difference of a figure: versions of NumPy add up in another order, in float64."""


def digest_of(figures: Mapping[str, Any], batches: Iterable[Path]) -> str:
    """Return a SHA-256 of figures, and of the files that they were found from.

    Of a file only the end is read, where names, sizes and checksums of its arrays are; reading an
    array makes sure of its checksum. It tells what was changed, not who did: it is no signature.

    Parameters
    ----------
    figures
        Plain values by name; a digest among them is left out.
    batches
        Files of arrays in a fixed order; call it in a `while_reading`.
    """
    plain = {name: value for name, value in figures.items() if name != DIGEST}
    found = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for path in batches:
        with open_archive(path) as archive:
            for item in archive.infolist():
                found.update(f"{path.name} {item.filename} {item.file_size} {item.CRC}\n".encode())
    return found.hexdigest()


def require_same_run(figures: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Make sure that figures tell of the run that is described.

    Raises
    ------
    ValueError
        Names what differs.
    """
    identity = description["identity"]
    told = {
        "samples": identity["samples"],
        "simulator": identity["simulator"],
        "spike_code": identity["settings"]["conversion"]["spike_code"],
        "task": description["task"],
        "dt_ms": identity["settings"]["simulation"]["dt"],
        "ann_operations_per_sample": description["ann_operations"],
    }
    for name, value in told.items():
        if figures.get(name, value) != value:
            raise ValueError(f"{name}: it tells of {figures[name]!r}, run.json of {value!r}")


def require_same_figures(figures: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Make sure that numbers are those that the batches give, as far as both name them.

    Raises
    ------
    ValueError
        Names the first that differs.
    """
    for name in sorted(figures.keys() & expected.keys()):
        found, value = figures[name], expected[name]
        if not (_is_number(found) and _is_number(value)):
            continue
        if not math.isclose(found, value, rel_tol=TOLERANCE):
            raise ValueError(f"{name} is {found!r}; the batches give {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))
