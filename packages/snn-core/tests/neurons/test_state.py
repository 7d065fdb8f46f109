"""Options of the cell, each against numbers worked out by hand."""

import numpy as np
import pytest

from snn_core.errors import SettingsError, UnsupportedError
from snn_core.ir import BinarySigmoid, BinaryTanh, QuantizedReLU, ReLU
from snn_core.neurons.arithmetic import draw_potential
from snn_core.neurons.state import InputStatistics, Neurons, bias_factor
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder


def f4(values):
    return np.array(values, np.float32)


def over_time(drive_t, *, activation=None, threshold=1.0, inputs_t=None, clamp_until=0, **sections):
    """Return what the spikes of one neuron carry, and its potentials."""
    builder = NetworkBuilder((1,)).dense(
        [[1]], threshold=threshold, activation=activation or ReLU()
    )
    sections.setdefault("simulation", {"duration": float(len(drive_t))})
    settings = Settings.of(sections)
    neurons = Neurons(builder.build().output, settings, batch_size=1, clamp_until=clamp_until)
    carried, potentials = [], []
    for t, drive in enumerate(drive_t):
        neurons.integrate(f4([[drive]]), [f4([[(inputs_t or drive_t)[t]]])])
        carried.append(neurons.fire().item())
        potentials.append(neurons.v_b_l.item())
    return carried, potentials


def test_a_spike_with_payload_carries_the_whole_potential():
    # 0.75; 1.5 is sent, of which 0.5 is the payload; 0.75; 1.5
    carried, potentials = over_time([0.75] * 4, cell={"payloads": True})
    assert carried == [0, 1.5, 0, 1.5]
    assert potentials == [0.75, 0, 0.75, 0]


def test_payloads_are_in_units_of_the_threshold():
    assert over_time([3.0], threshold=2.0, cell={"payloads": True}) == ([1.5], [0])


def test_what_payloads_deliver_adds_up_to_what_was_received():
    builder = NetworkBuilder((1,)).dense([[0.75]]).dense([[0.5]])
    settings = Settings.of({"cell": {"payloads": True}, "simulation": {"duration": 8.0}})
    settings = settings.updated({"output": {"log_vars": ["mem", "spiketrains"]}})
    recording = ReferenceSNN(builder.build(), settings).run_batch(f4([[1]]))
    # The second layer gets 0.5 * 1.5 in steps 2, 4, 6, 8: 0.75, then 1.5 fires and empties it.
    name = builder.last
    assert recording.spiketrains_n_b_l_t[name][0, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert recording.mem_n_b_l_t[name][0, 0].tolist() == [0, 0.75, 0.75, 0, 0, 0.75, 0.75, 0]


def test_potentials_are_clipped():
    # 5 is clipped to 3 and fires; 2 - 8 to -3
    carried, potentials = over_time([5, -8, 1], cell={"v_clip": True})
    assert (carried, potentials) == ([1, 0, 0], [2, -3, -2])
    assert over_time([5, -8], threshold=2, cell={"v_clip": 1.5})[1] == [1, -3]


def test_clamped_neurons_ignore_their_input_until_a_step():
    assert over_time([0.5] * 5, clamp_until=3) == ([0, 0, 0, 1, 0], [0, 0, 0.5, 0, 0.5])


@pytest.mark.parametrize("key", ["1", "01", 1, "01Dense_1"])
def test_clamp_indices_name_layers_by_number_or_name(key):
    # The builder numbers its layers from 1, behind the input.
    network = NetworkBuilder((1,)).dense([[0.5]]).build()
    settings = Settings.of({"cell": {"clamp_indices": {key: 3}}, "simulation": {"duration": 5.0}})
    output = ReferenceSNN(network, settings).run_batch(f4([[1]])).output_b_l_t
    assert output[0, 0].tolist() == [0, 0, 0, 1, 0]


def test_clamp_indices_come_from_a_file_beside_the_settings(tmp_path):
    (tmp_path / "clamp.json").write_text('{"1": 3}')
    path = tmp_path / "config"
    path.write_text("[paths]\nfilename_clamp_indices = clamp.json\n")
    assert Settings.load(path).cell.clamp_indices == {"1": 3}
    path.write_text("[paths]\nfilename_clamp_indices =\n")
    assert Settings.load(path).cell.clamp_indices == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "holds a JSON list, expected an object"),
        ("{", "cannot be read"),
        ('{"1": -1}', "cell.clamp_indices: found -1"),
    ],
)
def test_a_wrong_file_of_clamp_indices_is_an_error(tmp_path, text, message):
    (tmp_path / "clamp.json").write_text(text)
    path = tmp_path / "config"
    path.write_text("[paths]\nfilename_clamp_indices = clamp.json\n")
    with pytest.raises(SettingsError, match=message):
        Settings.load(path)


def test_clamp_indices_of_unknown_layers_are_refused():
    network = NetworkBuilder((1,)).dense([[0.5]]).build()
    with pytest.raises(UnsupportedError, match="names 7; layers with neurons: 01Dense_1"):
        ReferenceSNN(network, Settings.of({"cell": {"clamp_indices": {"7": 3}}}))


