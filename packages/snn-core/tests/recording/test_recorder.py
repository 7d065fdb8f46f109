import numpy as np
import pytest

from snn_core.errors import SimulationError
from snn_core.recording.recorder import Recorder
from snn_core.recording.spike_trains import Events
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
def test_recorded_spike_trains_are_those_that_were_handed_over(low):
    part, spikes = recorder(record=("spiketrains",)), random_spikes(5, low=low)
    for start in (4, 0, 8):  # in any order
        part.spikes("hidden", start, spikes[start : start + 4])
    part.spikes("out", 0, random_spikes(2))
    trains = part.finish().spiketrains_n_b_l_t
    assert trains["hidden"].dtype == np.int8
    np.testing.assert_array_equal(trains["hidden"], np.moveaxis(spikes, 0, -1))
    assert list(trains) == ["hidden", "out"]


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


def listed(spikes_t_b_l):
    """Return spikes as events in random order, several in a step as several events."""
    flat = spikes_t_b_l.reshape(*spikes_t_b_l.shape[:2], -1)
    step, sample, cell = np.nonzero(flat)
    again = np.abs(flat[step, sample, cell]).astype(int)
    events = [np.repeat(part, again) for part in (sample, step, cell)]
    events.append(np.repeat(np.sign(flat[step, sample, cell]).astype(int), again))
    order = np.random.default_rng(1).permutation(len(events[0]))
    return Events(*(part[order] for part in events))


def counted(*shape, low):
    """Return up to three spikes in a step, some of them negative if ``low`` is."""
    return np.random.default_rng(2).integers(low, 4, (STEPS, 4, *shape))


@pytest.mark.parametrize("counts", [random_spikes, counted])
@pytest.mark.parametrize("low", [0, -1])
@pytest.mark.parametrize("active", [None, [0, 3, STEPS, 7]])
def test_events_are_recorded_as_dense_spikes_are(counts, low, active):
    spikes = {"hidden": counts(5, low=low), "out": counts(2, low=low)}
    options = {
        "fanout_n_l": {"hidden": np.array([2, 0, 1, 2, 2])},
        "record": ("spiketrains",),
        "num_active_steps_b": None if active is None else np.array(active),
    }
    dense, events = recorder(**options), recorder(**options)
    for name, spikes_t_b_l in spikes.items():
        dense.spikes(name, 0, spikes_t_b_l)
        found = listed(spikes_t_b_l)
        late = found.step_e >= 5  # two calls, the later steps first; then samples apart
        first = found.sample_e % 2 == 0
        for chosen in (late, ~late & first, ~late & ~first):
            events.events(name, *(part[chosen] for part in found))
    expected, actual = dense.finish(), events.finish()
    np.testing.assert_array_equal(actual.output_b_l_t, expected.output_b_l_t)
    for field in ("spikecounts_n_b_l", "num_spikes_n_b", "synaptic_operations_n_b_t"):
        wanted, found = getattr(expected, field), getattr(actual, field)
        assert set(found) == set(wanted)
        for name, values in wanted.items():
            np.testing.assert_array_equal(found[name], values)
    for name, values in expected.spiketrains_n_b_l_t.items():
        np.testing.assert_array_equal(actual.spiketrains_n_b_l_t[name], values)


def test_several_spikes_in_a_step_are_kept_and_cost_several_times():
    part = recorder(fanout_n_l={"hidden": np.array([2, 0, 1, 2, 2])}, record=("spiketrains",))
    spikes = np.zeros((STEPS, 4, 5), np.int64)
    spikes[3, 2, :3] = [3, 1, -2]
    part.spikes("hidden", 0, spikes)
    part.events("out", *(np.array([k] * 200) for k in (1, 4, 0)))
    recording = part.finish()
    np.testing.assert_array_equal(
        recording.spiketrains_n_b_l_t["hidden"], np.moveaxis(spikes, 0, -1)
    )
    assert recording.spikecounts_n_b_l["hidden"][2].tolist() == [3, 1, -2, 0, 0]
    assert recording.num_spikes_n_b["hidden"].tolist() == [0, 0, 6, 0]
    assert recording.synaptic_operations_b_t[2, 3] == 3 * 2 + 1 * 0 + 2 * 1
    assert recording.output_b_l_t[1, 0, 4] == 200  # more than int8 holds


def test_a_floating_value_is_what_one_spike_carries():
    part = recorder(fanout_n_l={"hidden": np.array([2, 0, 1, 2, 2])}, record=("spiketrains",))
    spikes = np.zeros((STEPS, 4, 5), np.float32)
    spikes[3, 2, :3] = [2.5, 0.25, -1.5]
    part.spikes("hidden", 0, spikes)
    part.spikes("out", 0, random_spikes(2))
    recording = part.finish()
    assert recording.spiketrains_n_b_l_t["hidden"][2, :, 3].tolist() == [1, 1, -1, 0, 0]
    assert recording.spikecounts_n_b_l["hidden"][2].tolist() == [1, 1, -1, 0, 0]
    assert recording.synaptic_operations_b_t[2, 3] == 2 + 0 + 1


