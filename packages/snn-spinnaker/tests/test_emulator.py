"""Networks against the board computed tick by tick, and what the simulator says and refuses."""

from pathlib import Path

import numpy as np
import pytest
from board_networks import NETWORKS, settings_of
from tick_reference import TickReference

from snn_core.conversion import convert
from snn_core.data import load_dataset
from snn_core.errors import DataError, UnsupportedError
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import samples
from snn_spinnaker import SNN, SpinnakerOptions

MNIST = Path(__file__).resolve().parents[3] / "examples" / "mnist"


def compare(network, settings, **options):
    """Assert the spikes of the tick-by-tick computation, and return the simulator."""
    chosen = SpinnakerOptions(**options)
    x_b_l = samples(network, 2)
    reference = TickReference(network, settings, chosen)
    expected = reference.run_batch(x_b_l)
    snn = SNN(network, settings, chosen)
    found = snn.run_batch(x_b_l)
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], spikes_b_l_t, err_msg=name)
    assert sum(counts.sum() for counts in found.spikecounts_n_b_l.values()) > 0
    return snn


@pytest.mark.parametrize("name", NETWORKS)
def test_spikes_are_those_of_the_board_tick_by_tick(name):
    compare(NETWORKS[name](), settings_of(encoding="regular" if name == "dense" else "constant"))


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["skip", "biased"])
@pytest.mark.parametrize(
    "options",
    [
        {"neuron_model": "IF_curr_exp"},
        {"neuron_model": "IF_curr_exp", "tau_syn": 0.7},
        {"expected_weights": "spynnaker"},
    ],
    ids=["exp", "slow exp", "spynnaker"],
)
def test_other_neurons_and_scales_are_computed_as_the_board_does(name, options):
    compare(NETWORKS[name](), settings_of(reset="zero"), **options)


@pytest.mark.parametrize("dt", [0.1, 0.5, 2.0])
def test_other_lengths_of_a_tick_and_resting_neurons(dt):
    compare(NETWORKS["branches"](), settings_of(dt=dt, reset="zero", tau_refrac=2 * dt))


def test_ring_buffers_saturate_and_that_is_told():
    """Input spikes that count several times bring more than a ring buffer was made for."""
    network = NetworkBuilder((4,)).dense(np.full((4, 3), 0.75)).build()
    settings = settings_of()
    snn = SNN(network, settings)
    x_b_l = np.full((1, 4), 8.0, np.float32)
    found = snn.run_batch(x_b_l)
    assert snn.saturated == {network.output.name: 3 * 12}
    expected = TickReference(network, settings, SpinnakerOptions()).run_batch(x_b_l)
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], spikes_b_l_t)


def test_samples_of_a_batch_larger_than_a_part_stay_apart(monkeypatch):
    network = NETWORKS["pooled"]()
    x_b_l = samples(network, 5)
    whole = SNN(network, settings_of()).run_batch(x_b_l)
    monkeypatch.setattr("snn_spinnaker.simulator.PART_VALUES", 1)
    split = SNN(network, settings_of()).run_batch(x_b_l)
    for layer, counts_b_l in whole.spikecounts_n_b_l.items():
        assert counts_b_l.any()
        np.testing.assert_array_equal(split.spikecounts_n_b_l[layer], counts_b_l)


def test_it_says_that_it_emulates_and_which_neuron():
    snn = SNN(NETWORKS["dense"](), settings_of(reset="zero"))
    snn.build()
    assert snn.details["engine"].startswith("emulated in SpiNNaker's arithmetic, IF_curr_delta")
    assert "not calibrated" in snn.details["reset"]
    soft = SNN(NETWORKS["dense"](), settings_of())
    assert soft.details["reset"] == "by subtraction, which boards cannot do"


def test_it_says_which_layer_loses_most_by_rounding():
    network = NetworkBuilder((8,)).dense(np.full((8, 4), 0.5, np.float32))
    network = network.dense(np.full((4, 3), 0.3, np.float32)).build()
    snn = SNN(network, settings_of(), SpinnakerOptions(expected_weights="spynnaker"))
    first, second = snn.board.populations
    weight, step = float(np.float32(0.3)) * second.cell.unit, 2.0 ** (second.shifts[0] - 15)
    lost = abs(round(weight / step) * step - weight) / weight
    assert first.rounding == {"weights": 0}
    assert second.rounding == {"weights": pytest.approx(lost)}
    assert lost > 0
    assert snn.details["rounding"] == f"{second.name} loses most, its weights change by {lost:.2%}"


