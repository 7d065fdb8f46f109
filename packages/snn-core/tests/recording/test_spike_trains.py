import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from snn_core.errors import ArtifactError
from snn_core.recording.spike_trains import (
    CompactSpikes,
    assembled,
    compact,
    of_events,
    smaller_form,
)


def spikes(shape, *, rate, low=0, seed=0):
    rng = np.random.default_rng(seed)
    signs = rng.choice([low or 1, 1], shape)
    return np.where(rng.random(shape) < rate, signs, 0).astype(np.int8)


@given(
    steps=st.integers(1, 9),
    cells=st.integers(0, 40),
    rate=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    low=st.sampled_from([0, -1]),
    form=st.sampled_from([None, "bits", "events"]),
    cut=st.integers(0, 9),
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_round_trip(steps, cells, rate, low, form, cut):
    dense = spikes((steps, 2, cells), rate=rate, low=low)
    found = compact(dense.astype(np.float32), form=form)
    np.testing.assert_array_equal(found.dense(), dense)
    assert found.dense().dtype == np.int8
    np.testing.assert_array_equal(found.number_b, np.abs(dense).sum(axis=(0, 2)))
    again = CompactSpikes.from_arrays(found.arrays())
    np.testing.assert_array_equal(again.dense(), dense)
    parts = [(cut, dense[cut:]), (0, dense[:cut])]
    parts = [(start, compact(part, form=form)) for start, part in parts if len(part)]
    joined = assembled(parts, steps)
    np.testing.assert_array_equal(joined.dense(), dense)
    assert joined.form == compact(dense).form or len(parts) == 1
    listed = of_events((steps, 2, cells), *found._listed(), form=form)
    np.testing.assert_array_equal(listed.dense(), dense)
    for name, array in found.arrays().items():  # the same bytes, whichever way
        np.testing.assert_array_equal(listed.arrays()[name], array)


def test_forms_by_hand():
    dense = np.zeros((3, 1, 9), np.int8)
    dense[0, 0, 8], dense[2, 0, 1] = 1, -1
    events = compact(dense, form="events")
    assert events.cells_e.tolist() == [8, 1]
    assert events.counts_t.tolist() == [1, 0, 1]
    assert events.negative_e.tolist() == [0b01000000]
    bits = compact(dense, form="bits")
    assert bits.bits.tolist() == [[0, 0b10000000], [0, 0], [0b01000000, 0]]
    assert bits.negative_bits.tolist() == [[0, 0], [0, 0], [0b01000000, 0]]
    assert events.nbytes == 2 * 2 + 3 * 4 + 1
    assert bits.nbytes == 2 * 6


def test_the_smaller_form_is_chosen():
    # 100 steps of 8000 cells: 100 000 bytes as bits; as events 400 and 2 for each spike
    assert smaller_form(100, 8000, number=49_799, signed=False) == "events"
    assert smaller_form(100, 8000, number=49_800, signed=False) == "bits"
    # Events of more than 65 536 cells take 4 bytes each.
    assert smaller_form(1, 80_000, number=2_499 - 1, signed=False) == "events"
    assert smaller_form(1, 80_000, number=2_499, signed=False) == "bits"


def test_many_cells_are_numbered():
    dense = np.zeros((2, 1, 70_000), np.int8)
    dense[1, 0, 69_999] = -1
    found = compact(dense)
    assert found.cells_e.dtype == np.uint32
    np.testing.assert_array_equal(found.dense(), dense)


@pytest.mark.parametrize(
    "change",
    [
        {"cells_e": np.array([9], np.uint16)},
        {"cells_e": np.array([0, 1], np.uint16)},
        {"cells_e": np.array([0], np.int16)},
        {"counts_t": np.array([1], np.uint32)},
        {"shape": np.array([3, 1, 5])},
        {"shape": np.array([[2, 1, 5]])},
        {"cells_e": None},
        {"shape": None},
        {"other": np.zeros(1)},
        {"number_e": np.array([2, 2], np.uint8)},
        {"number_e": np.array([2.0])},
    ],
    ids=str,
)
def test_damage_is_found(change):
    dense = np.zeros((2, 1, 5), np.int8)
    dense[0, 0, 2] = 1
    arrays = {**compact(dense, form="events").arrays(), **change}
    with pytest.raises(ArtifactError, match="damaged"):
        CompactSpikes.from_arrays({k: a for k, a in arrays.items() if a is not None})


@given(
    numbers=st.lists(st.integers(-3, 300), min_size=1, max_size=40),
    cut=st.integers(0, 40),
    seed=st.integers(0, 9),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_numbers_of_spikes_survive_being_stored(numbers, cut, seed):
    dense = np.zeros((len(numbers), 2, 3), np.int64)
    dense[np.arange(len(numbers)), 1, np.arange(len(numbers)) % 3] = numbers
    found = compact(dense)
    np.testing.assert_array_equal(found.dense(), dense)
    again = CompactSpikes.from_arrays(found.arrays())
    np.testing.assert_array_equal(again.dense(), dense)
    parts = [(0, dense[:cut]), (cut, dense[cut:])]
    joined = assembled([(start, compact(part)) for start, part in parts if len(part)], len(dense))
    np.testing.assert_array_equal(joined.dense(), dense)
    step, cell = np.nonzero(dense.reshape(len(dense), -1))
    order = np.random.default_rng(seed).permutation(len(step))
    value = dense.reshape(len(dense), -1)[step, cell]
    listed = of_events(dense.shape, step[order], cell[order], value[order])
    np.testing.assert_array_equal(listed.dense(), dense)


@given(
    samples=st.integers(1, 20), cells=st.integers(0, 25), form=st.sampled_from(["bits", "events"])
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_spikes_of_each_sample_are_counted_wherever_it_begins_in_a_byte(samples, cells, form):
    dense = spikes((3, samples, cells), rate=0.4, low=-1, seed=samples)
    found = compact(dense, form=form)
    assert found.form == form
    np.testing.assert_array_equal(found.number_b, np.abs(dense).sum(axis=(0, 2)))
    np.testing.assert_array_equal(compact(3 * dense).number_b, 3 * found.number_b)


def test_numbers_by_hand():
    dense = np.zeros((3, 1, 9), np.int8)
    dense[0, 0, 8], dense[2, 0, 1] = 3, -2
    found = compact(dense, form="bits")  # which cannot hold them
    assert found.form == "events"
    assert found.number_e.tolist() == [3, 2]
    assert found.negative_e.tolist() == [0b01000000]
    assert compact(dense.clip(-1, 1), form="events").number_e is None


def test_a_cell_listed_repeatedly_spikes_as_often():
    step, cell = np.array([1, 0, 1, 1, 0]), np.array([4, 2, 4, 4, 0])
    found = of_events((2, 1, 5), step, cell)
    assert found.dense().tolist() == [[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 3]]]


def test_parts_of_different_samples_add_up():
    dense = spikes((6, 4, 5), rate=0.3, low=-1)
    even = dense * (np.arange(4) % 2 == 0)[:, None]
    parts = [(0, compact(even, form="bits")), (0, compact(dense - even, form="events"))]
    np.testing.assert_array_equal(assembled(parts, 6).dense(), dense)


def test_steps_that_were_never_recorded_are_silent():
    dense = spikes((3, 2, 5), rate=0.5)
    expected = np.zeros((11, 2, 5))
    expected[2:5] = dense
    for form in ("bits", "events"):
        found = assembled([(2, compact(dense, form=form))], 11)
        np.testing.assert_array_equal(found.dense(), expected)


def test_rare_spikes_take_little_space():
    dense = np.zeros((100, 8, 1000), bool)
    dense[::10, :, ::100] = True  # 800 spikes in 800 000 cells
    parts = [(start, compact(dense[start : start + 20])) for start in range(0, 100, 20)]
    assert assembled(parts, 100).nbytes == 800 * 2 + 100 * 4  # float32: 3 200 000, bits: 100 000
