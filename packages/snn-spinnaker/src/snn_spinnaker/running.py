"""A batch on a board: samples to sPyNNaker's process, spikes and potentials back."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from snn_core.recording.spike_trains import Events
from snn_core.typing import Array, Float64
from snn_pynn.inputs import SpikingInput
from snn_spinnaker.isolated import job_folder, run_script
from snn_spinnaker.job import describe_job, write_arrays
from snn_spinnaker.layout import BoardNetwork, BoardPopulation
from snn_spinnaker.mapping import safe_slow_down
from snn_spinnaker.options import SpinnakerOptions


@dataclass(frozen=True, kw_only=True, eq=False)
class BoardRun:
    """What was read back.

    Parameters
    ----------
    spikes
        Spikes of each population with a threshold, in its own steps.
    v_t_b_l
        Potentials in mV after each of a population's own steps.
    provenance
        What sPyNNaker found noteworthy about the run.
    time_scale_factor
        Slow-down against real time.
    """

    spikes: Mapping[str, Events]
    v_t_b_l: Mapping[str, Float64[Array, "t b l"]]
    provenance: list[str]
    time_scale_factor: int


def run_on_board(
    network: BoardNetwork,
    options: SpinnakerOptions,
    *,
    offsets: Mapping[str, Float64[Array, "b l"]],
    spiking: SpikingInput | None,
    num_samples: int,
    membranes: Collection[str],
    virtual: bool = False,
) -> BoardRun:
    """Run some samples.

    Parameters
    ----------
    offsets
        Constant current of each population in nA, that of a constant input included.
    spiking
        Input spikes; ``None`` under constant current.
    membranes
        Names of the populations whose potentials are wanted.
    virtual
        Whether to run on a virtual board, on which nothing ever spikes. For tests of what lies
        around the run; no simulator hands its result on.

    Raises
    ------
    SimulatorImportError, SimulationError
        If sPyNNaker is not installed, or fails.
    """
    factor = options.time_scale_factor or safe_slow_down(network, options)
    options = options.model_copy(update={"time_scale_factor": factor})
    samples: dict[str, Array] = {"number": np.array(num_samples)}
    if spiking is None:
        samples |= {f"offset/{name}": value for name, value in offsets.items()}
    else:
        events = spiking.events
        samples |= {"sample": events.sample_e, "tick": events.step_e, "cell": events.cell_e}
    job = describe_job(network, options, membranes=membranes)
    with job_folder(job, options, virtual=virtual) as folder:
        write_arrays(folder / "samples.npz", samples)
        run_script(folder, "run", options)
        with np.load(folder / "results.npz", allow_pickle=False) as stored:
            results = {name: stored[name] for name in stored.files}
        provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    reader = _Reader(network, options, results, num_samples)
    return BoardRun(
        spikes={item.name: reader.spikes(item) for item in network.populations if item.fires},
        v_t_b_l={
            item.name: reader.v(item) for item in network.populations if item.name in membranes
        },
        provenance=provenance,
        time_scale_factor=factor,
    )


class _Reader:
    """Reads results in a population's own steps."""

    def __init__(
        self, network: BoardNetwork, options: SpinnakerOptions, results: Mapping[str, Array],
        num_samples: int,
    ) -> None:  # fmt: skip
        self.network, self.results, self.num_samples = network, results, num_samples
        # All samples lie one after the other in a long input, and are one result.
        self._period = 0
        if options.samples == "long":
            self._period = network.timing.run_steps + options.pause

    def spikes(self, item: BoardPopulation) -> Events:
        """Return the spikes of a population."""
        parts = []
        for sample in range(self.num_samples):
            key = f"{item.name}/{0 if self._period else sample}"
            step_e = self.results[f"{key}/tick"] - sample * self._period - item.first_step
            own = (step_e >= 0) & (step_e < self.network.num_steps)
            cell_e = self.results[f"{key}/cell"][own]
            parts.append((np.full(len(cell_e), sample), step_e[own], cell_e))
        columns = [np.concatenate(column).astype(np.int32) for column in zip(*parts, strict=True)]
        return Events(*columns)

    def v(self, item: BoardPopulation) -> Float64[Array, "t b l"]:
        """Return potentials after each step; the board records them when the next one begins."""
        parts = []
        for sample in range(self.num_samples):
            values = self.results[f"{item.name}/{0 if self._period else sample}/v"]
            start = sample * self._period + item.first_step + 1
            parts.append(values[start : start + self.network.num_steps])
        return np.stack(parts, axis=1)