def test_max_pooling_and_events_without_a_value_are_refused():
    with pytest.raises(UnsupportedError, match="MaxPooling2D layers are not supported"):
        SNN(networks.LAYER_KINDS["MaxPooling2D"](), settings_of())
    with pytest.raises(UnsupportedError, match="event_amplitude is not given"):
        SNN(NETWORKS["dense"](), settings_of(encoding="events"))


def test_thresholds_that_are_too_small_for_the_register_are_refused():
    network = NetworkBuilder((2,)).dense(np.ones((2, 1), np.float32), threshold=1e-7).build()
    with pytest.raises(UnsupportedError, match="below the smallest number"):
        SNN(network, settings_of()).build()


def test_spikes_that_count_one_and_a_half_times_are_refused():
    network = NETWORKS["dense"]()
    with pytest.raises(DataError, match=r"counts 1\.5 times"):
        SNN(network, settings_of()).run_batch(np.full((1, 12), 1.5, np.float32))


def test_currents_that_no_register_holds_are_refused():
    network = NETWORKS["dense"]()
    with pytest.raises(DataError, match="input_max"):
        SNN(network, settings_of(encoding="constant")).run_batch(np.full((1, 12), 1e6, np.float32))


@pytest.fixture(scope="module")
def demo():
    """Return the demo network, calibration samples, and test samples with labels."""
    calibration, test = (load_dataset(MNIST / "data" / f"{n}.npz") for n in ("calibration", "test"))
    network = convert(MNIST / "model.keras", calibration.x_b_l[:100], trial=False)
    x_b_l = network.input_data.as_floats(np.asarray(test.x_b_l[:100]))
    return network, x_b_l, np.asarray(test.labels_b[:100])


def accuracy(snn, x_b_l, labels_b):
    output_b_l_t = snn.run_batch(x_b_l).output_b_l_t
    return (output_b_l_t[..., -1].argmax(axis=1) == labels_b).mean()


@pytest.mark.exhaustive
@pytest.mark.parametrize("reset", ["subtraction", "zero"])
def test_the_demo_decides_as_without_rounding(demo, reset):
    network, x_b_l, labels_b = demo
    settings = Settings.of(
        {"simulation": {"duration": 32, "batch_size": 100}, "cell": {"reset": reset}}
    )
    found = accuracy(SNN(network, settings), x_b_l, labels_b)
    expected = accuracy(ReferenceSNN(network, settings), x_b_l, labels_b)
    assert abs(found - expected) <= 0.01


def test_a_calibrated_network_is_not_calibrated_again_when_it_is_taken_up(tmp_path):
    network, settings = NETWORKS["dense"](), settings_of(encoding="constant", reset="zero")
    x_b_l = samples(network, 20)
    np.savez(tmp_path / "norm.npz", x=x_b_l)
    options = SpinnakerOptions(x_norm=str(tmp_path / "norm.npz"))
    snn = SNN(network, settings, options)
    assert (snn.network.layers[1].threshold != network.layers[1].threshold).any()
    snn.save(tmp_path, "net")
    again = SNN.saved(tmp_path, "net")
    np.testing.assert_array_equal(
        again.network.layers[1].threshold, snn.network.layers[1].threshold
    )  # fmt: skip
    assert "calibrated for it with" in again.details["reset"]
    counts_b_l = again.run_batch(x_b_l).spikecounts_n_b_l[network.output.name]
    np.testing.assert_array_equal(
        snn.run_batch(x_b_l).spikecounts_n_b_l[network.output.name], counts_b_l
    )


@pytest.mark.exhaustive
def test_calibrated_thresholds_make_up_for_a_reset_to_zero(demo):
    network, x_b_l, labels_b = demo
    settings = Settings.of(
        {"simulation": {"duration": 32, "batch_size": 100}, "cell": {"reset": "zero"}}
    )
    options = SpinnakerOptions(x_norm=str(MNIST / "data" / "calibration.npz"), num_norm=60)
    snn = SNN(network, settings, options)
    assert "thresholds calibrated for it with" in snn.details["reset"]
    assert accuracy(snn, x_b_l, labels_b) >= 0.97
    assert accuracy(SNN(network, settings), x_b_l, labels_b) < 0.9
    with pytest.raises(UnsupportedError, match="x_norm calibrates thresholds for a reset to zero"):
        SNN(network, Settings.of({}), options)
