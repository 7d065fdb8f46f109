"""Running a converted network on test data: batches, progress, stopping and resuming."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, TypeAlias

import numpy as np

import snn_core
from snn_core import artifact
from snn_core.data import Dataset
from snn_core.data.loading import Data, as_dataset
from snn_core.data.preparation import check_preparation
from snn_core.data.ranges import check_range
from snn_core.errors import (
    ArtifactError,
    DataError,
    SettingsError,
    noted_warnings,
)
from snn_core.files import explain_failures
from snn_core.ir import Network
from snn_core.ir.shapes import count
from snn_core.operations import ann_operations
from snn_core.phases import StopSimulation, at_once, phase, when_asked
from snn_core.running.outputs import noted_overflow, warn_of_outputs
from snn_core.running.result import BatchArrays, RunFolder, RunResult
from snn_core.running.resuming import open_folder, require_usable, stored_settings
from snn_core.running.shorthands import set_shorthands
from snn_core.running.stored import most_classes
from snn_core.settings import Settings
from snn_core.simulation import registry
from snn_core.simulation.batches import BatchPlan, simulate_batch
from snn_core.simulation.contract import AbstractSNN
from snn_core.simulation.signal import require_events
from snn_core.simulation.tasks import Task, find_task, has_labels
from snn_core.typing import PathLikeStr

Progress: TypeAlias = Callable[[int, int, float], None]
"""Called after each batch with the samples done, all samples and the accuracy so far, which is NaN
where there is none."""

LESS_MEMORY = (
    "Simulate fewer samples at a time (--batch-size, simulation.batch_size), record less "
    "(--record, output.log_vars), or run fewer samples (--samples, simulation.num_to_test)."
)


@explain_failures(memory=LESS_MEMORY)
def run(
    network_or_path: Network | PathLikeStr,
    simulator: str | None = None,
    *,
    data: Data | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    timesteps: int | None = None,
    samples: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    record: str | Iterable[str] | None = None,
    name: str | None = None,
    output_dir: PathLikeStr | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> RunResult:
    """Simulate a converted network and compare its outputs with labels and analog network.

    Parameters
    ----------
    network_or_path
        The network, or the path of its artifact.
    simulator
        Name of a registered simulator; that of the settings (``simulation.simulator``) if not
        given.
    data
        Samples and labels, which every run needs: arrays, a data set, or the path of one. 8-bit
        integers are scaled as the network's ``input_data`` says: divided by 255, unless the model
        rescales by itself. Labels are class numbers, rows of 0 and 1, or numbers;
        ``simulation.task`` says what they are where that is not clear. Without labels outputs are
        only compared with those of the analog network.
    settings
        Settings of the run, also as nested dictionaries. What they leave open is as the network
        was converted: steps, spike code, read-out and everything else.
    timesteps
        Number of steps, instead of the duration in the settings.
    samples
        Number of samples to simulate, taken from all classes in turn.
    batch_size
        Samples simulated at a time.
    seed
        Seed of all random numbers, instead of the one in the settings.
    record
        Variables to record: some of ``spikes``, ``potentials``, ``input`` and ``activations``, or
        ``"all"``.
    name
        What to call the network in reports and lists of runs; the path of its artifact if not
        given.
    output_dir
        Folder for the results; nothing is written if not given.
    resume
        Go on with a run that was stopped; its finished batches are kept. Simulator and settings
        that are not given are those of that run.
    progress
        Called after each batch.
    stop
        Asked between steps whether to stop; finished batches are kept.

    Returns
    -------
    The result; ``interrupted`` if it was stopped.

    Warns
    -----
    OutputWarning
        If outputs are read by counting spikes, and some of them are negative in the analog network,
        or if numbers became infinite while simulating.

    Raises
    ------
    SNNError
        If anything about network, settings, data or folder does not fit, before simulating.
    StopSimulation
        If it was stopped before the first batch was finished.

    Warns
    -----
    DataWarning
        If samples lie far outside what the network was calibrated on, or are arrays and the network
        was calibrated on prepared images; see `snn_core.data.ranges` and
        `snn_core.data.preparation`.
    """
    if name is not None and not isinstance(name, str):
        raise SettingsError(f"Found name = {name!r}; expected a text.")
    for argument, function in (("progress", progress), ("stop", stop)):
        if function is not None and not callable(function):
            raise SettingsError(f"Found {argument} = {function!r}; expected a function.")
    data = _require_samples(data, simulator)
    require_usable(output_dir, resume=resume)
    if isinstance(network_or_path, Network):
        network = network_or_path
    else:
        network, name = artifact.load(network_or_path), name or str(network_or_path)
    network = registry.without_free_texts(network)
    if settings is not None and not isinstance(settings, Settings):
        settings = Settings.of(settings, simulators=tuple(registry.names()))
    if settings is not None:
        _require_input_scale(network, settings)
    stored = stored_settings(output_dir) if resume and output_dir is not None else None
    if stored is not None:
        settings = settings.on_top_of(stored) if settings is not None else stored
    settings = set_shorthands(
        network.settings_for(settings),
        timesteps=timesteps,
        samples=samples,
        batch_size=batch_size,
        seed=seed,
        record=record,
    )
    simulator = settings.simulation.simulator if simulator is None else simulator
    simulator = registry.current_name(simulator)
    with phase("starting the simulator"):
        kind = registry.get(simulator)
        options = kind.options_type.of_section(settings.options, simulator)
        snn = kind(network, settings, options, stop=stop)
    with noted_warnings() as warned:
        dataset, task = _dataset(data, network, settings)
    metadata = describe_run(snn, simulator, dataset, task=task, name=name or "")
    metadata["warnings"] = warned
    with open_folder(output_dir, metadata, resume=resume) as folder, when_asked():
        with noted_overflow() as overflow:
            batches, interrupted = _simulate(snn, dataset, folder, progress, task=task)
        metadata = _add_details(metadata, snn, folder)
        result = RunResult.of(metadata, batches, interrupted=interrupted)
        warn_of_outputs(result, network, overflow)
        if folder is not None and not interrupted:
            folder.finish(result.summary())
    return result


def _require_samples(data: Data | None, simulator: object) -> Data:
    """Return the samples; raise if they are missing, or in the place of a simulator's name."""
    if not isinstance(simulator, (str, NoneType)):
        raise SettingsError(
            f"Found a simulator of type {type(simulator).__name__}; expected the name of a "
            f"simulator, such as 'reference'. Samples go into data=: run(network, data=samples)."
        )
    if data is None:
        raise DataError(
            "Found no samples to simulate; expected data=: run(network, data=samples). What stands "
            "behind the network is the name of a simulator."
        )
    return data