def test_the_variance_of_the_running_average():
    statistics = InputStatistics(Settings.of({"simulation": {"duration": 10.0}}))
    # x = 1: δ = 1, r = 1, v = 0. x = 0: δ = -1, r = 1/2, v = 1/2 / 2. x = 1: δ = 1/2, r = 2/3,
    # v = (1/4 + 1/6) / 3 = 5/36.
    settled = [bool(statistics.update([f4([[x]])])[0]) for x in (1, 0, 1)]
    assert settled == [True, False, False]
    np.testing.assert_allclose(statistics._means[0], 2 / 3, rtol=1e-6)  # float32
    np.testing.assert_allclose(statistics._variances[0], 5 / 36, rtol=1e-6)


def test_unsettled_input_is_ignored_in_the_first_half_of_the_run():
    # Input 1, 0, 1, 0, 1, 1: settled in step 1 and, being in the second half, from step 4 on.
    _, potentials = over_time([0.25] * 6, inputs_t=[1, 0, 1, 0, 1, 1], cell={"clamp_var": True})
    assert potentials == [0.25, 0.25, 0.25, 0.5, 0.75, 0]


def test_input_settles_for_each_sample_by_itself():
    statistics = InputStatistics(Settings.of({"simulation": {"duration": 10.0}}))
    statistics.update([f4([[1], [1]])])
    assert statistics.update([f4([[1], [0]])]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("layer", "t", "expected"),
    [(0, 1, 1), (25, 5, 0.75), (25, 10, 1), (25, 15, 1), (50, 5, 0.5), (100, 1, 0)],
)
def test_bias_relaxation(layer, t, expected):
    # 1 - (1 - 2 t / 20) i / 50: for i = 25, t = 5 it is 1 - 1/2 * 1/2
    assert bias_factor(layer, t, 20) == np.float32(expected)


def test_deeper_layers_get_their_bias_bit_by_bit():
    builder = NetworkBuilder((1,))
    for _ in range(25):
        builder.flatten()
    network = builder.dense([[0]], bias_o=[1 / 8], threshold=8).build()
    sections = {
        "cell": {"bias_relaxation": True},
        "simulation": {"duration": 8.0},
        "output": {"log_vars": ["mem"]},
    }
    recording = ReferenceSNN(network, Settings.of(sections)).run_batch(f4([[0]]))
    mem = 64 * recording.mem_n_b_l_t[network.output.name][0, 0]
    # Factors 5/8, 6/8, 7/8, 1, 1, ... of the bias
    assert mem.tolist() == [0.625, 1.375, 2.25, 3.25, 4.25, 5.25, 6.25, 7.25]


ONLINE = {
    "online_normalization": True,
    "diff_to_max_rate": 200,
    "diff_to_min_rate": 100,
    "timestep_fraction": 4,
}


def test_online_normalization_lowers_the_threshold_to_the_highest_rate():
    # 2 spikes in 4 steps are 500 Hz: more than 200 below 1000, so the threshold becomes 1/2.
    carried, potentials = over_time([0.5] * 8, normalization=ONLINE)
    assert carried == [0, 1, 0, 1, 0.5, 0.5, 0.5, 0.5]
    assert potentials == [0.5, 0, 0.5, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("option", "value"),
    [("diff_to_max_rate", 500), ("diff_to_min_rate", 501), ("timestep_fraction", 9)],
)
def test_online_normalization_leaves_thresholds_alone(option, value):
    carried, _ = over_time([0.5] * 8, normalization={**ONLINE, option: value})
    assert carried == [0, 1] * 4


def test_online_normalization_counts_rates_per_second():
    # In steps of 2 ms the largest rate is 500 Hz; 250 Hz are below that by no more than 250.
    sections = {"simulation": {"dt": 2.0, "duration": 16.0}}
    carried, _ = over_time([0.5] * 8, normalization={**ONLINE, "diff_to_max_rate": 250}, **sections)
    assert carried == [0, 1] * 4
    carried, _ = over_time([0.5] * 8, normalization={**ONLINE, "diff_to_max_rate": 249}, **sections)
    assert carried == [0, 1, 0, 1, 0.5, 0.5, 0.5, 0.5]


def test_online_normalization_adapts_to_each_sample():
    network = NetworkBuilder((1,)).dense([[1]]).build()
    settings = Settings.of({"normalization": ONLINE, "simulation": {"duration": 8.0}})
    run = ReferenceSNN(network, settings).run_batch
    together = run(f4([[0.5], [1]])).output_b_l_t
    assert together[0, 0].tolist() == [0, 1, 0, 1, 1, 1, 1, 1]
    assert together[1, 0].tolist() == [1] * 8
    np.testing.assert_array_equal(run(f4([[0.5]])).output_b_l_t[0], together[0])


def test_binary_neurons_tell_the_sign_of_what_they_received():
    # sums 0.25, 0.5, 0, -0.5: they keep their potential, as any positive rate stands for 1
    drive = [0.25, 0.25, -0.5, -0.5]
    assert over_time(drive, activation=BinarySigmoid()) == ([1, 1, 0, 0], [0.25, 0.5, 0, -0.5])
    assert over_time(drive, activation=BinaryTanh()) == ([1, 1, 0, -1], [0.25, 0.5, 0, -0.5])


