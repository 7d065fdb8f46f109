"""Connections and networks as files that plain PyNN and plain sPyNNaker read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from snn_core.files import atomic_write, make_folder
from snn_core.simulation.synapses.tables import Tables
from snn_core.typing import Array, PathLikeStr
from snn_spinnaker.job import write_arrays
from snn_spinnaker.layout import BoardNetwork
from snn_spinnaker.scaling import RECEPTORS

HEADER = "{source}→{target}, {receptor}: source, target, weight, delay in ms"


def save_connections(
    network: BoardNetwork,
    tables: Tables,
    path: PathLikeStr,
    *,
    kind: Literal["txt", "npz"] = "txt",
) -> list[Path]:
    """Write source, target, weight and delay in ms of every synapse, a file for each projection.

    A file is named after the layer that it connects to and the receptor, with a number if there are
    several: ``LAYER_excitatory.txt``. Inhibitory weights are negative, as PyNN wants them. Under
    constant current, ``LAYER_current.txt`` has the weights by which samples are multiplied.

    Parameters
    ----------
    kind
        ``"txt"``, for ``FromListConnector(numpy.loadtxt(file))``, or ``"npz"`` with the array
        ``connections`` of the same columns.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    folder = Path(path)
    make_folder(folder)
    written = []
    for name, header, rows in _named(network, tables):
        file = folder / f"{name}.{kind}"
        if kind == "npz":
            write_arrays(file, {"connections": rows})
        else:
            with atomic_write(file) as out:
                form = ["%d", "%d", "%.17g", "%.17g"]
                np.savetxt(out, rows, fmt=form, header=header, encoding="utf-8")
        written.append(file)
    return written


def _named(network: BoardNetwork, tables: Tables) -> Iterator[tuple[str, str, Array]]:
    """Yield name, header and rows of each file."""
    lists = list(_lists(network, tables))
    number = Counter((target, receptor) for _, target, receptor, _ in lists)
    seen: Counter[tuple[str, str]] = Counter()
    for source, target, receptor, rows in lists:
        key = (target, receptor)
        seen[key] += 1
        end = f"_{seen[key]}" if number[key] > 1 else ""
        header = HEADER.format(source=source, target=target, receptor=receptor)
        yield f"{target.replace('/', '_')}_{receptor}{end}", header, rows


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
            weight = item.weight_s.astype(np.float64) * network[item.target].cell.unit
            rows = np.column_stack([item.pre, item.post, weight, np.zeros(len(item))])
            yield item.source, item.target, "current", rows
