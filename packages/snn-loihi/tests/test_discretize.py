"""Choice of integers: ranges, bounds, refusals, and the report of what rounding costs."""

from dataclasses import replace

import numpy as np
import pytest

from snn_core.errors import SettingsError, UnsupportedError
from snn_core.evaluation.forward import forward
from snn_core.ir import Linear
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import LAID_OUT, samples, weights
from snn_loihi import SNN, LoihiOptions, discretize, equalise, normalize_thresholds
from snn_loihi.discretize import fold_thresholds, worst_layer
from snn_loihi.emulator import readers_of, run_population
from snn_loihi.ranges import STATE_MAX, THRESHOLD_MAX, weight_limit, weight_step


def settings_of(*, steps=16, encoding="regular", **sections):
    return Settings.of(
        {
            "simulation": {"duration": steps, "batch_size": 4},
            "input": {"encoding": encoding},
            "output": {"log_vars": ["spiketrains", "mem"]},
            **sections,
        }
    )


@pytest.mark.smoke
@pytest.mark.parametrize("name", LAID_OUT)
def test_all_integers_lie_within_the_chips_ranges(name):
    chip = discretize(LAID_OUT[name](), settings_of())
    for item in chip.populations:
        for connection in item.connections:
            mixed = connection.mixed
            assert np.abs(connection.weights).max() <= weight_limit(8, mixed=mixed)
            assert not (connection.weights % weight_step(8, mixed=mixed)).any()
            assert -8 <= connection.exponent <= 7
        mantissa = item.threshold_c / 64
        assert not (mantissa % 1).any()
        assert (mantissa <= THRESHOLD_MAX).all()
        assert 0 <= item.bias_exponent <= 7
        held = item.bias_l / 2.0**item.bias_exponent
        assert not (held % 1).any()
        assert np.abs(held).max() <= 4095


def extremes(network, chip, item):
    """Yield spikes of all sources under which a population receives most, or least."""
    for sign in (1, -1):
        values = {}
        for connection in item.connections:
            for name in connection.sources:
                shape = network[name].output_shape
                on = np.zeros(shape, np.float32)
                synapses = connection.lists()[name]
                target = int(np.bincount(synapses.post, sign * synapses.weight).argmax())
                into = synapses.post == target
                cells = synapses.pre[into][sign * synapses.weight[into] > 0]
                on.reshape(-1)[cells] = 1
                values[name] = np.repeat(on[None], chip.num_steps, axis=0)
        yield values


@pytest.mark.parametrize("name", LAID_OUT)
def test_the_worst_input_leaves_no_range_or_changes_no_spike(name):
    """Against the same integers on a chip with far more bits."""
    network, settings = LAID_OUT[name](), settings_of(steps=64)
    chip = discretize(network, settings)
    for item in chip.populations:
        assert item.bounds.holds
        readers = readers_of(item)
        wide = replace(item, bounds=replace(item.bounds, low_o=np.zeros(1)))
        for values in extremes(chip.network, chip, item):
            # All steps excited, then inhibited, and the other way round.
            halves = {k: np.concatenate([v[:32], 0 * v[32:]]) for k, v in values.items()}
            for sent in (values, halves, {k: v[::-1] for k, v in halves.items()}):
                options = {"reset": chip.reset, "num_steps": 64, "num_samples": 1, "keeps": True}
                found = run_population(item, readers, sent, None, **options)
                exact = run_population(wide, readers, sent, None, **options)
                np.testing.assert_array_equal(found.spikes_b_t_l, exact.spikes_b_t_l)
                assert np.abs(found.membrane_b_t_l).max() <= STATE_MAX
                assert exact.membrane_b_t_l.max() <= item.bounds.high_o.max()
                assert exact.membrane_b_t_l.min() >= item.bounds.low_o.min()


def test_thresholds_per_channel_keep_more_of_channels_that_differ():
    kernel = weights((3, 3, 2, 4), seed=1) * np.array([1, 0.1, 0.01, 0.001], np.float32)
    builder = NetworkBuilder((6, 6, 2)).conv2d(weights((1, 1, 2, 2), seed=2))
    network = builder.conv2d(kernel).build()
    by_layer, by_channel = (
        discretize(network, settings_of(), LoihiOptions(thresholds=way)).losses
        for way in ("layer", "channel")
    )
    name = network.output.name
    assert by_layer[name].worst_channel == 1  # all of the last channel's weights became 0
    assert by_channel[name].worst_channel < 0.02


