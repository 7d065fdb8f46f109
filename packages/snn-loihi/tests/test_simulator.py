"""What the simulator tells, refuses and keeps, and how well a trained network does in integers."""

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from snn_core.conversion import convert
from snn_core.data import load_dataset
from snn_core.errors import DataError, SimulationError, UnsupportedError
from snn_core.ir import Linear
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.laid_out import LAID_OUT, samples, weights
from snn_loihi import SNN, LoihiOptions
from snn_loihi.neurons import saturated, wrapped

MNIST = Path(__file__).resolve().parents[3] / "examples" / "mnist"
EMULATOR = LoihiOptions(engine="emulator")


def settings_of(*, encoding="constant", steps=12, log_vars=("spiketrains",), **more):
    return Settings.of(
        {
            "simulation": {"duration": steps, "batch_size": 3},
            "input": {"encoding": encoding, **more},
            "output": {"log_vars": list(log_vars)},
        }
    )


def test_registers_of_24_bits_wrap_around_and_saturate():
    top = 2**23
    values = np.array([0, top - 1, top, top + 5, -top, -top - 1, 3 * top])
    np.testing.assert_array_equal(
        wrapped(values), [0, top - 1, -top, -top + 5, -top, top - 1, -top]
    )
    np.testing.assert_array_equal(
        saturated(values)[[1, 2, 4]], [top - 1, top - 1, 1 - top]
    )  # fmt: skip


@pytest.mark.smoke
@pytest.mark.parametrize("name", LAID_OUT)
def test_without_rounding_spikes_are_those_of_the_reference(name):
    network, settings = LAID_OUT[name](), settings_of(encoding="regular")
    x_b_l = samples(network, 3)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    options = LoihiOptions(engine="emulator", arithmetic="float")
    found = SNN(network, settings, options).run_batch(x_b_l)
    for layer, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[layer], spikes_b_l_t)
    for layer, operations_b_t in expected.synaptic_operations_n_b_t.items():
        np.testing.assert_array_equal(found.synaptic_operations_n_b_t[layer], operations_b_t)


def require_the_spikes_of_the_reference(network, settings, x_b_l, *, arithmetic, **given):
    expected = ReferenceSNN(network, settings, seed=1).run_batch(x_b_l, **given)
    options = LoihiOptions(engine="emulator", arithmetic=arithmetic)
    found = SNN(network, settings, options, seed=1).run_batch(x_b_l, **given)
    for layer, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(found.spiketrains_n_b_l_t[layer], spikes_b_l_t, layer)
    assert expected.output_b_l_t.any()


def joined(join, *, way):
    """Return the input joined with a population that copies it, each on a way of its own."""
    builder = NetworkBuilder((4, 4, 2))
    entry = builder.last
    copied = builder.conv2d(np.eye(2)[None, None]).last
    inputs = [way(builder, source) for source in (copied, entry)]
    if join == "add":
        return builder.add(inputs, weight_nc=[[0.5, 0.25], [0.25, 0.5]])
    builder.concatenate(inputs, axis=1 if join == "beside" else -1)
    return builder.conv2d(np.full((1, 1, builder.shape[-1], 2), 0.25, np.float32))


WAYS = {
    "nothing": lambda builder, source: source,
    "pooling": lambda builder, source: (
        builder.average_pooling((2, 2), inputs=[source], activation=Linear()).last
    ),
    "padding": lambda builder, source: builder.zero_padding(((1, 0), (0, 1)), inputs=[source]).last,
    "relay": lambda builder, source: (
        builder.conv2d(np.full((1, 1, 2, 2), 0.5), inputs=[source], activation=Linear()).last
    ),
}
SPIKES = {
    "poisson": {"input_rate": 250.0},
    "events": {"event_amplitude": 0.5},
}