def test_input_events_are_recorded_as_dense_input_is():
    options = {"fanout_n_l": {"00Input_3": np.array([5, 1, 2])}, "record": ("input",)}
    dense, events = recorder(**options), recorder(**options)
    input_t_b_l = random_spikes(3, low=-1) * np.float32(0.5)
    dense.input(0, input_t_b_l, spiking=True)
    step, sample, cell = np.nonzero(input_t_b_l)
    events.input_events(sample, step, cell, input_t_b_l[step, sample, cell])
    found = []
    for part in (dense, events):
        part.spikes("out", 0, random_spikes(2))
        found.append(part.finish())
    expected, actual = found
    np.testing.assert_array_equal(actual.input_b_l_t, expected.input_b_l_t)
    np.testing.assert_array_equal(actual.synaptic_operations_b_t, expected.synaptic_operations_b_t)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (([4], [0], [0]), "with sample 4 to 4; expected 0 to 3"),
        (([0, 0], [2, 11], [0, 0]), "with step 2 to 11; expected 0 to 10"),
        (([0], [0], [-1]), "with cell -1 to -1; expected 0 to 4"),
        (([0], [0], [0], [2]), "signs other than 1 and -1"),
    ],
)
def test_impossible_events_are_errors(events, message):
    with pytest.raises(SimulationError, match=message):
        recorder().events("hidden", *(np.array(part) for part in events))


def recorder_of(*, record=(), steps=4):
    """Return a recorder of two samples for a layer of three neurons with two synapses each."""
    network = NetworkBuilder((2,)).dense(np.ones((2, 3))).dense(np.ones((3, 2))).build()
    fanout = {name: np.full(size, 10) for name, size in (("00Input_2", 2), ("01Dense_3", 3))}
    return Recorder(network, batch_size=2, num_steps=steps, record=record, fanout_n_l=fanout)


def finish(recorder):
    recorder.events("02Dense_2", *[np.zeros(0, int)] * 3)
    return recorder.finish()


def test_input_spikes_of_a_cell_in_one_step_add_up():
    recorder = recorder_of(record=("input",))
    both = np.array([1, 1])
    recorder.input_events(both * 0, both, both, np.float32([0.5, 0.25]))
    recorder.input_events(both * 0, both, both)
    found = finish(recorder)
    assert found.input_b_l_t[0, 1].tolist() == [0, 2.75, 0, 0]
    assert found.synaptic_operations_n_b_t["00Input_2"][0].tolist() == [0, 40, 0, 0]


def test_an_input_value_of_0_is_no_spike():
    recorder = recorder_of()
    recorder.input_events(np.array([0]), np.array([1]), np.array([1]), np.float32([0]))
    assert not finish(recorder).synaptic_operations_b_t.any()


@pytest.mark.parametrize("record", [(), ("spiketrains",)])
def test_spikes_of_both_signs_in_one_step_are_refused_whatever_is_recorded(record):
    both = np.array([1, 1])
    with pytest.raises(SimulationError, match=r"layer '01Dense_3' in the same step"):
        recorder_of(record=record).events("01Dense_3", both, both, both, np.array([1, -1]))
    # other neurons, steps and samples have signs of their own
    recorder_of(record=record).events("01Dense_3", both, both, np.array([1, 2]), np.array([1, -1]))


def test_operations_add_up_as_counts_do():
    recorder = recorder_of(record=("spiketrains",))
    one = np.array([0])
    recorder.events("01Dense_3", one, one, one)
    recorder.spikes("01Dense_3", 0, np.ones((1, 2, 3), np.int8))
    found = finish(recorder)
    assert found.spikecounts_n_b_l["01Dense_3"].tolist() == [[2, 1, 1], [1, 1, 1]]
    assert found.synaptic_operations_n_b_t["01Dense_3"][:, 0].tolist() == [40, 30]


@pytest.mark.parametrize("dtype", ["u1", "u8", "i8"])
def test_events_may_have_any_whole_numbers(dtype):
    recorder = recorder_of()
    recorder.events("01Dense_3", *np.array([[1], [2], [2]], dtype))
    assert finish(recorder).spikecounts_n_b_l["01Dense_3"].tolist() == [[0, 0, 0], [0, 0, 1]]


def test_an_empty_list_is_no_spike():
    recorder = recorder_of()
    recorder.events("01Dense_3", np.array([]), np.array([]), np.array([]))
    assert not finish(recorder).spikecounts_n_b_l["01Dense_3"].any()
