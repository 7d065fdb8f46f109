"""Simulate the batches of a run in several processes, and print its figures.

python in_processes.py model.snn data.npz
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from snn_core.artifact import load
from snn_core.data import Dataset, load_dataset
from snn_core.running.result import BatchArrays, RunResult
from snn_core.running.run import describe_run
from snn_core.simulation import registry
from snn_core.simulation.batches import Batch, BatchPlan, simulate_batch
from snn_core.simulation.contract import AbstractSNN


def prepare(model: str, data: str) -> tuple[AbstractSNN, Dataset]:
    """Return a network on its simulator, and the samples, in any process."""
    network = load(model)
    snn = registry.get("reference")(network)
    dataset = load_dataset(data).fit_to(input_shape=network.input.output_shape)
    return snn, dataset


def simulate(model: str, data: str, batch: Batch) -> BatchArrays:
    """Simulate one batch; what it returns can be pickled, or written with np.savez."""
    return BatchArrays.of(simulate_batch(*prepare(model, data), batch))


def simulate_all(model: str, data: str, pool: ProcessPoolExecutor) -> RunResult:
    """Simulate the batches in the processes of a pool."""
    snn, dataset = prepare(model, data)
    plan = BatchPlan.of(snn, dataset.sample_ids)
    jobs = [pool.submit(simulate, model, data, batch) for batch in plan]
    metadata = describe_run(snn, "reference", dataset)
    return RunResult.of(metadata, [job.result() for job in jobs], interrupted=False)


if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        result = simulate_all(*sys.argv[1:], processes)
    sys.stdout.write(json.dumps({**result.summary(), "decision_b": result.decision_b.tolist()}))
