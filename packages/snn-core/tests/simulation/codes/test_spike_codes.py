from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from snn_core import convert
from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import forward
from snn_core.ir import Linear, ReLU
from snn_core.settings import Settings
from snn_core.simulation.capabilities import Capabilities
from snn_core.simulation.contract import StopSimulation
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.scoring import decisions
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.deep_networks import graded_pooling, minimum_pooling
from snn_core.testing.networks import LAYER_KINDS

FIRST_SPIKE = ("ttfs", "ttfs_dyn_thresh", "ttfs_corrective")
ALL = ("temporal_pattern", *FIRST_SPIKE, "ttfs_exact")


def settings_of(code, *, steps=16, dt=1.0, record=("spiketrains",), top_k=5, **conversion):
    return Settings.of(
        {
            "conversion": {"spike_code": code, **conversion},
            "simulation": {"duration": steps * dt, "dt": dt, "top_k": top_k},
            "output": {"log_vars": list(record)},
        }
    )


def assert_as_emulated(network, settings, x_b_l, emulate):
    """Assert equal spikes of all layers in all steps, equal potentials and equal operations."""
    snn = ReferenceSNN(network, settings)
    found = snn.run_batch(x_b_l)
    plains = [emulate(x_l.astype(float)) for x_l in x_b_l]
    for layer in network.spiking_layers:
        expected = np.stack([plain.spikes[layer.name] for plain in plains])
        spikes = found.spiketrains_n_b_l_t[layer.name]
        if layer is not network.output or network.readout == "counts":
            assert expected.any(), f"{layer.name} is silent and proves nothing"
        assert spikes.shape == expected.shape
        differing = np.count_nonzero(spikes != expected)
        assert differing == 0, f"{layer.name}: {differing} of {spikes.size} spikes differ"
        total = np.abs(expected).sum(axis=-1)
        np.testing.assert_array_equal(found.spikecounts_n_b_l[layer.name], total)
    if network.readout == "membrane":
        expected = np.stack([plain.potentials for plain in plains])
        np.testing.assert_array_equal(found.output_b_l_t, expected)
    return found, plains


@pytest.mark.parametrize("pool_neurons", [False, True], ids=["relays", "neurons"])
@pytest.mark.parametrize(("bits", "special"), [(1, False), (4, False), (4, True), (8, True)])
def test_patterns_are_the_emulated_ones(codes, bits, pool_neurons, special):
    network = codes.branched(pool_neurons=pool_neurons, special=special)
    settings = settings_of("temporal_pattern", num_bits=bits)
    x_b_l = codes.samples(network, 3)
    assert_as_emulated(network, settings, x_b_l, lambda x: codes.pattern(network, x, bits=bits))


@pytest.mark.parametrize("pool_neurons", [False, True], ids=["relays", "neurons"])
@pytest.mark.parametrize(
    ("window_steps", "special"), [(1, False), (4, False), (4, True), (16, True)]
)
def test_exact_spike_times_are_the_emulated_ones(codes, window_steps, pool_neurons, special):
    network = codes.branched(pool_neurons=pool_neurons, special=special)
    settings = settings_of("ttfs_exact", window_steps=window_steps)
    x_b_l = codes.samples(network, 3)
    found, _ = assert_as_emulated(
        network, settings, x_b_l, lambda x: codes.exact(network, x, window_steps=window_steps)
    )
    for counts_b_l in found.spikecounts_n_b_l.values():
        assert counts_b_l.max() <= 1


@pytest.mark.parametrize(
    ("ramp", "readout"),
    [(True, "counts"), (True, "membrane"), (False, "counts")],
    ids=["ramp", "ramp-membrane", "original"],
)
@pytest.mark.parametrize("special", [False, True], ids=["plain", "bounds-and-minima"])
@pytest.mark.parametrize("code", FIRST_SPIKE)
def test_first_spikes_are_the_emulated_ones(codes, code, ramp, readout, special):
    # 16 steps of 1/2 ms keep the share of the run that is left, and all products, exact.
    network = codes.branched(readout, v_init=0.25 if ramp else 0.0, special=special)
    settings = settings_of(code, ttfs_ramp=ramp, dt=0.5, top_k=2)
    x_b_l = codes.samples(network, 3)
    assert_as_emulated(
        network,
        settings,
        x_b_l,
        lambda x: codes.first_spike(network, x, steps=16, dt=0.5, code=code, ramp=ramp, top_k=2),
    )


