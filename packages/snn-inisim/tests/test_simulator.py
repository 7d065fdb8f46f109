import itertools
from collections import Counter

import numpy as np
import pytest

from snn_core.settings import Settings
from snn_core.simulation.contract import ALL_LAYERS
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing.builder import NetworkBuilder
from snn_inisim import SNN, INIsimOptions

STEPS = 12


def settings_of(*, reset="subtraction", dt=1.0, encoding="constant", record=("spiketrains",)):
    return Settings.of(
        {
            "simulation": {"duration": STEPS * dt, "dt": dt},
            "cell": {"reset": reset},
            "input": {"encoding": encoding},
            "output": {"log_vars": list(record)},
        }
    )


def samples(network, count):
    """Return multiples of 2**-4, different for each sample; some are zero."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 17, (count, *network.input.output_shape)).astype(np.float32) / 16


def assert_same_spikes(found, expected):
    assert list(found.spiketrains_n_b_l_t) == list(expected.spiketrains_n_b_l_t)
    for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
        assert spikes_b_l_t.any(), f"{name} is silent and proves nothing"
        differing = np.count_nonzero(found.spiketrains_n_b_l_t[name] != spikes_b_l_t)
        assert differing == 0, f"{name}: {differing} of {spikes_b_l_t.size} spikes differ"
        np.testing.assert_array_equal(
            found.spikecounts_n_b_l[name], expected.spikecounts_n_b_l[name]
        )
    for name, operations_b_t in expected.synaptic_operations_n_b_t.items():
        if operations_b_t.any():
            np.testing.assert_array_equal(
                found.synaptic_operations_n_b_t[name], operations_b_t, err_msg=name
            )


OPTIONS = {
    "unchunked": INIsimOptions(engine="dense", chunk_steps=STEPS, jit=False),
    "chunked": INIsimOptions(engine="dense", chunk_steps=5, jit=False),  # 5 + 5 + 2 steps
}


def test_the_networks_hold_every_kind_of_layer(images, sequences):
    layers = [*images.layers[1:], *sequences.layers[1:]]
    assert {layer.kind for layer in layers} == ALL_LAYERS


# Every two values that can meet in a run meet in one of these, each pair of columns equally often.
COMBINATIONS = [
    ("images", "subtraction", 1.0, 1, "unchunked"),
    ("images", "subtraction", 1.0, 32, "chunked"),
    ("images", "zero", 1.0, 1, "unchunked"),
    ("images", "zero", 0.5, 32, "chunked"),
    ("images", "modulo", 0.5, 1, "chunked"),
    ("images", "modulo", 0.5, 32, "unchunked"),
    ("sequences", "subtraction", 0.5, 1, "chunked"),
    ("sequences", "subtraction", 0.5, 32, "unchunked"),
    ("sequences", "zero", 1.0, 32, "chunked"),
    ("sequences", "zero", 0.5, 1, "unchunked"),
    ("sequences", "modulo", 1.0, 1, "chunked"),
    ("sequences", "modulo", 1.0, 32, "unchunked"),
]


def test_every_two_values_are_combined():
    columns = list(zip(*COMBINATIONS, strict=True))
    for first, second in itertools.combinations(columns, 2):
        met = Counter(zip(first, second, strict=True))
        assert set(met) == set(itertools.product(set(first), set(second)))
        assert len(set(met.values())) == 1


def combination(row):
    """Return a row as parameters; one network of all kinds, batched, has to pass everywhere."""
    is_smoke = row == ("images", "subtraction", 1.0, 32, "chunked")
    return pytest.param(*row, marks=pytest.mark.smoke if is_smoke else ())


@pytest.mark.parametrize(
    ("network", "reset", "dt", "count", "options"),
    [combination(row) for row in COMBINATIONS],
    indirect=["network"],
)
def test_spikes_equal_the_reference(network, reset, dt, count, options):
    settings, x_b_l = settings_of(reset=reset, dt=dt), samples(network, count)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    assert_same_spikes(SNN(network, settings, OPTIONS[options]).run_batch(x_b_l), expected)


@pytest.mark.parametrize("chunk", [STEPS, 4], ids=["looped", "unrolled"])
@pytest.mark.parametrize("reset", ["subtraction", "zero", "modulo"])
def test_compiled_spikes_equal_the_reference(network, reset, chunk):
    settings, x_b_l = settings_of(reset=reset, dt=0.5), samples(network, 3)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    options = INIsimOptions(engine="dense", chunk_steps=chunk, jit=True)
    assert_same_spikes(SNN(network, settings, options).run_batch(x_b_l), expected)


@pytest.mark.parametrize("encoding", ["poisson", "regular"])
def test_spiking_input_gives_the_spikes_of_the_reference(network, encoding):
    settings, x_b_l = settings_of(encoding=encoding, dt=0.5), samples(network, 3)
    expected = ReferenceSNN(network, settings, seed=5).run_batch(x_b_l)
    options = INIsimOptions(engine="dense", chunk_steps=5, jit=False)
    assert_same_spikes(SNN(network, settings, options, seed=5).run_batch(x_b_l), expected)


@pytest.mark.parametrize("method", ["fir_max", "avg_max", "exp_max", "pre_spike_max"])
@pytest.mark.parametrize("padding", ["valid", "same", ((1, 0), (0, 1))])
def test_max_pooling_with_overlapping_windows_equals_the_reference(method, padding):
    net = NetworkBuilder((6, 5, 2)).conv2d(np.eye(2)[None, None] * 0.625)
    network = net.max_pooling((3, 2), strides=(2, 1), padding=padding, method=method).build()
    settings, x_b_l = settings_of(), samples(network, 4)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    assert_same_spikes(SNN(network, settings, OPTIONS["chunked"]).run_batch(x_b_l), expected)


def test_potentials_and_input_equal_the_reference(images):
    settings = settings_of(record=("mem", "input"))
    network = images.replace(readout="membrane")
    x_b_l = samples(network, 2)
    expected = ReferenceSNN(network, settings).run_batch(x_b_l)
    options = INIsimOptions(engine="dense", chunk_steps=5, jit=False)
    found = SNN(network, settings, options).run_batch(x_b_l)
    np.testing.assert_array_equal(found.output_b_l_t, expected.output_b_l_t)
    np.testing.assert_array_equal(found.input_b_l_t, expected.input_b_l_t)
    for name, mem_b_l_t in expected.mem_n_b_l_t.items():
        np.testing.assert_array_equal(found.mem_n_b_l_t[name], mem_b_l_t, err_msg=name)


def test_counts_and_operations_do_not_depend_on_what_is_recorded(images):
    x_b_l = samples(images, 4)
    network = images.replace(readout="membrane")
    expected = ReferenceSNN(network, settings_of(record=())).run_batch(x_b_l)
    found = SNN(network, settings_of(record=()), OPTIONS["chunked"]).run_batch(x_b_l)
    assert not found.spiketrains_n_b_l_t
    for name, counts_b_l in expected.spikecounts_n_b_l.items():
        np.testing.assert_array_equal(found.spikecounts_n_b_l[name], counts_b_l, err_msg=name)
    np.testing.assert_array_equal(found.synaptic_operations_b_t, expected.synaptic_operations_b_t)


def test_operations_beyond_the_exact_range_of_float32_are_counted_exactly():
    from snn_inisim.folded import fanout_columns

    # 2**24 + 1 is the first whole number that float32 cannot hold.
    fanout_l = np.full(7, 2**22 + 1)
    columns = fanout_columns(fanout_l)
    spikes = np.ones((1, 7), np.float32)
    assert int((spikes @ columns).astype(np.int64).sum()) == 7 * (2**22 + 1)
    assert (columns.sum(axis=0) < 2**24).all()
    np.testing.assert_array_equal(columns.sum(axis=1), fanout_l)
    assert fanout_columns(np.zeros(3, np.int64)) is None


def test_batches_of_other_sizes_follow_each_other(images):
    settings, x_b_l = settings_of(), samples(images, 5)
    snn = SNN(images, settings, INIsimOptions(engine="dense", jit=False))
    reference = ReferenceSNN(images, settings)
    for part in (slice(0, 3), slice(3, 5), slice(0, 3)):
        found = snn.run_batch(x_b_l[part])
        assert_same_spikes(found, reference.run_batch(x_b_l[part]))


def test_a_user_can_stop_between_chunks(images):
    from snn_core.simulation.contract import StopSimulation

    calls = []
    options = INIsimOptions(engine="dense", chunk_steps=3, jit=False)
    snn = SNN(images, settings_of(), options, stop=lambda: calls.append(0) or len(calls) > 2)
    with pytest.raises(StopSimulation):
        snn.run_batch(samples(images, 1))
    assert len(calls) == 3