def _require_input_scale(network: Network, settings: Settings) -> None:
    """Raise if settings of a run would scale 8-bit integers in another way than the conversion."""
    wanted, known = settings.input.uint8_scale, network.input_data.uint8_scale
    if wanted not in (None, known):
        raise SettingsError(
            f"Found input.uint8_scale = {wanted:g}; the network was converted with {known:g} "
            f"({network.input_data}). Convert the model with it, or leave it out."
        )


@phase("reading the data")
def _dataset(data: Data, network: Network, settings: Settings) -> tuple[Dataset, Task]:
    """Return the samples to simulate, and what the outputs stand for as all labels tell it."""
    known = network.input_data.classes
    dataset = as_dataset(
        data, settings=settings.input, classes=known, input_shape=network.input.output_shape
    ).fit_to(
        input_shape=network.input.output_shape,
        num_classes=max(count(network.output.output_shape), 2),  # one output tells two apart
        classes=known,
    )
    task = find_task(network, dataset, settings)
    dataset = dataset.select(
        number=settings.simulation.num_to_test,
        indices=settings.simulation.sample_idxs_to_test,
        consecutive=settings.simulation.reset_between_nth_sample != 1,
    )
    if settings.input.encoding == "events":
        require_events(dataset.events_b, dataset.x_b_l)
    else:
        check_preparation(dataset, network.input_data, settings.input)
        check_range(dataset, network.input_data)
    return dataset, task