def in_range(network, x_b_l):
    """Return a network and samples whose activations are all below 1; ReLU keeps proportions."""
    largest = max(np.abs(a).max() for a in forward(network, x_b_l).values())
    factor = np.float32(2.0 ** -np.ceil(np.log2(largest)))
    shrunk = [
        replace(layer, bias_o=layer.bias_o * factor)
        for layer in network
        if hasattr(layer, "bias_o")
    ]
    return network.replace(*shrunk), x_b_l * factor


def test_continuous_spike_times_are_the_activations(codes):
    network, x_b_l = in_range(codes.branched(), codes.samples(codes.branched(), 3))
    snn = ReferenceSNN(network, settings_of("ttfs_exact", window_steps=0, record=()))
    found = snn.run_batch(x_b_l)
    windows = codes.windows(network)
    assert found.output_b_l_t.shape[-1] == max(windows.values()) + 1
    activations = forward(network, x_b_l)
    # Analog values of deep layers have more digits than float32: sums round by their order.
    for name, time_b_l in snn.spiketimes_n_b_l.items():
        left = np.where(np.isfinite(time_b_l), windows[name] + 1 - time_b_l, 0)
        np.testing.assert_allclose(left, activations[name], atol=1e-6)
        assert (left >= 0).all()
        assert (left <= 1).all()
    output = activations[network.output.name]
    np.testing.assert_allclose(found.output_b_l_t[..., -1], output, atol=1e-6)


