import pickle

import numpy as np
import pytest

from snn_core.data import Dataset
from snn_core.errors import DataError
from snn_core.evaluation import forward
from snn_core.running.result import BatchArrays
from snn_core.settings import Settings
from snn_core.simulation.batches import BatchPlan, simulate_batch
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(0)
NETWORK = (
    NetworkBuilder((5,))
    .dense(RNG.normal(0.2, 0.4, (5, 7)))
    .dense(RNG.normal(0, 0.5, (7, 3)))
    .build()
)
DATASET = Dataset.of(RNG.random((7, 5)), RNG.integers(0, 3, 7))


def simulator(**simulation):
    sections = {
        "simulation": {"duration": 12, "batch_size": 3, **simulation},
        "input": {"encoding": "poisson"},
        "output": {"log_vars": ["spiketrains", "activations"]},
    }
    return ReferenceSNN(NETWORK, Settings.of(sections), seed=4)


def arrays_of(snn, batch):
    found = BatchArrays.of(simulate_batch(snn, DATASET, batch))
    return {**found.values, **found.log}


def test_a_plan_holds_every_sample_once_in_order():
    plan = BatchPlan.of(simulator(), [9, 4, 7, 1, 2, 3, 8])
    assert [batch.sample_ids for batch in plan] == [(9, 4, 7), (1, 2, 3), (8,)]
    assert [batch.part for batch in plan] == [slice(0, 3), slice(3, 6), slice(6, 9)]
    assert [batch.index for batch in plan[1:]] == [1, 2]
    assert plan[-1] == plan[2]
    with pytest.raises(IndexError):
        plan[3]


def test_sequences_are_not_cut():
    assert BatchPlan.of(simulator(reset_between_nth_sample=2), range(7)).size == 6
    assert len(BatchPlan.of(simulator(reset_between_nth_sample=0), range(7))) == 1


def test_a_batch_is_the_same_wherever_and_in_whatever_order_it_is_simulated():
    plan = BatchPlan.of(simulator(), DATASET.sample_ids)
    snn = simulator()
    in_order = [arrays_of(snn, batch) for batch in plan]
    for batch in reversed(pickle.loads(pickle.dumps(plan))):  # noqa: S301 - our own bytes
        for name, expected in in_order[batch.index].items():
            if name != "simulate_s":
                found = arrays_of(simulator(), batch)[name]
                np.testing.assert_array_equal(found, expected, err_msg=name)


def test_the_analog_network_is_evaluated_once(monkeypatch):
    calls = []
    plain = forward.layer_values
    monkeypatch.setattr(forward, "layer_values", lambda *a: calls.append(0) or plain(*a))
    snn = simulator()
    result = simulate_batch(snn, DATASET, BatchPlan.of(snn, DATASET.sample_ids)[0])
    assert len(calls) == 1
    assert list(result.activations_n_b_l) == [layer.name for layer in NETWORK.spiking_layers]


def test_without_labels_batches_are_compared_with_the_analog_network_alone():
    snn = simulator()
    plan = BatchPlan.of(snn, DATASET.sample_ids)
    found = simulate_batch(snn, Dataset.of(DATASET.x_b_l), plan[0])
    labelled = simulate_batch(snn, DATASET, plan[0])
    assert found.labels_b.tolist() == [-1, -1, -1]
    assert np.isnan(found.score.error_b_t).all()
    assert np.isnan(found.score.ann_error_b).all()
    for name in ("decision_b_t", "ann_decision_b", "deviation_b_t"):
        np.testing.assert_array_equal(getattr(found.score, name), getattr(labelled.score, name))
    np.testing.assert_array_equal(found.output_b_o, labelled.output_b_o)


def test_simulators_can_be_pickled():
    snn = pickle.loads(pickle.dumps(simulator()))  # noqa: S301 - our own bytes
    batch = BatchPlan.of(snn, DATASET.sample_ids)[1]
    found = arrays_of(snn, batch)["decision_b_t"]
    np.testing.assert_array_equal(found, arrays_of(simulator(), batch)["decision_b_t"])


def test_a_batch_needs_samples():
    with pytest.raises(DataError, match="without samples"):
        simulator().run_batch(np.zeros((0, 5), np.float32))
