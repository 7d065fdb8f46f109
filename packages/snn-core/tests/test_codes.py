import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_core.codes import (
    CODES,
    code_of,
    set_duration,
    set_timesteps,
    spikecounts_to_rates,
    spiketrains_to_rates,
    to_binary,
    to_binary_numpy,
)
from snn_core.codes.pattern import pattern_range
from snn_core.codes.windows import spike_windows
from snn_core.errors import SettingsError
from snn_core.ir import BinarySigmoid, Linear, ReLU
from snn_core.operations import code_operations, connectivity_statistics
from snn_core.running.run import run
from snn_core.settings import SPIKE_CODES, Settings
from snn_core.simulation.scoring import UNDECIDED, decisions
from snn_core.testing.builder import NetworkBuilder


def test_every_code_of_the_settings_is_there():
    assert tuple(CODES) == SPIKE_CODES


def settings_of(code, **conversion):
    return Settings.of({"conversion": {"spike_code": code, **conversion}})


@given(
    x=st.floats(0, 1, width=32, exclude_max=True),
    bits=st.integers(1, 32),
)
def test_a_pattern_is_closer_than_its_last_digit(x, bits):
    value = to_binary_numpy(np.array([x], np.float32), bits).sum(dtype=np.float64)
    # Beyond 24 digits the pattern holds every digit that float32 has.
    assert abs(value - np.float32(x)) <= 2.0 ** -min(bits, 24)


@given(x=st.floats(0, 1, width=32, exclude_max=True), bits=st.integers(1, 16))
def test_patterns_round_to_the_nearest_level(x, bits):
    value = to_binary_numpy(np.array([x], np.float32), bits).sum(dtype=np.float64)
    if x <= 1 - 2.0**-bits:
        assert abs(value - np.float32(x)) <= 2.0 ** -(bits + 1)


def test_patterns_by_hand():
    # 4 bits: 0.25 = 0100, 0.75 = 1100, 0.6 -> 10/16 = 1010, 1 and 1.7 saturate, -0.3 is silent,
    # 1/32 lies in the middle of two levels and rounds up.
    x = np.array([0, 0.25, 0.5, 0.75, 0.6, 1, 1.7, -0.3, 1 / 32], np.float32)
    digits = ["".join(map(str, row)) for row in to_binary(x, num_bits=4)]
    assert digits == ["0000", "0100", "1000", "1100", "1010", "1111", "1111", "0000", "0001"]
    assert to_binary_numpy(x, 4)[3].tolist() == [0.5, 0.25, 0, 0]


def test_the_range_of_a_sample_is_a_power_of_two():
    x_b_l = np.array([[0, 0], [0.3, -1], [1.01, 0], [-5, 4], [0.2, 0.1]], np.float32)
    assert pattern_range(x_b_l).tolist() == [1, 1, 2, 8, 0.25]


def test_rates_of_each_code_by_hand():
    #                    step   1  2  3  4
    trains = np.array([[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 1, 1]])

    def rates(code, rows=trains, **options):
        return spiketrains_to_rates(rows, spike_code=code, **options).tolist()

    assert rates("temporal_mean_rate", dt_ms=0.5) == [0.5, 0.5, 0, 1.5]
    assert rates("temporal_mean_rate", np.array([[1, -1, -1, 0]], np.int8)) == [-0.25]
    assert rates("temporal_pattern") == [0.25, 0.0625, 0, 0.6875]
    assert rates("ttfs") == rates("ttfs_dyn_thresh") == [0.5, 0.25, 0, 1]
    # Two windows of two steps: the first step of a window stands for 1, the second for 1/2.
    assert rates("ttfs_exact", window_steps=2) == [0.5, 0.5, 0, 1]
    withdrawn = np.array([[1, -1, 0, 1], [1, -1, 0, 0], [0, 1, 0, 0]])
    assert rates("ttfs_corrective", withdrawn, dt_ms=2.0) == [0.125, 0, 0.25]


def test_unknown_codes_and_continuous_times_cannot_be_read_from_trains():
    trains = np.zeros((1, 2))
    for code, named in (("ttfs_exact", "window_steps = 0"), ("morse", "'morse'; known: temporal")):
        with pytest.raises(SettingsError, match=named):
            spiketrains_to_rates(trains, spike_code=code, window_steps=0)


def test_rates_from_cumulative_counts():
    assert spikecounts_to_rates(np.array([[0, 1, 1, 3]]), dt_ms=0.5).tolist() == [1.5]


def branches():
    net = NetworkBuilder((4, 4, 1), name="x")
    net.conv2d(np.ones((1, 1, 1, 2)), name="a").max_pooling((2, 2), name="pool")
    net.conv2d(np.ones((1, 1, 2, 2)), name="b").conv2d(
        np.ones((1, 1, 2, 2)), activation=Linear(), name="relay"
    )
    net.add(["pool", "relay"], weight_nc=[[1], [1]], name="sum")
    return net.flatten().dense(np.ones((8, 3)), bias_o=np.ones(3)).build(readout="membrane")


def test_windows_follow_the_longest_path_and_pools_pass_spikes_on():
    windows = spike_windows(branches())
    assert [windows[name] for name in ("x", "a", "pool", "b", "relay", "sum")] == [0, 1, 1, 2, 2, 3]
    assert windows[branches().output.name] == 3


def test_a_pool_that_scales_has_a_window_of_its_own():
    net = NetworkBuilder((2, 2, 1), name="x").conv2d(np.ones((1, 1, 1, 1)), name="a")
    net.max_pooling((2, 2), weight_c=0.5, name="pool")
    windows = spike_windows(net.flatten().dense(np.ones((1, 2))).build(readout="membrane"))
    assert windows["pool"] == 2


