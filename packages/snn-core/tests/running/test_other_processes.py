import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from snn_core import run
from snn_core.artifact import load_artifact, save
from snn_core.conversion import convert, preset
from snn_core.data import Dataset, load_dataset
from snn_core.running.result import BatchArrays, RunResult
from snn_core.running.run import describe_run
from snn_core.settings import Settings
from snn_core.simulation import registry
from snn_core.simulation.batches import Batch, BatchPlan, simulate_batch
from snn_core.simulation.contract import AbstractSNN
from snn_core.testing.builder import NetworkBuilder


def prepare(model: str, data: str) -> tuple[AbstractSNN, Dataset]:
    """Return a network on its simulator, and the samples, in any process."""
    stored = load_artifact(model)
    snn = registry.get("reference")(stored.network, stored.settings)
    dataset = load_dataset(data).fit_to(input_shape=stored.network.input.output_shape)
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


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_batches_in_other_processes_make_up_the_same_run(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((7, 6)).astype(np.float32), rng.integers(0, 3, 7)
    network = NetworkBuilder((6,)).dense(rng.normal(0.1, 0.5, (6, 3))).build()
    settings = preset("seed").updated({"simulation": {"duration": 12, "batch_size": 3}})
    model, data = str(tmp_path / "model.snn"), str(tmp_path / "data.npz")
    save(convert(network, x, settings=settings), model, settings=settings)
    np.savez(data, x=x, y=y)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = simulate_all(model, data, pool)
    expected = run(model, "reference", data=data, settings=Settings.of(settings.to_tree()))
    np.testing.assert_array_equal(found.decision_b_t, expected.decision_b_t)
    timed = ("simulate_s", "us_per_sample_step")
    assert {k: v for k, v in found.summary().items() if k not in timed} == {
        k: v for k, v in expected.summary().items() if k not in timed
    }