def test_folded_thresholds_change_no_spike():
    network = LAID_OUT["channels"]()
    folded = fold_thresholds(network)
    assert all((layer.threshold == 1).all() for layer in folded.spiking_layers)
    # Thresholds that are powers of two, so that nothing is rounded; the last one is not.
    network, folded = (
        net.replace(replace(net.output, threshold=np.float32(1), weight_io=net.output.weight_io))
        for net in (network, fold_thresholds(network))
    )
    first = network.spiking_layers[0].name
    x_b_l = samples(network, 3)
    trains = [
        ReferenceSNN(net, settings_of()).run_batch(x_b_l).spiketrains_n_b_l_t[first]
        for net in (network, folded)
    ]
    assert trains[0].any()
    np.testing.assert_array_equal(*trains)


def test_equalised_channels_reach_the_same_rate_and_the_output_stays():
    network = LAID_OUT["strided"]()
    x_b_l = samples(network, 40)
    even = equalise(network, x_b_l)
    name = network.spiking_layers[0].name
    ranges = [
        np.quantile(forward(net, x_b_l)[name].max(axis=(1, 2)), 0.99, axis=0)
        for net in (network, even)
    ]
    assert ranges[0].max() / ranges[0].min() > 1.3
    assert ranges[1].max() / ranges[1].min() < 1.001
    before, after = (forward(net, x_b_l)[network.output.name] for net in (network, even))
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4)  # float32 sums


def test_thresholds_are_a_multiple_of_the_largest_input():
    network = LAID_OUT["dense"]()
    x_b_l = samples(network, 40)
    normalized = normalize_thresholds(network, x_b_l, ratio=2.0)
    first = network.spiking_layers[0].name
    assert forward(normalized, x_b_l)[first].max() == pytest.approx(0.5)


def test_typical_samples_are_read_where_they_are_needed(tmp_path):
    network = LAID_OUT["dense"]()
    with pytest.raises(UnsupportedError, match="x_norm"):
        SNN(network, settings_of(), LoihiOptions(normalize_thresholds=True))
    path = tmp_path / "norm.npz"
    np.savez(path, x=samples(network, 20), y=np.zeros(20, int))
    options = LoihiOptions(normalize_thresholds=True, equalise=True, x_norm=str(path))
    snn = SNN(network, settings_of(), options)
    bright = np.round(samples(network, 20) * 255).astype(np.uint8)
    np.savez(path, x=bright, y=np.zeros(20, int))  # 8-bit integers stand for the same
    again = SNN(network, settings_of(), options).chip.network.spiking_layers[0]
    first = snn.chip.network.spiking_layers[0]
    np.testing.assert_allclose(again.weight_io, first.weight_io, rtol=0.02)  # rounded to 8 bits
    original = network.spiking_layers[0]
    assert not np.array_equal(first.weight_io, original.weight_io)


def test_a_channel_with_outsized_weights_takes_no_range_from_others():
    # Such channels have small activations: what they send is weighted down as much.
    kernel, after = weights((1, 1, 4, 6), seed=1), weights((6, 3), seed=2)
    kernel[..., 2] *= 256
    after[2] /= 256
    builder = NetworkBuilder((4, 4, 3)).conv2d(weights((1, 1, 3, 4), seed=3)).conv2d(kernel)
    builder.average_pooling((4, 4), activation=Linear())
    network = builder.flatten().dense(after, v_init=0.5).build()
    chip = discretize(network, settings_of())
    name = network.spiking_layers[1].name
    assert chip.losses[name].worst_channel < 0.2
    assert worst_layer(chip.losses) != name or chip.losses[name].weight_error < 0.1
    x_b_l = samples(network, 20)
    before, now = (forward(net, x_b_l)[network.output.name] for net in (network, chip.network))
    np.testing.assert_allclose(now, before, rtol=1e-4, atol=1e-4)  # float32 sums