@phase("counting synapses and operations")
def describe_run(
    snn: AbstractSNN,
    simulator: str,
    dataset: Dataset,
    *,
    task: Task | None = None,
    name: str = "",
) -> dict[str, Any]:
    """Return what a run is, as `RunResult` keeps it.

    Parameters
    ----------
    snn
        The network on its simulator.
    simulator
        Name under which the simulator is registered.
    dataset
        All samples of the run.
    task
        What the outputs stand for; found from the samples if not given.
    name
        What the network is called.

    Returns
    -------
    Versions, sizes, the network's name and origin, and under ``identity`` what decides whether a
    stopped run may be resumed.
    """
    task = find_task(snn.network, dataset, snn.settings) if task is None else task
    ids = np.asarray(dataset.sample_ids, np.int64)
    identity = {
        "simulator": simulator,
        "simulator_version": registry.version_of(simulator),
        "network_sha256": artifact.fingerprint(snn.network),
        "scales_sha256": artifact.fingerprint_of_scales(snn.network),
        "data_sha256": dataset.sha256,
        "samples": len(dataset),
        "sample_ids_sha256": hashlib.sha256(ids.tobytes()).hexdigest(),
        "settings": snn.settings.to_tree(),
    }
    return {
        "identity": json.loads(json.dumps(identity)),
        "model": {
            "name": name,
            "origin": snn.network.origin,
            "parameters": snn.network.num_parameters,
        },
        "data": dataset.name,
        "task": task.name,
        "readout": snn.network.readout,
        "has_labels": has_labels(dataset),
        "input": _entry(snn.network, dataset),
        "classes": list(dataset.classes)[: most_classes(count(snn.network.output.output_shape))],
        "versions": {
            "snn-core": snn_core.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "layers": snn.connectivity.names,
        "num_neurons": snn.connectivity.num_neurons,
        "num_synapses": snn.connectivity.num_synapses,
        "ann_operations": ann_operations(snn.network),
        "hardware": snn.can.hardware,
    }


def _entry(network: Network, dataset: Dataset) -> str:
    """Return how samples enter; empty if they enter as they are."""
    if dataset.preparation:
        return f"images {dataset.preparation}"
    return str(network.input_data) if dataset.x_b_l.dtype == np.uint8 else ""


def _add_details(
    metadata: dict[str, Any], snn: AbstractSNN, folder: RunFolder | None
) -> dict[str, Any]:
    """Add the facts that only a built network knows, also in the result folder."""
    if snn.is_built:
        metadata = {**metadata, "details": dict(snn.details)}
        if folder is not None:
            folder.describe(metadata)
    elif folder is not None:  # every batch was there already
        metadata = {**metadata, "details": folder.metadata().get("details", {})}
    return metadata


def _simulate(
    snn: AbstractSNN,
    dataset: Dataset,
    folder: RunFolder | None,
    progress: Progress | None,
    *,
    task: Task,
) -> tuple[list[BatchArrays], bool]:
    """Simulate all batches that are not there yet; return them all, and whether it was stopped."""
    batches: list[BatchArrays] = []
    error, done = 0.0, 0
    try:
        plan = BatchPlan.of(snn, dataset.sample_ids)
        with at_once():
            finished = {} if folder is None else _read_finished(folder, plan)
        for batch in plan:
            arrays = finished.get(batch.index)
            if arrays is None:
                snn.checkpoint()
                with at_once(), phase("building"):
                    snn.build(expected_samples=len(dataset))
                arrays = BatchArrays.of(simulate_batch(snn, dataset, batch, task=task))
                if folder is not None:
                    with phase("writing"):
                        folder.append(batch.index, arrays)
            batches.append(arrays)
            error += float(arrays.values["error_b_t"][:, -1].sum(dtype=np.float64))
            done += len(batch.sample_ids)
            if progress is not None:
                right = math.nan if task.needs_values else (done - error) / done
                progress(done, len(dataset), right)
    except StopSimulation:
        if not batches:
            raise
        return batches, True
    finally:
        if snn.is_built:  # not so where every batch was there already
            snn.end_sim()
    return batches, False


def _read_finished(folder: RunFolder, plan: BatchPlan) -> dict[int, BatchArrays]:
    """Return the batches that are in the result folder already, once all of them are checked."""
    folder.require_at_most(len(plan))
    found = {batch.index: arrays for batch in plan if (arrays := folder.batch(batch.index))}
    for batch in plan:
        arrays = found.get(batch.index)
        if arrays and not np.array_equal(arrays.values["sample_ids_b"], batch.sample_ids):
            raise ArtifactError(
                f"Batch {batch.index} in {folder.path} holds other samples than in this run; "
                f"delete it, or choose another folder."
            )
    return found