@pytest.mark.parametrize("activation", [BinarySigmoid(), BinaryTanh()])
def test_binary_networks_are_exact_from_the_first_step_on(activation):
    rng = np.random.default_rng(7)
    x_b_l = f4(rng.integers(-8, 9, (20, 4))) / 16
    builder = NetworkBuilder((4,))
    for _ in range(2):
        builder.dense(
            f4(rng.integers(-64, 65, (builder.shape[0], 6))) / 64,
            activation=activation,
            v_init=0.5,  # stands for rounding elsewhere; here it would be wrong
        )
    network = builder.build()
    settings = Settings.of({"simulation": {"duration": 4.0}})
    output = ReferenceSNN(network, settings).run_batch(x_b_l).output_b_l_t
    hidden = activation(x_b_l @ network.layers[1].weight_io)
    expected = activation(hidden @ network.layers[2].weight_io)
    np.testing.assert_array_equal(output, np.repeat(expected[..., None], 4, axis=-1))


def test_negative_spikes_count_as_such():
    network = NetworkBuilder((1,)).dense([[1, -1]], activation=BinaryTanh()).build()
    recording = ReferenceSNN(network, Settings.of({"simulation": {"duration": 3.0}})).run_batch(
        f4([[0.5]])
    )
    assert recording.spikecounts_n_b_l[network.output.name].tolist() == [[3, -3]]


def test_quantised_neurons_have_potentials_in_fixed_point():
    # In steps of 1/4, 0.3 adds 1/4 and 0.4 adds 1/2.
    form = QuantizedReLU(step=0.25, max_value=1.75)
    carried, potentials = over_time([0.3] * 4, activation=form)
    assert (carried, potentials) == ([0, 0, 0, 1], [0.25, 0.5, 0.75, 0])
    assert over_time([0.4] * 4, activation=form)[0] == [0, 1, 0, 1]
    assert over_time([0.1] * 8, activation=form) == ([0] * 8, [0] * 8)
    # Potentials saturate at 1.75 + 1 and minus that.
    assert over_time([9.0, -9.0], activation=form)[1] == [1.75, -2.75]


def test_quantised_rates_are_quantised_activations():
    form = QuantizedReLU(step=1 / 8, max_value=1.0)
    x_b_l = f4(np.linspace(-0.5, 1, 40)[:, None])
    network = NetworkBuilder((1,)).dense([[1]], activation=form).build()
    settings = Settings.of({"simulation": {"duration": 8.0}})
    counts = ReferenceSNN(network, settings).run_batch(x_b_l).output_b_l_t.sum(axis=-1)
    np.testing.assert_array_equal(counts / 8, form(x_b_l))


def test_potentials_may_start_at_random_or_at_minus_the_bias():
    builder = NetworkBuilder((1,)).dense(np.zeros((1, 500)), bias_o=np.full(500, 0.25), threshold=2)
    layer = builder.build().output

    def start(mode, ids=(0, 1), seed=3):
        settings = Settings.of({"cell": {"v_init": mode}})
        return draw_potential(layer, settings, sample_ids=ids, seed=seed, number=1)

    uniform = start("uniform")
    assert np.abs(uniform).max() <= 2
    assert np.abs(uniform).max() > 1.9
    assert abs(uniform.mean()) < 0.2  # six standard errors of 1000 draws
    assert not np.array_equal(uniform[0], uniform[1])
    np.testing.assert_array_equal(start("uniform", ids=(1,))[0], uniform[1])
    assert not np.array_equal(start("uniform", seed=4), uniform)
    assert (start("bias") == -0.25).all()


def test_a_random_start_reaches_the_simulation():
    network = NetworkBuilder((1,)).dense(np.zeros((1, 5))).build()
    sections = {
        "cell": {"v_init": "uniform"},
        "simulation": {"duration": 2.0},
        "output": {"log_vars": ["mem"]},
    }
    snn = ReferenceSNN(network, Settings.of(sections), seed=3)
    recording = snn.run_batch(f4([[0]]), sample_ids=[9])
    expected = draw_potential(network.output, snn.settings, sample_ids=[9], seed=3, number=1)
    np.testing.assert_array_equal(recording.mem_n_b_l_t[network.output.name][..., 1], expected)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"cell": {"payloads": True, "reset": "modulo"}}, "payloads needs cell.reset"),
        ({"cell": {"payloads": True}, "normalization": ONLINE}, "both decide"),
        ({"cell": {"v_init": "normal"}}, "v_init"),
        ({"input": {"encoding": "poisson", "max_num_input_spikes": 3}}, "max_num_input_spikes"),
        (
            {"simulation": {"early_stopping": True, "reset_between_nth_sample": 2}},
            "reset_between_nth_sample cannot be combined",
        ),
    ],
)
def test_what_contradicts_itself_is_refused(sections, message):
    with pytest.raises(SettingsError, match=message):
        Settings.of(sections)
