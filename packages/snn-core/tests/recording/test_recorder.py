import numpy as np
import pytest

from snn_core.errors import SimulationError
from snn_core.recording.recorder import Recorder, SpikeTrains
from snn_core.testing.builder import NetworkBuilder

STEPS = 11


def network(readout="counts"):
    builder = NetworkBuilder((3,)).dense(np.ones((3, 5)), name="hidden")
    return builder.dense(np.ones((5, 2)), name="out").build(readout=readout)


def recorder(*, readout="counts", **options):
    return Recorder(network(readout), batch_size=4, num_steps=STEPS, **options)


def random_spikes(*shape, low=0):
    return np.random.default_rng(0).integers(low, 2, (STEPS, 4, *shape)).astype(np.float32)


@pytest.mark.parametrize("low", [0, -1])
def test_spike_trains_survive_being_stored_as_bits(low):
    trains, spikes = SpikeTrains(STEPS), random_spikes(3, 5, low=low)
    for start in (0, 4, 8):
        trains.write("a", start, spikes[start : start + 4])
    assert trains["a"].dtype == np.int8
    np.testing.assert_array_equal(trains["a"], np.moveaxis(spikes, 0, -1))
    assert list(trains) == ["a"]
    assert len(trains) == 1


def test_spikes_are_counted_in_chunks():
    part, spikes = recorder(), random_spikes(5)
    part.spikes("hidden", 0, spikes[:7])
    part.spikes("hidden", 7, spikes[7:])
    part.spikes("out", 0, random_spikes(2))
    recording = part.finish()
    np.testing.assert_array_equal(recording.spikecounts_n_b_l["hidden"], spikes.sum(axis=0))
    assert not recording.spiketrains_n_b_l_t
    np.testing.assert_array_equal(recording.output_b_l_t, np.moveaxis(random_spikes(2), 0, -1))


def test_each_spike_costs_the_fan_out_of_its_neuron():
    fanout = {"00Input_3": np.array([5, 5, 5]), "hidden": np.array([2, 0, 1, 2, 2])}
    part = recorder(fanout_n_l=fanout)
    spikes = np.zeros((STEPS, 4, 5), bool)
    spikes[3, 2] = [True, True, True, False, False]
    part.spikes("hidden", 0, spikes)
    part.spikes("out", 0, random_spikes(2))
    drive = np.zeros((STEPS, 4, 3), np.float32)
    drive[0, 1] = [0.5, 0, -2]
    part.input(0, drive, spiking=True)
    recording = part.finish()
    expected = np.zeros((4, STEPS), int)
    expected[2, 3] = 2 + 0 + 1
    expected[1, 0] = 5 + 5  # two input spikes, of either sign
    np.testing.assert_array_equal(recording.synaptic_operations_b_t, expected)


def test_a_constant_input_costs_no_synaptic_operations():
    part = recorder(fanout_n_l={"00Input_3": np.array([5, 5, 5])})
    part.input(0, np.ones((STEPS, 4, 3), np.float32), spiking=False)
    part.spikes("out", 0, random_spikes(2))
    assert not part.finish().synaptic_operations_b_t.any()


def test_totals_do_as_well_as_spikes():
    fanout = {"hidden": np.array([2, 0, 1, 2, 2])}
    whole, totals, spikes = (
        recorder(fanout_n_l=fanout),
        recorder(fanout_n_l=fanout),
        random_spikes(5),
    )
    whole.spikes("hidden", 0, spikes)
    for start in (0, 6):
        part = spikes[start : start + 6]
        totals.totals(
            "hidden",
            start,
            spikecounts_b_l=part.sum(axis=0),
            operations_t_b=(part @ fanout["hidden"]).astype(np.int64),
        )
    found = []
    for part in (whole, totals):
        part.spikes("out", 0, random_spikes(2))
        found.append(part.finish())
    first, second = found
    np.testing.assert_array_equal(
        first.spikecounts_n_b_l["hidden"], second.spikecounts_n_b_l["hidden"]
    )
    np.testing.assert_array_equal(first.synaptic_operations_b_t, second.synaptic_operations_b_t)


