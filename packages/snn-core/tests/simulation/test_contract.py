"""What users of `AbstractSNN` reach under the names of snn_toolbox."""

import numpy as np
import pytest

from snn_core.errors import DataError, SimulationError, UnsupportedError
from snn_core.evaluation.forward import activations
from snn_core.settings import Settings
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(0)
X = RNG.random((5, 4, 4, 1)).astype(np.float32)
Y = RNG.integers(0, 6, 5)
STEPS = 9


def network():
    rng = np.random.default_rng(1)
    builder = NetworkBuilder((4, 4, 1)).conv2d(rng.normal(0.2, 0.4, (3, 3, 1, 2)), bias_o=[0.1, 0])
    return builder.flatten().dense(rng.normal(0.1, 0.4, (8, 6))).build()


def settings_of(*record, **simulation):
    return Settings.of(
        {
            "simulation": {"duration": STEPS, "batch_size": 3, **simulation},
            "output": {"log_vars": list(record)},
        }
    )


@pytest.fixture
def snn():
    """Return a simulator after a run whose last batch has two samples."""
    made = ReferenceSNN(network(), settings_of("spiketrains", "mem", "input"))
    made.run(X, Y)
    return made


def test_run_returns_the_share_of_correct_decisions(snn):
    decided = np.concatenate(list(decisions_of(ReferenceSNN(network(), settings_of()))))
    assert ReferenceSNN(network(), settings_of()).run(X, Y) == (decided == Y).mean()


def decisions_of(made):
    for start in (0, 3):
        recording = made.run_batch(X[start : start + 3])
        yield recording.output_b_l_t.sum(axis=-1).argmax(axis=1)


def test_what_was_recorded_is_reachable(snn):
    assert list(snn.spiketrains_n_b_l_t) == ["01Conv2D_2x2x2", "03Dense_6"]
    assert snn.spiketrains_n_b_l_t["01Conv2D_2x2x2"].shape == (2, 2, 2, 2, STEPS)
    assert snn.mem_n_b_l_t["03Dense_6"].shape == (2, 6, STEPS)
    np.testing.assert_array_equal(snn.input_b_l_t, np.repeat(X[3:, ..., None], STEPS, axis=-1))
    np.testing.assert_array_equal(snn.get_spiketrains("03Dense_6"), snn.get_spiketrains_output())
    np.testing.assert_array_equal(snn.get_spiketrains_input(), snn.input_b_l_t)
    np.testing.assert_array_equal(snn.get_vmem("03Dense_6"), snn.mem_n_b_l_t["03Dense_6"])
    for name, expected in activations(network(), X[3:]).items():
        np.testing.assert_array_equal(snn.activations_n_b_l[name], expected)


def test_errors_over_time_are_reachable(snn):
    counts_b_c_t = snn.get_spiketrains_output().cumsum(axis=-1)
    guess_b_t = np.where(counts_b_c_t.any(axis=1), counts_b_c_t.argmax(axis=1), -1)
    np.testing.assert_array_equal(snn.top1err_b_t, guess_b_t != Y[3:, None])
    assert snn.top5err_b_t.shape == (2, STEPS)
    assert not (snn.top5err_b_t & ~snn.top1err_b_t).any()
    assert 0 <= snn.top5err_ann <= snn.top1err_ann <= 1


def test_operations_are_reachable(snn):
    spikes_b_t = snn.get_spiketrains("01Conv2D_2x2x2").reshape(2, -1, STEPS).sum(axis=1)
    np.testing.assert_array_equal(snn.synaptic_operations_b_t, 6 * spikes_b_t)
    # four biased neurons in each step, and 2 * 2 * 2 * 9 synapses from the input in the first
    expected = np.full((2, STEPS), 4)
    expected[:, 0] += 2 * 72
    np.testing.assert_array_equal(snn.neuron_operations_b_t, expected)
    assert snn.operations_ann == 2 * (72 + 8 * 6) + 4


def test_connectivity_is_reachable_without_simulating():
    made = ReferenceSNN(network())
    assert made.num_neurons == [16, 8, 6]
    assert made.num_neurons_with_bias == [0, 4, 0]
    assert made.fanin == [0, 9, 8]
    assert made.set_connectivity() == (made.num_neurons, made.num_neurons_with_bias, made.fanin)
    # each corner pixel is seen once, an inner one by four windows, through two filters
    assert made.fanout[0][..., 0].tolist() == [
        [2, 4, 4, 2],
        [4, 8, 8, 4],
        [4, 8, 8, 4],
        [2, 4, 4, 2],
    ]
    assert (made.fanout[1] == 6).all()
    assert not made.fanout[2].any()
    assert made.num_classes == 6
    assert made.top_k == 5
    assert made.batch_size == 100
    assert made.is_parallelizable