@pytest.mark.parametrize("arithmetic", ["float", "fixed"])
@pytest.mark.parametrize("encoding", SPIKES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("join", ["add", "channels", "beside"])
def test_only_input_spikes_count_their_value_where_others_join(join, way, encoding, arithmetic):
    """Weights are powers of two, which integers hold exactly."""
    builder = joined(join, way=WAYS[way])
    network = builder.flatten().dense(np.eye(builder.shape[0])).build()
    settings, given = settings_of(encoding=encoding, **SPIKES[encoding]), {}
    if encoding == "events":
        events = networks.events(32, steps=12, signed=True)
        given["events_b"] = [replace(events, shape=(4, 4, 2))] * 2
    require_the_spikes_of_the_reference(
        network, settings, samples(network, 2), arithmetic=arithmetic, **given
    )


@pytest.mark.parametrize("name", LAID_OUT)
def test_input_spikes_count_their_value_in_every_layer(name):
    network, settings = (
        LAID_OUT[name](),
        settings_of(encoding="poisson", steps=32, input_rate=250.0),
    )
    x_b_l = samples(network, 3)
    require_the_spikes_of_the_reference(network, settings, x_b_l, arithmetic="float")


def test_values_that_are_whole_but_for_their_rounding_are_sent():
    """15 times 1000 / 930 divided by 1000 / 930 is 14.999999 in float32."""
    network = NetworkBuilder((40,)).dense(np.full((40, 2), 1 / 64)).build()
    settings = settings_of(encoding="poisson", steps=32, input_rate=930.0)
    x_b_l = np.zeros((1, 40), np.float32)
    x_b_l[:, 0] = 15
    assert SNN(network, settings, EMULATOR).run_batch(x_b_l).output_b_l_t.any()


PADDINGS = ("same", ((1, 0), (0, 1)), ((1, 1), (1, 1)))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("pool", list(product((2, 3, 4), (2, 3))))
def test_windows_that_stick_out_of_the_image_add_up_what_lies_in_it(pool, padding):
    settings = settings_of(encoding="regular")
    for shape in product((1, 2, 3, 4, 6), (1, 2, 4)):
        if padding != "same" and any(n + 1 < k for n, k in zip(shape, pool, strict=True)):
            continue
        builder = NetworkBuilder((*shape, 2)).conv2d(np.eye(2)[None, None])
        builder.average_pooling(pool, padding=padding, activation=Linear()).flatten()
        network = builder.dense(abs(weights((builder.shape[0], 3), seed=1, scale=2)) + 0.5).build()
        x_b_l = np.ones((1, *shape, 2), np.float32) * np.float32([0.5, 0.75])
        require_the_spikes_of_the_reference(network, settings, x_b_l, arithmetic="float")


@pytest.mark.parametrize("recorded", [True, False])
def test_samples_of_a_batch_larger_than_a_part_stay_apart(monkeypatch, recorded):
    network = LAID_OUT["pooled"]()
    settings = settings_of(log_vars=["spiketrains", "mem"] if recorded else [], encoding="regular")
    x_b_l = samples(network, 5)
    whole = SNN(network, settings, EMULATOR).run_batch(x_b_l)
    monkeypatch.setattr("snn_loihi.simulator.PART_VALUES", 1)
    split = SNN(network, settings, EMULATOR).run_batch(x_b_l)
    for layer, counts_b_l in whole.spikecounts_n_b_l.items():
        assert counts_b_l.any()
        np.testing.assert_array_equal(split.spikecounts_n_b_l[layer], counts_b_l)
    for layer, operations_b_t in whole.synaptic_operations_n_b_t.items():
        np.testing.assert_array_equal(split.synaptic_operations_n_b_t[layer], operations_b_t)


def test_the_delay_of_the_output_and_the_engine_are_told():
    snn = SNN(LAID_OUT["skip"](), settings_of(encoding="regular"), EMULATOR)
    snn.build()
    assert snn.details["output_delay"] == "4 steps after the input"
    assert snn.details["engine"] == "emulator, as asked for"


@pytest.mark.parametrize("method", ["fir_max", "pre_spike_max"])
def test_max_pooling_is_refused_with_the_way_out(method):
    builder = NetworkBuilder((4, 4, 1)).conv2d(np.ones((1, 1, 1, 2)))
    network = builder.max_pooling((2, 2), method=method).flatten().dense(np.ones((8, 2))).build()
    with pytest.raises(UnsupportedError, match="MaxPooling2D layers are not supported") as refused:
        SNN(network, settings_of())
    name = network.layers[2].name
    assert f"{name}: neurons of the chip add up" in str(refused.value)
    assert "conversion.max2avg_pool = true" in str(refused.value)


def test_events_need_a_value():
    with pytest.raises(UnsupportedError, match="event_amplitude is not given"):
        SNN(LAID_OUT["dense"](), settings_of(encoding="events"))


def test_spikes_that_count_one_and_a_half_times_are_refused():
    network = LAID_OUT["dense"]()
    x_b_l = np.full((1, 12), 1.5, np.float32)
    with pytest.raises(DataError, match=r"counts 1\.5 times"):
        SNN(network, settings_of(encoding="regular"), EMULATOR).run_batch(x_b_l)


def test_large_inputs_are_simulated_as_long_as_they_fit():
    network = NetworkBuilder((3,)).dense(np.full((3, 2), 0.25)).build(readout="membrane")
    settings = settings_of()
    x_b_l = np.full((1, 3), 1.0, np.float32)
    v = [SNN(network, settings, EMULATOR).run_batch(f * x_b_l).output_b_l_t for f in (1, 1.0001)]
    np.testing.assert_allclose(*v, rtol=0.01)
    with pytest.raises(SimulationError, match="input_max"):
        SNN(network, settings, EMULATOR).run_batch(100 * x_b_l)
    wide = LoihiOptions(engine="emulator", input_max=100.0)
    found = SNN(network, settings, wide).run_batch(100 * x_b_l).output_b_l_t
    assert found[0, 0, -1] == pytest.approx(12 * 75, rel=0.01)


def test_a_sum_that_several_spikes_take_out_of_range_names_the_samples():
    network = NetworkBuilder((2,)).dense(np.full((2, 2), 1 / 64)).build()
    x_b_l = np.full((1, 2), 100, np.float32)
    with pytest.raises(SimulationError, match="spikes count several times; scale the samples"):
        SNN(network, settings_of(encoding="regular"), EMULATOR).run_batch(x_b_l)


@pytest.mark.parametrize(("python", "installs"), [((3, 10), True), ((3, 13), False)])
def test_installing_lava_is_advised_where_there_is_a_lava(monkeypatch, python, installs):
    monkeypatch.delattr("snn_loihi.lava.connections", raising=False)
    monkeypatch.setitem(sys.modules, "snn_loihi.lava.connections", None)
    monkeypatch.setattr("snn_loihi.lava.runner.sys.version_info", python)
    network = LAID_OUT["dense"]()
    with pytest.raises(SimulationError, match=r"loihi\.engine = 'emulator'") as refused:
        SNN(network, settings_of(), LoihiOptions(engine="lava")).run_batch(samples(network, 1))
    assert ("snn-loihi[lava]'`" in str(refused.value)) == installs


def test_the_output_is_kept_in_integers_if_that_is_wanted():
    network = LAID_OUT["membrane"]()
    options = LoihiOptions(engine="emulator", save_output=True)
    snn = SNN(network, settings_of(), options)
    recording = snn.run_batch(samples(network, 2))
    kept = snn.saved_output["membrane_b_l_t"]
    assert not (kept % 1).any()
    (theta,) = np.unique(snn.chip.populations[-1].threshold_c)
    np.testing.assert_allclose(kept / theta, recording.output_b_l_t, rtol=1e-6)


def test_a_trained_network_decides_in_integers_as_without_rounding():
    calibration, test = (load_dataset(MNIST / "data" / f"{n}.npz") for n in ("calibration", "test"))
    network = convert(MNIST / "model.keras", calibration.x_b_l, trial=False)
    x_b_l = network.input_data.as_floats(np.asarray(test.x_b_l[:200]))
    labels_b = np.asarray(test.labels_b[:200])
    settings = Settings.of({"simulation": {"duration": 32, "batch_size": 200}})
    right = {}
    for arithmetic in ("fixed", "float"):
        options = LoihiOptions(engine="emulator", arithmetic=arithmetic)
        output_b_l_t = SNN(network, settings, options).run_batch(x_b_l).output_b_l_t
        right[arithmetic] = (output_b_l_t[..., -1].argmax(axis=1) == labels_b).mean()
    assert right["float"] > 0.97
    assert abs(right["fixed"] - right["float"]) <= 0.01