def test_a_damaged_layer_is_named():
    network = networks.chain((networks.averaging(5, seed=1), networks.averaging(5, seed=2)))
    damaged = network.layers[2]
    weight_io = np.array(damaged.weight_io)
    weight_io[0, 0] = 40  # one weight takes the range of all
    broken = network.replace(replace(damaged, weight_io=weight_io))
    losses = discretize(broken, settings_of()).losses
    assert worst_layer(losses) == damaged.name
    assert losses[damaged.name].weight_error > 10 * losses[network.layers[3].name].weight_error
    snn = SNN(broken, settings_of(), LoihiOptions(engine="emulator"))
    snn.build()
    assert damaged.name in snn.details["rounding"]


# Settings of the original's page.


def test_a_given_threshold_mantissa_is_taken_or_refused():
    network = LAID_OUT["dense"]()
    fitting = LoihiOptions(compartment_kwargs={"vThMant": 100})
    chip = discretize(network, settings_of(), fitting)
    assert {float(item.threshold_c.max()) for item in chip.populations} == {6400.0}
    with pytest.raises(UnsupportedError, match=r"the largest that fits is \d+") as refused:
        discretize(network, settings_of(steps=400), fitting_of(2000))
    limit = int(str(refused.value).rpartition("largest that fits is ")[2].split(";")[0])
    discretize(network, settings_of(steps=400), fitting_of(limit // 2))


def fitting_of(mantissa):
    return LoihiOptions(compartment_kwargs={"vThMant": mantissa})


def test_a_given_weight_exponent_is_taken_or_refused():
    network = LAID_OUT["dense"]()
    options = LoihiOptions(connection_kwargs={"weightExponent": 0})
    chip = discretize(network, settings_of(), options)
    assert {c.exponent for item in chip.populations for c in item.connections} == {0}
    with pytest.raises(UnsupportedError, match="drops bits of 8-bit weights; the smallest"):
        discretize(network, settings_of(), LoihiOptions(connection_kwargs={"weightExponent": -5}))


def test_fewer_bits_leave_fewer_levels():
    network = LAID_OUT["dense"]()
    options = LoihiOptions(connection_kwargs={"numWeightBits": 4, "numBiasBits": 6})
    chip = discretize(network, settings_of(), options)
    for item in chip.populations:
        (connection,) = item.connections
        assert len(np.unique(connection.weights)) <= 15
        assert np.abs(item.bias_l / 2.0**item.bias_exponent).max() <= 63


def test_a_given_bias_exponent_is_taken():
    options = LoihiOptions(compartment_kwargs={"biasExp": 3})
    chip = discretize(LAID_OUT["dense"](), settings_of(), options)
    assert {item.bias_exponent for item in chip.populations} == {3}


def test_hard_reset_is_chosen_by_either_setting():
    network = LAID_OUT["dense"]()
    assert discretize(network, settings_of()).reset == "soft"
    hard = [
        discretize(network, settings_of(cell={"reset": "zero"})),
        discretize(network, settings_of(), LoihiOptions(reset_mode="hard")),
    ]
    assert [chip.reset for chip in hard] == ["hard", "hard"]


def test_a_run_too_long_is_refused_with_a_length_that_fits():
    network = NetworkBuilder((4000,)).dense(np.full((4000, 2), -1.0)).build(readout="membrane")
    with pytest.raises(UnsupportedError, match=r"simulation\.duration to \d+ ms") as refused:
        discretize(network, settings_of(steps=1000))
    fitting = int(str(refused.value).rpartition("duration to ")[2].split()[0])
    assert 1 <= fitting < 1000
    discretize(network, settings_of(steps=fitting))
    unproved = LoihiOptions(do_overflow_estimate=False)
    discretize(network, settings_of(steps=1000), unproved)


@pytest.mark.parametrize(
    "options",
    [
        {"compartment_kwargs": {"vThMant": THRESHOLD_MAX + 1}},
        {"compartment_kwargs": {"biasExp": 8}},
        {"compartment_kwargs": {"vth": 1}},
        {"connection_kwargs": {"numWeightBits": 9}},
        {"connection_kwargs": {"weightExponent": 8}},
        {"engine": "nxsdk"},
        {"reset_mode": "modulo"},
        {"desired_threshold_to_input_ratio": 0.0},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(SettingsError):
        LoihiOptions(**options)


# Layers at the edge of the ranges.


def dense_of(weight_io, *, readout="counts", **fields):
    return NetworkBuilder((len(weight_io),)).dense(weight_io, **fields).build(readout=readout)


def test_constant_currents_stay_within_the_bounds_that_were_proved():
    network = dense_of(np.array([[40.0, -40.0]]))
    options = LoihiOptions(engine="emulator", compartment_kwargs={"biasExp": 1})
    snn = SNN(network, settings_of(encoding="constant"), options)
    (item,) = snn.chip.populations
    recording = snn.run_batch(np.ones((1, 1), np.float32))
    v = recording.mem_n_b_l_t[item.name][0] * item.threshold_c[:, None]
    assert (v.max(axis=-1) <= item.bounds.high_o).all()
    assert (v.min(axis=-1) >= item.bounds.low_o).all()


def test_bounds_hold_where_a_unit_of_potential_is_a_unit_of_the_membrane():
    options = LoihiOptions(thresholds="channel", compartment_kwargs={"vThMant": 1})
    network = dense_of(np.full((3, 2), 64.0), threshold=np.full(2, 64.0))
    (item,) = discretize(network, settings_of(), options).populations
    assert (item.scale_c == 1).all()
    assert (item.bounds.current_o >= 3 * 64).all()


@pytest.mark.parametrize("readout", ["counts", "membrane"])
@pytest.mark.parametrize("thresholds", ["layer", "channel"])
def test_a_layer_of_zeros_has_thresholds(readout, thresholds):
    options = LoihiOptions(thresholds=thresholds, do_overflow_estimate=False)
    network = dense_of(np.zeros((3, 2)), readout=readout)
    (item,) = discretize(network, settings_of(), options).populations
    assert (item.threshold_c <= THRESHOLD_MAX * 64).all()


@pytest.mark.parametrize("bounded", [True, False])
def test_channels_of_very_different_weights_all_get_most_of_their_levels(bounded):
    weight_io = weights((10, 4), seed=3) * np.array([1, 10, 100, 300])
    options = LoihiOptions(thresholds="channel", do_overflow_estimate=bounded)
    (item,) = discretize(dense_of(weight_io), settings_of(), options).populations
    assert item.loss.worst_channel < 0.1
    assert (item.threshold_c >= 64).all()


def test_weights_too_large_for_the_threshold_are_named_as_the_reason():
    network = dense_of(np.array([[1e6]]))
    with pytest.raises(UnsupportedError, match="the range of weights leaves no threshold") as found:
        discretize(network, settings_of(), LoihiOptions(do_overflow_estimate=False))
    assert "simulation.duration" not in str(found.value)


@pytest.mark.parametrize("encoding", ["regular", "poisson"])
def test_a_weight_exponent_too_large_is_refused_with_one_that_fits(encoding):
    network = dense_of(np.full((500, 2), 0.01))
    settings = settings_of(steps=50, encoding=encoding)

    def given(exponent):
        return LoihiOptions(connection_kwargs={"weightExponent": exponent})

    with pytest.raises(UnsupportedError, match="largest weightExponent that fits is") as refused:
        discretize(network, settings, given(7))
    fitting = int(str(refused.value).rpartition("that fits is ")[2])
    discretize(network, settings, given(fitting))
    with pytest.raises(UnsupportedError):
        discretize(network, settings, given(fitting + 1))


def test_layers_on_many_ways_and_thousands_in_a_row_are_gone_through_once():
    """2^40 ways lead through sums of a layer with itself; 1500 reshapes follow each other."""
    builder = NetworkBuilder((2, 2, 1)).conv2d(np.ones((1, 1, 1, 1)), name="first")
    builder.average_pooling((2, 2), activation=Linear())
    for i in range(1500):
        builder.reshape((1, 1) if i % 2 == 0 else (1, 1, 1))
    builder.conv2d(np.ones((1, 1, 1, 1)), name="kept")
    for _ in range(40):
        halves = [[0.5], [0.5]]
        builder.add((builder.last, builder.last), weight_nc=halves, activation=Linear())
    network = builder.flatten().dense(np.full((1, 1), 0.5), name="output").build()
    chip = discretize(network, Settings(), LoihiOptions(arithmetic="float"))
    sources = {
        item.name: [connection.sources for connection in item.connections]
        for item in chip.populations
    }
    assert sources["kept"] == [("first",)]
    assert sources["output"] == [("kept",)]
    output = chip.populations[-1].connections[0]
    assert output.synapses is not None
    assert output.synapses.weight.tolist() == [0.5]