def test_what_was_not_recorded_is_asked_for():
    made = ReferenceSNN(network(), settings_of())
    with pytest.raises(SimulationError, match="Nothing has been simulated yet"):
        made.get_spiketrains_output()
    made.run_batch(X)
    with pytest.raises(SimulationError, match="Nothing has been scored yet"):
        made.top1err_b_t  # noqa: B018 - reading is the point
    for read in (lambda: made.get_spiketrains("03Dense_6"), lambda: made.get_vmem("03Dense_6")):
        with pytest.raises(SimulationError, match="was not recorded; add it to"):
            read()


def test_save_and_load(snn, tmp_path):
    expected = snn.run_batch(X).output_b_l_t
    snn.save(tmp_path, "mine")
    other = ReferenceSNN(NetworkBuilder((2,)).dense(np.eye(2)).build(), settings_of())
    other.load(tmp_path, "mine")
    np.testing.assert_array_equal(other.run_batch(X).output_b_l_t, expected)
    snn.end_sim()


def test_loading_another_network_drops_what_was_measured_of_the_last(snn, tmp_path):
    assert len(snn.num_neurons) == 3
    ReferenceSNN(NetworkBuilder((2,)).dense(np.eye(2)).build()).save(tmp_path, "other")
    snn.load(tmp_path, "other")
    assert snn.num_neurons == [2, 2]
    with pytest.raises(SimulationError, match="Nothing has been simulated yet"):
        snn.get_spiketrains_output()
    with pytest.raises(SimulationError, match="Nothing has been scored yet"):
        snn.top1err_b_t  # noqa: B018 - reading is the point


def test_building_twice_is_building_once(snn):
    layers = snn.layers
    snn.build()
    assert snn.layers is layers


def test_samples_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"\(3, 3, 1\)"):
        ReferenceSNN(network()).run_batch(np.zeros((1, 3, 3, 1), np.float32))


class Chip(ReferenceSNN):
    """A simulator that can do little."""

    capabilities = Capabilities(
        layers=frozenset({"Dense"}),
        settings={"input.encoding": {"poisson"}, "cell.reset": {"zero"}},
        readouts=frozenset({"membrane"}),
        records=frozenset(),
    )

    @classmethod
    def refuses(cls, layer):
        return (
            f"at most 5 neurons, found {layer.output_shape[-1]}" if layer.kind == "Dense" else None
        )


def test_everything_that_cannot_be_done_is_listed_at_once():
    with pytest.raises(UnsupportedError) as refused:
        Chip(network(), settings_of("mem"))
    assert [problem.split(":")[0].split(" = ")[0] for problem in refused.value.problems] == [
        "input.encoding",
        "cell.reset",
        "conversion.readout",
        "output.log_vars",
        "01Conv2D_2x2x2",
        "02Flatten_8",
        "03Dense_6",
    ]
    assert "03Dense_6: at most 5 neurons, found 6" in refused.value.problems


def test_a_network_that_cannot_be_simulated_is_not_loaded(snn, tmp_path):
    class DenseOnly(ReferenceSNN):
        capabilities = Capabilities(layers=frozenset({"Dense"}))

    snn.save(tmp_path, "convolutions")
    dense = NetworkBuilder((2,)).dense(np.eye(2)).build()
    made = DenseOnly(dense)
    with pytest.raises(UnsupportedError, match="01Conv2D_2x2x2"):
        made.load(tmp_path, "convolutions")
    assert made.network is dense


class ListSNN(SynapseListSNN):
    """Collects what it is fed with."""

    def add_input_layer(self, input_shape):
        self.populations, self.projections = {}, []

    def add_population(self, layer, bias_l):
        self.populations[layer.name] = bias_l

    def connect(self, source, layer, synapses):
        self.projections.append((source, layer.name, synapses))

    def compile(self):
        pass

    def reset(self):
        pass

    def simulate(self, signal, recorder):
        pass


def test_synapse_lists_run_from_population_to_population():
    made = ListSNN(network())
    made.build()
    assert list(made.populations) == ["01Conv2D_2x2x2", "03Dense_6"]
    # the bias of the first channel only, at each of 2 x 2 positions
    np.testing.assert_array_equal(
        made.populations["01Conv2D_2x2x2"][..., 0], np.full((2, 2), np.float32(0.1))
    )
    (first, second) = made.projections
    assert first[:2] == ("00Input_4x4x1", "01Conv2D_2x2x2")
    assert second[:2] == ("01Conv2D_2x2x2", "03Dense_6")
    np.testing.assert_array_equal(second[2].to_csr().toarray(), network().output.weight_io)
    assert len(first[2].weight) == 72