@pytest.mark.parametrize("code", ALL)
def test_results_do_not_depend_on_the_batch(codes, code):
    network = codes.branched("counts" if code in FIRST_SPIKE else "membrane", v_init=0.25)
    snn = ReferenceSNN(network, settings_of(code, steps=8, window_steps=4, num_bits=4, top_k=2))
    x_b_l = codes.samples(network, 4)
    alone = [snn.run_batch(x_b_l[i : i + 1], sample_ids=[i]) for i in range(4)]

    # The sizes of batches repeat, so that few graphs have to be made.
    @hypothesis_settings(max_examples=8, deadline=None, derandomize=True)
    @given(ids=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def check(ids):
        together = snn.run_batch(x_b_l[ids], sample_ids=ids)
        for row, i in enumerate(ids):
            np.testing.assert_array_equal(together.output_b_l_t[row], alone[i].output_b_l_t[0])
            for name, spikes_b_l_t in together.spiketrains_n_b_l_t.items():
                np.testing.assert_array_equal(
                    spikes_b_l_t[row], alone[i].spiketrains_n_b_l_t[name][0]
                )
            np.testing.assert_array_equal(
                together.synaptic_operations_b_t[row], alone[i].synaptic_operations_b_t[0]
            )

    check()


def test_each_spike_costs_its_synapses(codes):
    network = codes.branched()
    x_b_l = codes.samples(network, 2)
    for code, cost in (("temporal_pattern", 2), ("ttfs_exact", 1), ("ttfs", 1)):
        snn = ReferenceSNN(network, settings_of(code, steps=8))
        found = snn.run_batch(x_b_l)
        for name, fanout_l in snn.connectivity.fanout_of.items():
            if name != network.input.name:
                events = np.abs(found.spiketrains_n_b_l_t[name]) * fanout_l[None, ..., None]
                total = cost * events.reshape(2, -1, snn.settings.num_steps).sum(axis=1)
                np.testing.assert_array_equal(
                    found.synaptic_operations_n_b_t[name], total, err_msg=f"{code} {name}"
                )


def test_input_patterns_cost_operations_and_constant_input_does_not(codes):
    network = codes.branched()
    x_b_l = codes.samples(network, 1)
    pattern = ReferenceSNN(network, settings_of("temporal_pattern", record=("input",)))
    found = pattern.run_batch(x_b_l)
    fanout_l = pattern.connectivity.fanout[0]
    spikes_b_l_t = found.input_b_l_t != 0
    expected = 2 * (spikes_b_l_t * fanout_l[None, ..., None]).sum()
    assert found.synaptic_operations_n_b_t[network.input.name].sum() == expected
    # Multiples of 2**-4 below 1 are exact patterns; the range of a sample is a power of two.
    np.testing.assert_array_equal(
        found.input_b_l_t.sum(axis=-1), np.clip(x_b_l, -255 / 256, 255 / 256)
    )
    exact = ReferenceSNN(network, settings_of("ttfs_exact")).run_batch(x_b_l)
    assert network.input.name not in exact.synaptic_operations_n_b_t


@pytest.mark.parametrize("code", FIRST_SPIKE)
def test_dynamic_thresholds_also_pay_for_their_flags(codes, code):
    network = codes.branched()
    found = ReferenceSNN(network, settings_of(code)).run_batch(codes.samples(network, 2))
    fanout = ReferenceSNN(network, settings_of(code)).connectivity.fanout_of
    spikes = sum(
        (np.abs(trains) * fanout[name][None, ..., None]).sum()
        for name, trains in found.spiketrains_n_b_l_t.items()
    )
    operations = found.synaptic_operations_b_t.sum()
    assert operations > spikes if code == "ttfs_dyn_thresh" else operations == spikes


def test_a_decided_sample_is_left_alone(codes):
    network = codes.branched("counts", v_init=0.25)
    x_b_l = codes.samples(network, 4)
    early = ReferenceSNN(network, settings_of("ttfs", top_k=1)).run_batch(x_b_l)
    late = ReferenceSNN(network, settings_of("ttfs", top_k=5)).run_batch(x_b_l)
    assert early.synaptic_operations_b_t.sum() < late.synaptic_operations_b_t.sum()
    decided = [
        decisions(found.output_b_l_t, readout="counts", spike_code="ttfs")[:, -1]
        for found in (early, late)
    ]
    np.testing.assert_array_equal(*decided)
    assert (decided[0] >= 0).all()


@pytest.mark.parametrize("code", ALL)
def test_potentials_and_counts_can_be_recorded(codes, code):
    network = codes.branched()
    settings = settings_of(code, steps=4, window_steps=4, record=("mem", "spiketrains"))
    snn = ReferenceSNN(network, settings)
    found = snn.run_batch(codes.samples(network, 2))
    for layer in network.spiking_layers:
        mem_b_l_t = found.mem_n_b_l_t[layer.name]
        assert mem_b_l_t.shape == (2, *layer.output_shape, snn.settings.num_steps)
        assert np.isfinite(mem_b_l_t).all()
    np.testing.assert_array_equal(found.mem_n_b_l_t[network.output.name], found.output_b_l_t)
    if code == "ttfs_exact":
        check_potentials_of_exact_spikes(network, found, window_steps=4)


def check_potentials_of_exact_spikes(network, found, *, window_steps):
    """Assert that a neuron rests at 0 from its spike on, and is below the threshold before."""
    for layer in network.spiking_layers[:-1]:
        spikes_b_l_t = found.spiketrains_n_b_l_t[layer.name]
        done = spikes_b_l_t.cumsum(axis=-1) > 0
        mem_b_l_t = found.mem_n_b_l_t[layer.name]
        assert (mem_b_l_t[done] == 0).all()
        silent = ~done[..., -1]
        # The threshold is compared half a step before the potential is recorded.
        assert (mem_b_l_t[silent][:, -window_steps:] < 1 + 0.5 / window_steps).all()


@pytest.mark.parametrize("code", ALL)
def test_other_simulators_refuse_the_code_by_name(codes, code):
    class RatesOnly(ReferenceSNN):
        capabilities = Capabilities()

    with pytest.raises(UnsupportedError, match=f"spike_code = '{code}' is not supported"):
        RatesOnly(codes.branched(), settings_of(code))


@pytest.mark.parametrize("code", ["temporal_pattern", "ttfs_exact"])
def test_codes_without_output_spikes_need_the_membrane_readout(codes, code):
    with pytest.raises(UnsupportedError, match="readout = 'membrane'"):
        ReferenceSNN(codes.branched("counts"), settings_of(code))


@pytest.mark.parametrize("code", ALL)
def test_spiking_input_is_refused(codes, code):
    settings = settings_of(code).updated({"input": {"encoding": "poisson"}})
    with pytest.raises(UnsupportedError, match=r"input\.encoding = 'poisson'"):
        ReferenceSNN(codes.branched(), settings)


def test_a_run_can_be_stopped(codes):
    network = codes.branched()
    for code in ("ttfs", "ttfs_exact"):
        snn = ReferenceSNN(network, settings_of(code), stop=lambda: True)
        with pytest.raises(StopSimulation):
            snn.run_batch(codes.samples(network, 1))


@pytest.mark.parametrize("code", ["temporal_pattern", "ttfs_exact"])
@pytest.mark.parametrize("kind", [*LAYER_KINDS, "minima", "graded", "graded minima"])
def test_all_kinds_of_layers_keep_their_function(kind, code):
    pools = {
        "minima": lambda: minimum_pooling("fir_max"),
        "graded": lambda: graded_pooling("Add"),
        "graded minima": lambda: graded_pooling("minimum"),
    }
    network = {**LAYER_KINDS, **pools}[kind]()
    network = network.replace(
        *(replace(layer, threshold=np.float32(1)) for layer in network.spiking_layers)
    )
    x_b_l = np.random.default_rng(0).random((3, *network.input.output_shape), np.float32)
    # Scales for continuous time clip nothing, so they also suit patterns of many digits.
    exact = settings_of("ttfs_exact", window_steps=0, record=(), readout="membrane")
    network = convert(network, x_b_l, settings=exact)
    settings = settings_of(code, num_bits=20, window_steps=0, record=())
    network = network.replace(settings=None)  # simulated under a code that it was not made for
    found = ReferenceSNN(network, settings).run_batch(x_b_l).output_b_l_t[..., -1]
    expected = forward(network, x_b_l)[network.output.name]
    # 2**-20 for each rounded activation, some hundred of which reach an output.
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("ramp", [True, False], ids=["ramp", "original"])
@pytest.mark.parametrize("code", FIRST_SPIKE)
def test_bounded_neurons_fire_when_their_bound_would_make_them_fire(code, ramp):
    def first_step(x):
        net = NetworkBuilder((1,)).dense([[1]], activation=ReLU(max_value=0.25), name="hidden")
        network = net.dense([[1]]).build(readout="membrane")
        settings = settings_of(code, ttfs_ramp=ramp)
        found = ReferenceSNN(network, settings).run_batch(np.array([[x]], np.float32))
        return found.spiketrains_n_b_l_t["hidden"][0, 0].argmax()

    assert first_step(0.125) > first_step(0.25) == first_step(0.75) == first_step(9.0) > 0


@pytest.mark.parametrize("code", ["temporal_pattern", "ttfs_exact"])
def test_upper_bounds_of_activations_hold(code):
    net = NetworkBuilder((4,)).dense(np.eye(4), activation=ReLU(max_value=0.25))
    network = net.dense(np.eye(4), activation=Linear()).build(readout="membrane")
    x_b_l = np.array([[-1, 0.125, 0.25, 0.75]], np.float32)
    found = ReferenceSNN(network, settings_of(code)).run_batch(x_b_l).output_b_l_t[..., -1]
    np.testing.assert_array_equal(found, [[0, 0.125, 0.25, 0.25]])


@pytest.mark.parametrize("code", ALL)
def test_relays_on_exponentially_many_ways_are_computed_once(code):
    """Behind 60 means of a layer with itself, neurons do what they do behind none."""
    x_b_l = np.linspace(0, 1, 8, dtype=np.float32).reshape(2, 4)
    settings = settings_of(code, steps=64, record=("spiketrains", "mem"), readout="membrane")
    found = []
    for steps in (0, 60):
        build = NetworkBuilder((4,)).dense(np.eye(4)).dense(np.eye(4), activation=Linear())
        for _ in range(steps):
            build.add((build.last, build.last), weight_nc=[[0.5], [0.5]], activation=Linear())
        build.dense(np.eye(4), name="last").dense(np.eye(4), name="output")
        network = convert(build.build(), x_b_l, settings=settings)
        found.append((network, ReferenceSNN(network, settings).run_batch(x_b_l)))
    (plain, expected), (deep, outcome) = found
    for before, layer in zip(plain.spiking_layers, deep.spiking_layers, strict=True):
        spikes = outcome.spiketrains_n_b_l_t[layer.name]
        np.testing.assert_array_equal(spikes, expected.spiketrains_n_b_l_t[before.name])
    assert outcome.spiketrains_n_b_l_t[deep.spiking_layers[1].name].any()
    np.testing.assert_array_equal(outcome.output_b_l_t, expected.output_b_l_t)
