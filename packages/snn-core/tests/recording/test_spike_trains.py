import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from snn_core.errors import ArtifactError
from snn_core.recording.spike_trains import CompactSpikes, compact, joined_in_time, smaller_form


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
    again = CompactSpikes.from_arrays(found.arrays())
    np.testing.assert_array_equal(again.dense(), dense)
    parts = [dense[:cut], dense[cut:]]
    joined = joined_in_time([compact(part, form=form) for part in parts if len(part)])
    np.testing.assert_array_equal(joined.dense(), dense)


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
    ],
    ids=str,
)
def test_damage_is_found(change):
    dense = np.zeros((2, 1, 5), np.int8)
    dense[0, 0, 2] = 1
    arrays = {**compact(dense, form="events").arrays(), **change}
    with pytest.raises(ArtifactError, match="damaged"):
        CompactSpikes.from_arrays({k: a for k, a in arrays.items() if a is not None})
