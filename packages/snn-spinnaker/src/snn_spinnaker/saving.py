"""Connections and networks as files that plain PyNN and plain sPyNNaker read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from snn_core.errors import DataError
from snn_core.files import as_path, atomic_write, make_folder
from snn_core.simulation.synapses.tables import Tables
from snn_core.typing import Array, PathLikeStr
from snn_spinnaker.isolated import write_configuration
from snn_spinnaker.job import FILES, Job, write_arrays, write_job
from snn_spinnaker.layout import BoardNetwork
from snn_spinnaker.options import SpinnakerOptions
from snn_spinnaker.scaling import RECEPTORS

ADVICE = "choose another folder, or replace what is in this one with overwrite=True"
"""What to do about files that are there already."""

HEADER = "{source}→{target}, {receptor}: source, target, weight, delay in ms"


def save_connections(
    network: BoardNetwork,
    tables: Tables,
    path: PathLikeStr,
    *,
    kind: Literal["txt", "npz"] = "txt",
    overwrite: bool = False,
) -> list[Path]:
    """Write source, target, weight and delay in ms of every synapse, a file for each projection.

    A file is named after the layer that it connects to and the receptor, with a number if there are
    several: ``LAYER_excitatory.txt``. In its name ``_`` stands for ``/``, and a further one tells
    layers apart that would share a file. Inhibitory weights are negative, as PyNN wants them. Under
    constant current, ``LAYER_current.txt`` has the weights by which samples are multiplied.

    Parameters
    ----------
    kind
        ``"txt"``, for ``FromListConnector(numpy.loadtxt(file))``, or ``"npz"`` with the array
        ``connections`` of the same columns.
    overwrite
        Whether files that are there may be replaced.

    Raises
    ------
    DataError
        If a file cannot be written, or is there already; then none is written.
    """
    folder = as_path(path)
    make_folder(folder)
    named = list(_named(network, tables))
    written = [folder / f"{name}.{kind}" for name, *_ in named]
    if not overwrite:
        require_new(written, ADVICE)
    for file, (_, header, rows) in zip(written, named, strict=True):
        if kind == "npz":
            write_arrays(file, {"connections": rows}, overwrite=overwrite)
        else:
            with atomic_write(file, overwrite=overwrite) as out:
                form = ["%d", "%d", "%.17g", "%.17g"]
                np.savetxt(out, rows, fmt=form, header=header, encoding="utf-8")
    return written


def save_assembly(
    network: BoardNetwork,
    tables: Tables,
    options: SpinnakerOptions,
    job: Job,
    path: PathLikeStr,
    *,
    overwrite: bool = False,
    advice: str = ADVICE,
) -> None:
    """Write a network, its connections, the script that builds it, and sPyNNaker's configuration.

    Parameters
    ----------
    advice
        What to do if files are there already.

    Raises
    ------
    DataError
        If a file cannot be written, or is there already; then none is written.
    """
    folder = as_path(path).expanduser()
    if not overwrite:
        require_new([folder / name for name in (*FILES, "connections")], advice)
    write_job(folder, job, overwrite=overwrite)
    write_configuration(folder, options, virtual=not options.on_board, overwrite=overwrite)
    save_connections(network, tables, folder / "connections", overwrite=overwrite)


def require_new(files: Iterable[Path], advice: str) -> None:
    """Refuse to replace files.

    Raises
    ------
    DataError
        Names the first one that is there, and advises what to do.
    """
    for file in files:
        if file.exists():
            raise DataError(f"Cannot write {file}: it is there already; {advice}.")


def _named(network: BoardNetwork, tables: Tables) -> Iterator[tuple[str, str, Array]]:
    """Yield name, header and rows of each file."""
    lists = list(_lists(network, tables))
    number = Counter((target, receptor) for _, target, receptor, _ in lists)
    seen: Counter[tuple[str, str]] = Counter()
    stems = _stems(target for _, target, _, _ in lists)
    for source, target, receptor, rows in lists:
        key = (target, receptor)
        seen[key] += 1
        end = f"_{seen[key]}" if number[key] > 1 else ""
        header = HEADER.format(source=source, target=target, receptor=receptor)
        yield f"{stems[target]}_{receptor}{end}", header, rows


def _stems(names: Iterable[str]) -> dict[str, str]:
    """Return a name for the files of each layer, different for all of them."""
    found: dict[str, str] = {}
    # Layers whose own name will do come first, so that theirs doesn't depend on the others.
    for name in sorted(set(names), key=lambda name: ("/" in name, name)):
        stem = name.replace("/", "_")
        while stem in found.values():
            stem += "_"
        found[name] = stem
    return found


def _lists(network: BoardNetwork, tables: Tables) -> Iterator[tuple[str, str, str, Array]]:
    for part in network.projections:
        weight = -part.weight if part.receptor else part.weight
        delay = np.full(len(weight), part.delay_steps * network.dt_ms)
        rows = np.column_stack([part.pre, part.post, weight, delay])
        yield part.source, part.target, RECEPTORS[part.receptor], rows
    if network.sources:
        return
    for item in tables.connections:
        if item.source == tables.input_name:
            drive = item.weight_s.astype(np.float64) * network.dt_ms
            weight = network[item.target].cell.exact_currents(drive)
            rows = np.column_stack([item.pre, item.post, weight, np.zeros(len(item))])
            yield item.source, item.target, "current", rows