def test_tells_what_it_needs():
    plain = recorder()
    assert plain.wants_spikes("out")
    assert not plain.wants_spikes("hidden")
    assert not plain.wants_membrane("out")
    membrane = recorder(readout="membrane")
    assert membrane.wants_membrane("out")
    assert not membrane.wants_spikes("out")
    everything = recorder(record=("spiketrains", "mem"))
    assert everything.wants_spikes("hidden")
    assert everything.wants_membrane("hidden")


def test_potentials_are_the_output_of_the_membrane_read_out():
    part, potentials = recorder(readout="membrane"), random_spikes(2) / 4
    part.membrane("out", 0, potentials[:5])
    part.membrane("out", 5, potentials[5:])
    recording = part.finish()
    np.testing.assert_array_equal(recording.output_b_l_t, np.moveaxis(potentials, 0, -1))
    assert not recording.mem_n_b_l_t


@pytest.mark.parametrize("readout", ["counts", "membrane"])
def test_an_output_that_was_never_recorded_is_an_error(readout):
    with pytest.raises(SimulationError, match="of the output layer 'out'"):
        recorder(readout=readout).finish()


def test_recordings_of_the_wrong_shape_or_time_are_errors():
    part = recorder()
    with pytest.raises(SimulationError, match=r"expected steps in 0..11, shape \(4, 5\)"):
        part.spikes("hidden", 0, np.zeros((1, 4, 6)))
    with pytest.raises(SimulationError, match=r"recorded steps 10..12"):
        part.spikes("hidden", 10, np.zeros((2, 4, 5)))


@pytest.mark.parametrize("low", [0, -1])
@pytest.mark.parametrize("rate", [0.001, 0.5])
def test_spike_trains_survive_being_stored(low, rate):
    rng = np.random.default_rng(1)
    spikes = np.where(rng.random((STEPS, 4, 30, 5)) < rate, 1, 0)
    spikes *= rng.choice([low or 1, 1], spikes.shape)
    trains = SpikeTrains(STEPS)
    for start in (8, 0, 4):  # in any order
        trains.write("a", start, spikes[start : start + 4].astype(np.float32))
    np.testing.assert_array_equal(trains["a"], np.moveaxis(spikes, 0, -1))
    assert trains.compact("a").form == ("bits" if rate == 0.5 else "events")


def test_steps_that_were_never_written_are_silent():
    trains, spikes = SpikeTrains(STEPS), random_spikes(3)
    trains.write("a", 2, spikes[:3])
    expected = np.zeros((4, 3, STEPS))
    expected[..., 2:5] = np.moveaxis(spikes[:3], 0, -1)
    np.testing.assert_array_equal(trains["a"], expected)


def test_rare_spikes_take_little_space():
    spikes = np.zeros((100, 8, 1000), bool)
    spikes[::10, :, ::100] = True  # 800 spikes in 800 000 cells
    trains = SpikeTrains(100)
    for start in range(0, 100, 20):
        trains.write("a", start, spikes[start : start + 20])
    assert trains.compact("a").nbytes == 800 * 2 + 100 * 4  # float32: 3 200 000, bits: 100 000
    assert trains.nbytes == 800 * 2 + 100 * 4


def test_negative_spikes_are_spikes():
    part = recorder()
    spikes = np.zeros((STEPS, 4, 5), np.float32)
    spikes[0, 1, :3] = [1, -1, -1]
    spikes[5, 1, 1] = -1
    part.spikes("hidden", 0, spikes[:5])
    part.spikes("hidden", 5, spikes[5:])
    part.spikes("out", 0, random_spikes(2))
    recording = part.finish()
    assert recording.spikecounts_n_b_l["hidden"][1].tolist() == [1, -2, -1, 0, 0]
    assert recording.num_spikes_n_b["hidden"].tolist() == [0, 4, 0, 0]
    assert recording.num_spikes_n_b["out"].tolist() == random_spikes(2).sum((0, 2)).tolist()
