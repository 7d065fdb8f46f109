"""A network as files that plain sPyNNaker builds: `snn_spinnaker.plain` reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.files import atomic_write, make_folder
from snn_core.typing import Array
from snn_spinnaker.layout import BoardNetwork, BoardPopulation, Projection
from snn_spinnaker.options import SpinnakerOptions
from snn_spinnaker.scaling import RECEPTORS

FILES = ("network.json", "network.npz", "plain.py", "spynnaker.cfg")
"""Files of a folder that plain sPyNNaker maps and runs."""

Job = tuple[dict[str, Any], dict[str, Array]]
"""Description and arrays of a network."""


def describe_job(
    network: BoardNetwork, options: SpinnakerOptions, *, membranes: Collection[str] = ()
) -> Job:
    """Return what sPyNNaker is to build, with lists of synapses.

    Parameters
    ----------
    membranes
        Names of the populations whose potentials are recorded.
    """
    populations: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {}
    if network.sources:
        populations.append(
            {"label": network.input_name, "size": network.sources, "model": "source"}
        )
    for item in network.populations:
        populations.append(described(item, options, records_v=item.name in membranes))
        arrays.update(columns_of(item))
    projections = []
    for number, part in enumerate(network.projections):
        projections.append(_described_projection(part, f"p{number}", network.dt_ms))
        arrays.update({f"p{number}/pre": part.pre, f"p{number}/post": part.post})
        arrays[f"p{number}/w"] = part.weight
    return head(network, options) | {
        "populations": populations, "projections": projections
    }, arrays  # fmt: skip


def head(network: BoardNetwork, options: SpinnakerOptions) -> dict[str, Any]:
    """Return what a description says about the whole network."""
    return {
        "format": 1,
        "dt_ms": network.dt_ms,
        "run_steps": network.timing.run_steps,
        "num_steps": network.num_steps,
        "input": network.input_name,
        "time_scale_factor": options.time_scale_factor,
        "samples": options.samples,
        "pause": options.pause,
    }


def described(
    item: BoardPopulation, options: SpinnakerOptions, *, records_v: bool = False
) -> dict[str, Any]:
    """Return the description of a population."""
    return {
        "label": item.name,
        "size": item.size,
        "model": item.cell.model,
        "parameters": item.cell.parameters(),
        "columns": ["v_thresh", "v", "i_offset"],
        "expected": None if item.expected is None else list(item.expected),
        "first_step": item.first_step,
        "neurons_per_core": options.number_of_neurons_per_core,
        "fires": item.fires,
        "records_v": records_v,
    }


def columns_of(item: BoardPopulation) -> Iterator[tuple[str, Array]]:
    """Yield what each neuron of a population has of its own."""
    yield f"{item.name}/v_thresh", item.threshold_l
    yield f"{item.name}/v", item.start_l
    yield f"{item.name}/i_offset", item.offset_l


def _described_projection(part: Projection, key: str, dt_ms: float) -> dict[str, Any]:
    return {
        "source": part.source,
        "target": part.target,
        "receptor": RECEPTORS[part.receptor],
        "delay_ms": part.delay_steps * dt_ms,
        "kind": "list",
        "key": key,
        "synapses": len(part.pre),
    }


def write_job(folder: Path, job: Job, *, overwrite: bool = False) -> None:
    """Write a network and the script that builds it.

    Raises
    ------
    DataError
        If a file cannot be written.
    """
    make_folder(folder)
    description, arrays = job
    described = json.dumps(description, indent=1).encode()
    write_file(folder / "network.json", described, overwrite=overwrite)
    write_arrays(folder / "network.npz", arrays, overwrite=overwrite)
    script = resources.files("snn_spinnaker") / "plain.py"
    content = script.read_text(encoding="utf-8").encode()
    write_file(folder / "plain.py", content, overwrite=overwrite)


def write_arrays(path: Path, arrays: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write arrays to an ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_file(path, buffer.getvalue(), overwrite=overwrite)


def write_file(path: Path, content: bytes, *, overwrite: bool = False) -> None:
    """Write a file."""
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(content)
