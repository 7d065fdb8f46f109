"""A saved network in plain PyNN.

This file needs PyNN and NumPy only, so that saved networks can bring it along. Everything that
differs between simulators is in the ``cells`` that its functions are given.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np


def load_description(folder: str | PathLike[str], filename: str) -> dict[str, Any]:
    """Read what ``save_assembly`` wrote about a network."""
    text = (Path(folder) / f"{filename}.json").read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    return described


def _beside(folder: str | PathLike[str], name: str) -> Path:
    """Return the path of a file that a description names; it lies beside it and nowhere else."""
    return Path(folder) / Path(name).name


def load_assembly(description: dict[str, Any], cells: Any) -> dict[str, Any]:
    """Begin a network, and return its populations by label.

    Parameters
    ----------
    description
        From `load_description`.
    cells
        The simulator's neurons.
    """
    dt_ms = description["dt_ms"]
    cells.set_up(dt_ms, longest_delay=description["longest_delay"])
    populations = {}
    for item in description["populations"]:
        size, label = item["size"], item["label"]
        if item["is_source"]:
            populations[label] = cells.add_sources(size, label)
            continue
        populations[label] = cells.add_neurons(
            np.array(item["theta"]),
            np.array(item["start"]),
            label=label,
            reset=description["reset"],
            rest_steps=description["rest_steps"],
            first_step=item["first_step"],
            dt_ms=dt_ms,
        )
    return populations


def load_connections(
    folder: str | PathLike[str],
    description: dict[str, Any],
    populations: dict[str, Any],
    cells: Any,
) -> list[Any]:
    """Return the projections of a network, read from the files that ``save_connections`` wrote.

    Parameters
    ----------
    folder
        Where the files are.
    description, populations, cells
        As for `load_assembly`, and what it returns.
    """
    import pyNN.connectors

    projections = []
    for item in description["connections"]:
        if item["source"] not in populations:
            continue  # a constant input, which has no spikes
        rows = np.loadtxt(_beside(folder, item["file"]), ndmin=2)
        projections.append(
            cells.sim.Projection(
                populations[item["source"]],
                populations[item["target"]],
                pyNN.connectors.FromListConnector(rows, column_names=("weight", "delay")),
                cells.PlainSynapse(),
                label=f"{item['source']}→{item['target']}",
            )
        )
    return projections


def drives(
    folder: str | PathLike[str], description: dict[str, Any], values: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Return what each neuron receives in every step, by label of its population.

    Parameters
    ----------
    folder, description
        As for `load_connections`.
    values
        A constant input; none if the input spikes.
    """
    found: dict[str, np.ndarray] = {}
    for item in description["populations"]:
        if not item["is_source"]:
            found[item["label"]] = np.loadtxt(_beside(folder, item["biases"]), ndmin=1)
    for item in description["connections"]:
        if values is not None and item["source"] == description["input"]:
            pre, post, weight, _ = np.loadtxt(_beside(folder, item["file"]), ndmin=2).T
            np.add.at(found[item["target"]], post.astype(int), weight * values[pre.astype(int)])
    return {label: per_ms * description["dt_ms"] for label, per_ms in found.items()}


def simulate(
    folder: str | PathLike[str], filename: str, sample: str | PathLike[str], cells: Any
) -> dict[str, Any]:
    """Run one sample through a network.

    Parameters
    ----------
    folder, filename
        What the network was saved as.
    sample
        A text file: a value for each input cell if the input is constant; otherwise the cell and
        the step, counted from 0, of each input spike.
    cells
        The simulator's neurons.

    Returns
    -------
    Step and cell of each spike, by label; the last potentials of populations that only integrate;
    and the decision.
    """
    description = load_description(folder, filename)
    populations = load_assembly(description, cells)
    projections = load_connections(folder, description, populations, cells)
    dt_ms, num_steps = description["dt_ms"], description["steps"]
    values = None
    if description["is_constant"]:
        values = np.loadtxt(sample, ndmin=1).reshape(-1)
    else:
        cell, step = np.loadtxt(sample, ndmin=2, dtype=int).reshape(-1, 2).T
        source = populations[description["input"]]
        cells.send(source, [np.sort(step[cell == index]) for index in range(source.size)], dt_ms)
    per_step = drives(folder, description, values)
    for item in description["populations"]:
        label = item["label"]
        if not item["is_source"]:
            if per_step[label].any():
                cells.drive(
                    populations[label],
                    per_step[label],
                    first_step=item["first_step"],
                    num_steps=num_steps,
                    dt_ms=dt_ms,
                )
            if not item["integrates"]:
                populations[label].record("spikes")
    cells.run(description["run_steps"], dt_ms)
    potentials = {
        item["label"]: cells.potentials(populations[item["label"]]).tolist()
        for item in description["populations"]
        if not item["is_source"] and item["integrates"]
    }
    cells.catch_up(dt_ms)
    del projections  # which had to live until now
    return _results(description, populations, potentials, cells)


def _results(
    description: dict[str, Any],
    populations: dict[str, Any],
    potentials: dict[str, list[float]],
    cells: Any,
) -> dict[str, Any]:
    spikes = {}
    for item in description["populations"]:
        label, population = item["label"], populations[item["label"]]
        if item["is_source"] or item["integrates"]:
            continue
        trains = population.get_data("spikes").segments[-1].spiketrains
        found = []
        for cell, train in enumerate(trains):
            times_ms = np.asarray(train.rescale("ms").magnitude)
            steps = cells.steps_of(times_ms, description["dt_ms"]) - item["first_step"]
            found += [[int(s), cell] for s in steps if 0 <= s < description["steps"]]
        spikes[label] = sorted(found)
    output = description["populations"][-1]
    if output["integrates"]:
        decision = int(np.argmax(np.array(potentials[output["label"]]) / output["theta_read"]))
    else:
        counts = np.bincount(
            [cell for _, cell in spikes[output["label"]]], minlength=output["size"]
        )
        decision = int(np.argmax(counts)) if counts.any() else -1
    return {"spikes": spikes, "potentials": potentials, "decision": decision}