def test_some_codes_determine_the_number_of_steps():
    network = branches()
    assert set_duration(settings_of("temporal_pattern", num_bits=6), network).num_steps == 6
    assert set_duration(settings_of("ttfs_exact", window_steps=8), network).num_steps == 4 * 8
    assert set_duration(settings_of("ttfs_exact", window_steps=0), network).num_steps == 4
    assert set_duration(settings_of("ttfs"), network).num_steps == 200
    with pytest.raises(SettingsError, match="num_bits"):
        set_timesteps(settings_of("temporal_pattern"), 8, stage="run")
    with pytest.raises(SettingsError, match="window_steps"):
        set_timesteps(settings_of("ttfs_exact"), 8, stage="run")
    assert set_timesteps(settings_of("ttfs"), 8, stage="run").num_steps == 8


def test_the_earliest_output_spike_decides():
    #          class 0 fires in step 3, class 1 in step 2 and takes it back in step 4
    spikes = np.array([[[0, 0, 1, 0, 0], [0, 1, 0, -1, 0]]])
    assert decisions(spikes, readout="counts", spike_code="ttfs").tolist()[0][:3] == [
        UNDECIDED,
        1,
        1,
    ]
    # Steps on: class 0 has 0 0 1 2 3, class 1 has 0 1 2 2 2; ties go to the lower index.
    found = decisions(spikes, readout="counts", spike_code="ttfs_corrective")
    assert found.tolist() == [[UNDECIDED, 1, 1, 0, 0]]


def test_a_sample_is_simulated_until_enough_outputs_have_fired():
    settings = settings_of("ttfs").updated({"simulation": {"duration": 4.0, "top_k": 2}})
    network = branches().replace(readout="counts")
    output = np.array([[[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], np.zeros((3, 4))])
    assert code_of(settings).undecided(output, network).tolist() == [
        [True, True, True, False],
        [True, True, True, True],
    ]
    statistics = connectivity_statistics(network)
    # 32 + 8 + 8 + 8 + 3 neurons integrate; 2 * 32 operations of the first layer in step 1.
    operations = code_operations(statistics, network, settings, output)
    assert operations.tolist() == [[59 + 64, 59, 59, 0], [59 + 64, 59, 59, 59]]


def test_neurons_of_the_exact_code_work_in_their_windows():
    network = branches()
    settings = set_duration(settings_of("ttfs_exact", window_steps=1), network)
    operations = code_operations(
        connectivity_statistics(network), network, settings, np.zeros((1, 3, 4))
    )
    # Window 0: a (32) integrates, first layer 64. 1: a, pool (8), b (8), and sum (8), which reads
    # the pool. 2: b and sum. 3: sum and the output (3).
    assert operations.tolist() == [[32 + 64, 32 + 8 + 8 + 8, 8 + 8, 8 + 3]]


def test_patterns_update_biased_neurons_and_compute_nothing_at_once():
    network = branches()
    settings = set_duration(settings_of("temporal_pattern", num_bits=2), network)
    operations = code_operations(
        connectivity_statistics(network), network, settings, np.zeros((1, 3, 2))
    )
    assert operations.tolist() == [[3, 3]]


def test_what_spikes_of_a_code_cannot_express_is_refused():
    def problems(code, activation):
        net = NetworkBuilder((2,)).dense(np.ones((2, 2)), activation=activation, name="hidden")
        network = net.dense(np.ones((2, 2))).build(readout="membrane")
        return code_of(settings_of(code)).problems(network)

    for code in ("temporal_pattern", "ttfs", "ttfs_exact"):
        (problem,) = problems(code, BinarySigmoid())
        assert "hidden" in problem
        assert "BinarySigmoid" in problem
    for code in CODES:
        assert not problems(code, ReLU(max_value=6.0))


def test_what_spikes_can_stand_for_at_most():
    assert code_of(settings_of("temporal_mean_rate")).highest == 1
    fine = settings_of("temporal_mean_rate").updated({"simulation": {"dt": 0.25}})
    assert code_of(fine).highest == 4
    heavy = settings_of("temporal_mean_rate").updated({"cell": {"payloads": True}})
    assert code_of(heavy).highest is None
    assert code_of(settings_of("temporal_pattern", num_bits=3)).highest == 7 / 8
    assert code_of(settings_of("ttfs_exact")).highest == 1
    assert code_of(settings_of("ttfs")).highest is None


def test_first_spikes_cannot_take_the_maximum_of_sums():
    net = NetworkBuilder((2, 2, 1)).conv2d(np.ones((1, 1, 1, 1)), activation=Linear())
    net.max_pooling((2, 2), activation=Linear(), name="pool").flatten()
    network = net.dense(np.ones((1, 2))).build(readout="membrane")
    for code in CODES:
        problems = code_of(settings_of(code)).problems(network)
        if code in ("ttfs", "ttfs_dyn_thresh", "ttfs_corrective"):
            (problem,) = problems
            assert problem.startswith("pool: max pooling of sums")
            assert repr(code) in problem
        else:
            assert not problems


def test_a_run_cannot_choose_the_steps_of_a_pattern():
    data = (np.zeros((1, 4, 4, 1), np.float32), np.zeros(1, np.int64))
    with pytest.raises(SettingsError, match="num_bits"):
        run(
            branches(),
            "reference",
            data=data,
            settings=settings_of("temporal_pattern"),
            timesteps=5,
        )
