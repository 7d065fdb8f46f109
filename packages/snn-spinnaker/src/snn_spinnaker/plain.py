"""Build and run a saved network in plain sPyNNaker; needs nothing of ours, and is saved beside it.

    python plain.py map FOLDER            map it, and write report.json
    python plain.py run FOLDER            run samples.npz, and write results.npz
    python plain.py build FOLDER ...      build it only, and write built.json; several in turn

The folder holds ``network.json`` and ``network.npz``. What sPyNNaker is told about the machine
stands in ``spynnaker.cfg``, of the current directory if there is one, or else of the folder. With
that of the folder sPyNNaker works in a temporary one, and leaves nothing but what is named above.
Where there is no ``.spynnaker.cfg`` in the home directory, it gets an empty one elsewhere.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

ROUTER_ENTRIES = 1023


def load(folder: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the description of a network and its arrays."""
    description = json.loads((Path(folder) / "network.json").read_text(encoding="utf-8"))
    with np.load(Path(folder) / "network.npz", allow_pickle=False) as stored:
        return description, {name: stored[name] for name in stored.files}


def build(
    sim: Any, description: dict[str, Any], arrays: dict[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """Return the populations by label, and the projections.

    Parameters
    ----------
    sim
        The module ``pyNN.spiNNaker``, after ``setup``.
    description, arrays
        What `load` returns.
    """
    populations = {}
    for item in description["populations"]:
        label = item["label"]
        if item["model"] == "source":
            populations[label] = sim.Population(
                item["size"],
                sim.SpikeSourceArray(spike_times=[]),
                label=label,
                structure=_shape(sim, item),
                neurons_per_core=_per_core(item),
            )
        else:
            populations[label] = _neurons(sim, item, arrays)
    projections = [
        _projection(sim, item, arrays, populations) for item in description["projections"]
    ]
    return populations, projections


def _shape(sim: Any, item: dict[str, Any]) -> Any:
    """Return the structure of a population, if it is a grid (width first)."""
    return sim.Grid2D(item["grid"][1] / item["grid"][0]) if "grid" in item else None


def _per_core(item: dict[str, Any]) -> Any:
    """Return the most neurons of a core, for a grid the sides of their rectangle."""
    each = item.get("neurons_per_core")
    return tuple(each) if isinstance(each, list) else each


def _neurons(sim: Any, item: dict[str, Any], arrays: dict[str, Any]) -> Any:
    label, size = item["label"], item["size"]
    columns = {name: arrays[f"{label}/{name}"] for name in item["columns"]}
    start = columns.pop("v")
    parameters = {**item["parameters"], **{name: _short(value) for name, value in columns.items()}}
    model = {
        "IF_curr_delta": lambda: sim.IF_curr_delta,
        "IF_curr_exp": lambda: sim.IF_curr_exp,
        "IF_trunc_delta": lambda: sim.extra_models.IFTruncDelta,
    }[item["model"]]()
    extra = {"neurons_per_core": _per_core(item)}
    if item["expected"] is not None:
        extra["max_expected_summed_weight"] = item["expected"]
    population = sim.Population(
        size, model(**parameters), label=label, structure=_shape(sim, item), **extra
    )
    population.initialize(v=_short(start))
    if item["first_step"]:
        # Neurons rest until the first spikes of the layer before can arrive.
        population.initialize(refract_timer=item["first_step"])
    return population


def _short(value: Any) -> Any:
    """Return one number where all are the same, which takes less room on the board."""
    return float(value[0]) if (value == value[0]).all() else value.tolist()


def _projection(
    sim: Any, item: dict[str, Any], arrays: dict[str, Any], populations: dict[str, Any]
) -> Any:
    source, target = populations[item["source"]], populations[item["target"]]
    if item["kind"] == "list":
        rows = np.column_stack([arrays[f"{item['key']}/{name}"] for name in ("pre", "post", "w")])
        return sim.Projection(
            source,
            target,
            sim.FromListConnector(rows, column_names=["weight"]),
            sim.StaticSynapse(delay=item["delay_ms"]),
            receptor_type=item["receptor"],
        )
    arguments = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in item["arguments"].items()
    }
    if item["kind"] == "convolution":
        connector = sim.ConvolutionConnector(arrays[item["key"]], **arguments)
        return sim.Projection(source, target, connector, sim.Convolution(delay=item["delay_ms"]))
    connector = sim.PoolDenseConnector(arrays[item["key"]], **arguments)
    return sim.Projection(source, target, connector, sim.PoolDense(delay=item["delay_ms"]))


def set_up(description: dict[str, Any]) -> Any:
    """Return the module ``pyNN.spiNNaker`` after ``setup``."""
    import pyNN.spiNNaker as sim  # noqa: N813 - PyNN's own convention

    factor = description["time_scale_factor"] or None
    sim.setup(description["dt_ms"], time_scale_factor=factor)
    return sim


def built(populations: dict[str, Any]) -> dict[str, Any]:
    """Return what sPyNNaker has made of the populations."""
    return {
        label: {
            "size": population.size,
            "shifts": [int(n) for n in population._vertex.get_ring_buffer_shifts()],
            "scales": [
                float(n)
                for n in population._vertex.get_weight_scales(
                    population._vertex.get_ring_buffer_shifts()
                )
            ],
        }
        for label, population in populations.items()
        if hasattr(population._vertex, "get_ring_buffer_shifts")
    }


def mapped(description: dict[str, Any]) -> dict[str, Any]:
    """Return where sPyNNaker has put the network, core by core, and what it takes there."""
    from spynnaker.pyNN.data import SpynnakerDataView as View

    steps = description["run_steps"]
    machine: Any = View.get_machine()
    cores = []
    for place in View.iterate_placemements():
        vertex = place.vertex
        chip = machine.get_chip_at(place.x, place.y)
        owner = vertex.app_vertex
        item = vertex.vertex_slice
        cores.append(
            {
                "population": None if owner is None else owner.label,
                "chip": [place.x, place.y],
                "core": place.p,
                "board": [chip.nearest_ethernet_x, chip.nearest_ethernet_y],
                "atoms": None if owner is None else [int(n) for n in item.get_raster_ids()],
                "sdram_bytes": int(vertex.sdram_required.get_total_sdram(steps)),
            }
        )
    tables = {
        f"{table.x},{table.y}": table.number_of_entries
        for table in View.get_uncompressed().routing_tables
    }
    return {
        "cores": cores,
        "sdram_bytes_per_chip": int(machine.get_chip_at(0, 0).sdram),
        "router_entries": tables,
        "router_entries_limit": ROUTER_ENTRIES,
    }


def run_samples(
    sim: Any, description: dict[str, Any], populations: dict[str, Any], samples: dict[str, Any]
) -> dict[str, Any]:
    """Run samples and return spikes and potentials of each population.

    Parameters
    ----------
    samples
        ``number``; under constant current ``offset/LABEL``, the current of each neuron for each
        sample; otherwise ``sample``, ``tick`` and ``cell`` of every input spike.
    """
    results: dict[str, Any] = {}
    number = int(samples["number"])
    for item in description["populations"]:
        if item["model"] != "source":
            wanted = (["spikes"] if item["fires"] else []) + (["v"] if item["records_v"] else [])
            populations[item["label"]].record(wanted)
    if description["samples"] == "long":
        _send(description, populations, samples, None)
        length = description["run_steps"] + description["pause"]
        sim.run((number * length + 1) * description["dt_ms"])
        _collect(description, populations, results, 0)
        return results
    for sample in range(number):
        if sample:
            sim.reset()
        _send(description, populations, samples, sample)
        # The potential of a tick is recorded at the beginning of the next one.
        sim.run((description["run_steps"] + 1) * description["dt_ms"])
        _collect(description, populations, results, sample)
    return results


def _send(
    description: dict[str, Any],
    populations: dict[str, Any],
    samples: dict[str, Any],
    sample: int | None,
) -> None:
    """Set the input of one sample, or of all one after the other."""
    for name in samples:
        if name.startswith("offset/"):
            populations[name[7:]].set(i_offset=_short(samples[name][sample]))
    if "tick" not in samples:
        return
    length = description["run_steps"] + description["pause"]
    tick, cell = samples["tick"], samples["cell"]
    if sample is None:
        tick = tick + length * samples["sample"]
    else:
        tick, cell = (part[samples["sample"] == sample] for part in (tick, cell))
    order = np.lexsort((tick, cell))
    source = populations[description["input"]]
    ends = np.cumsum(np.bincount(cell, minlength=source.size))[:-1]
    # `set(spike_times=...)` of sPyNNaker 7.4.1 fails for lists of lists once there is a population,
    # as it leaves out to make them an array.
    trains = np.empty(source.size, dtype=object)
    for number, train in enumerate(np.split(tick[order].astype(np.int64), ends)):
        trains[number] = train
    source._vertex.send_buffer_times = trains


def _collect(
    description: dict[str, Any],
    populations: dict[str, Any],
    results: dict[str, Any],
    sample: int,
) -> None:
    """Read back what was recorded since the last reset."""
    for item in description["populations"]:
        if item["model"] == "source":
            continue
        label = item["label"]
        segment = populations[label].get_data().segments[-1]
        if item["fires"]:
            trains = [np.asarray(t.rescale("ms").magnitude) for t in segment.spiketrains]
            cell = np.repeat(np.arange(len(trains)), [len(t) for t in trains])
            ticks = np.concatenate(trains) if trains else np.zeros(0)
            results[f"{label}/{sample}/cell"] = cell
            results[f"{label}/{sample}/tick"] = np.rint(ticks / description["dt_ms"]).astype(int)
        if item["records_v"]:
            signal = next(part for part in segment.analogsignals if part.name == "v")
            results[f"{label}/{sample}/v"] = np.asarray(signal.magnitude)


def provenance() -> list[str]:
    """Return sPyNNaker's own warnings about the run, read back from the board."""
    from spinn_front_end_common.interface.provenance import ProvenanceReader

    with ProvenanceReader() as reader:
        return [str(row) for row in reader.messages()]


def main(what: str, *places: str | PathLike[str]) -> None:
    """Map, run or build the networks in some folders."""
    folders = [Path(place).resolve() for place in places]
    set_surroundings(folders[0])
    for folder in folders:
        work(what, folder)


def set_surroundings(folder: Path) -> None:
    """Give sPyNNaker the configuration that it insists on, and a place for its reports."""
    temporary = Path(tempfile.mkdtemp(prefix="snn-plain-"))
    # Registered before sPyNNaker is imported, as it writes a last report when Python ends.
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    if not (Path.home() / ".spynnaker.cfg").is_file():
        (temporary / ".spynnaker.cfg").touch()
        os.environ["HOME"] = str(temporary)
    here, own = Path.cwd(), folder / "spynnaker.cfg"
    if own.is_file() and (here == folder or not (here / own.name).is_file()):
        shutil.copy(own, temporary)
        os.chdir(temporary)


def work(what: str, place: str | PathLike[str]) -> None:
    """Map, run or build the network in a folder."""
    folder = Path(place).resolve()
    description, arrays = load(folder)
    sim = set_up(description)
    populations, projections = build(sim, description, arrays)
    if what == "build":
        _write(folder / "built.json", built(populations))
    elif what == "map":
        for item in description["populations"]:
            if item["model"] != "source":
                populations[item["label"]].record("spikes")
        sim.run(description["run_steps"] * description["dt_ms"])
        _write(folder / "report.json", mapped(description))
    else:
        with np.load(folder / "samples.npz", allow_pickle=False) as stored:
            samples = {name: stored[name] for name in stored.files}
        results = run_samples(sim, description, populations, samples)
        np.savez_compressed(folder / "results.npz", **results)
        _write(folder / "provenance.json", provenance())
    del projections  # which had to live until now
    sim.end()


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
