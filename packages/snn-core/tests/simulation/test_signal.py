from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_core.data.events import CellEvents, scaled_frame
from snn_core.errors import DataError, SettingsError
from snn_core.settings import Settings
from snn_core.simulation import signal as signal_module
from snn_core.simulation.signal import InputSignal


def signal(x_b_l, encoding, *, steps=1000, dt=1.0, ids=None, seed=0, **options):
    settings = Settings.of(
        {
            "input": {"encoding": encoding, **options},
            "simulation": {"duration": steps * dt, "dt": dt},
        }
    )
    x_b_l = np.asarray(x_b_l, np.float32)
    ids = range(len(x_b_l)) if ids is None else ids
    return InputSignal(x_b_l=x_b_l, sample_ids=ids, settings=settings, seed=seed)


def steps_of(part, size=1000):
    return np.concatenate(list(part.chunks(size)))


def test_constant_current_is_the_sample_times_dt():
    found = steps_of(signal([[0.5, -1]], "constant", steps=3, dt=0.25))
    np.testing.assert_array_equal(found, [[[0.125, -0.25]]] * 3)


@pytest.mark.parametrize("encoding", ["constant", "poisson", "regular"])
def test_chunks_of_any_size_give_the_same_input(encoding):
    parts = [steps_of(signal([[0.3, 0.7]], encoding, steps=10), size) for size in (1, 3, 10, 99)]
    for part in parts:
        np.testing.assert_array_equal(part, parts[0])
    sizes = [len(part) for part in signal([[1]], encoding, steps=10).chunks(4)]
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize(
    ("dt", "rate"), [(1.0, 1000.0), (0.5, 1000.0), (0.25, 200.0), (2.0, 100.0)]
)
def test_the_mean_poisson_input_per_ms_is_the_sample(dt, rate):
    steps, x = 20_000, np.array([0.1, 0.5, -0.8])
    found = steps_of(signal([x], "poisson", steps=steps, dt=dt, input_rate=rate))
    mean_per_ms = found.mean(axis=0)[0] / dt
    # Spikes carry a = 1000 / rate with probability p = |x| rate dt / 1000, so the standard error
    # of the mean is a sqrt(p (1 - p) / steps) / dt; five of them fail once in two million runs.
    p = np.abs(x) * rate * dt / 1000
    error = 1000 / rate * np.sqrt(p * (1 - p) / steps) / dt
    assert (np.abs(mean_per_ms - x) <= 5 * error).all()
    assert set(np.unique(np.abs(found))) == {0, np.float32(1000 / rate)}


def test_a_sample_draws_its_own_numbers_whatever_the_batch():
    x = np.full((3, 50), 0.5)
    together = steps_of(signal(x, "poisson", steps=20, ids=[7, 8, 9]))
    alone = steps_of(signal(x[:1], "poisson", steps=20, ids=[8]))
    np.testing.assert_array_equal(together[:, 1], alone[:, 0])
    assert not np.array_equal(together[:, 0], together[:, 1])
    other = steps_of(signal(x[:1], "poisson", steps=20, ids=[8], seed=1))
    assert not np.array_equal(other, alone)


def test_one_bright_sample_does_not_dim_the_others():
    dim, bright = [0.5, 0.25], [4, 2]
    amplitude = signal([dim, bright], "regular").amplitude_b
    np.testing.assert_array_equal(amplitude, [1, 4])
    together = steps_of(signal([dim, bright], "regular", steps=8))
    np.testing.assert_array_equal(together[:, :1], steps_of(signal([dim], "regular", steps=8)))
    np.testing.assert_array_equal(together.sum(axis=0), [[4, 2], [32, 16]])  # 8 steps of the sample


def test_poisson_input_ends_after_the_given_number_of_events():
    part = signal(np.full((2, 10), 0.9), "poisson", steps=50, num_poisson_events_per_sample=20)
    events_t_b = (steps_of(part) != 0).sum(axis=2)
    before = events_t_b.cumsum(axis=0)
    for b in range(2):
        last = int(np.argmax(before[:, b] >= 20))  # the step that reaches the limit is whole
        assert events_t_b[: last + 1, b].all()
        assert not events_t_b[last + 1 :, b].any()


def test_a_poisson_rate_beyond_one_spike_per_step_is_refused():
    with pytest.raises(SettingsError, match=r"ask for 4 spikes per step; expected at most 1"):
        steps_of(signal([[0.5]], "poisson", dt=2.0, input_rate=2000.0))


def test_regular_spikes_are_evenly_spaced():
    found = steps_of(signal([[0.25, 0.5, -1, 0]], "regular", steps=8))[:, 0]
    np.testing.assert_array_equal(found[:, 0], [0, 0, 0, 1, 0, 0, 0, 1])
    np.testing.assert_array_equal(found[:, 1], [0, 1] * 4)
    np.testing.assert_array_equal(found[:, 2], [-1] * 8)
    assert not found[:, 3].any()


def test_regular_spikes_at_half_a_millisecond_come_half_as_often():
    found = steps_of(signal([[1.0]], "regular", steps=8, dt=0.5))[:, 0, 0]
    np.testing.assert_array_equal(found, [0, 1] * 4)


def cell_events(cells, times_us, *, signs=None, shape=(4,)):
    return CellEvents(
        cell_e=np.array(cells, np.int64),
        sign_e=np.array(signs or [1] * len(cells), np.int8),
        t_us_e=np.array(times_us, np.int64),
        shape=shape,
    )


def event_signal(events_b, *, steps, dt=1.0, **options):
    x_b_l = np.stack([scaled_frame(events) for events in events_b])
    part = signal(x_b_l, "constant", steps=steps, dt=dt)
    settings = part.settings.updated({"input": {"encoding": "events", **options}})
    return replace(part, settings=settings, events_b=events_b)


def test_events_come_in_the_step_of_their_time():
    # Cell 2 has two events, so an event carries 3 steps * 1 ms / 2.
    events = cell_events([2, 0, 2], [100, 1150, 2300], signs=[1, -1, 1])
    found = steps_of(event_signal([events], steps=4, eventframe_width=1000.0))[:, 0]
    a = 1.5
    np.testing.assert_array_equal(found, [[0, 0, a, 0], [-a, 0, 0, 0], [0, 0, a, 0], [0] * 4])


@pytest.mark.parametrize(("steps", "dt"), [(8, 1.0), (16, 0.25), (64, 2.0)])
def test_the_mean_input_of_events_is_the_frame(steps, dt):
    rng = np.random.default_rng(0)
    cells, times_us = rng.integers(0, 4, 16), np.sort(rng.integers(0, 9000, 16))
    part = event_signal([cell_events(cells, times_us)], steps=steps, dt=dt)
    largest = np.bincount(cells).max()
    assert part.amplitude_b == np.float32(steps * dt / largest)
    mean_per_ms = steps_of(part).sum(axis=0) / (steps * dt)
    # The amplitude is rounded to float32 once, and sums of up to 8 of it are.
    np.testing.assert_allclose(mean_per_ms, part.x_b_l, rtol=1e-6)


def test_what_an_event_carries_can_be_given():
    part = event_signal([cell_events([1], [0])], steps=2, event_amplitude=0.5)
    np.testing.assert_array_equal(part.amplitude_b, [0.5])
    assert steps_of(part).tolist() == [[[0, 0.5, 0, 0]], [[0] * 4]]


def test_a_longer_run_begins_like_a_shorter_one_if_the_width_is_given():
    events = cell_events([0, 1, 1, 3, 0], [0, 20, 21, 35, 70])
    short, long = (
        steps_of(event_signal([events], steps=n, eventframe_width=10.0)) for n in (4, 12)
    )
    np.testing.assert_array_equal(long[:4], short)


SAMPLES = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), max_size=12), min_size=1, max_size=4
)


@given(rows_b=SAMPLES, width=st.sampled_from([None, 10.0]), size=st.integers(1, 9))
def test_events_do_not_depend_on_batch_or_chunks(rows_b, width, size):
    events_b = []
    for rows in rows_b:
        rows = sorted(rows, key=lambda row: row[1])
        events_b.append(cell_events([cell for cell, _ in rows], [t for _, t in rows]))
    together = steps_of(event_signal(events_b, steps=7, eventframe_width=width), size)
    for b, events in enumerate(events_b):
        alone = steps_of(event_signal([events], steps=7, eventframe_width=width))
        np.testing.assert_array_equal(together[:, b], alone[:, 0])


def test_samples_without_events_are_refused():
    with pytest.raises(DataError, match=r"samples without events for input.encoding = 'events'"):
        signal([[0.5]], "events", steps=2)
    events = cell_events([1], [0])
    part = event_signal([events], steps=2)
    with pytest.raises(DataError, match=r"events for 2 samples .*; expected 1 of shape \(4,\)"):
        replace(part, events_b=[events, events])


@pytest.mark.parametrize("encoding", ["poisson", "regular"])
def test_listed_input_spikes_are_those_of_the_chunks(encoding, monkeypatch):
    monkeypatch.setattr(signal_module, "EVENTS_BYTES", 100)  # several dense pieces
    part = signal([[0.3, -0.7, 2.0], [0, 0.1, 0.5]], encoding, steps=20)
    assert_same_events(part)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_listed_events_are_those_of_the_chunks(early_stopping):
    events_b = [cell_events([0, 1, 1, 3, 0], [0, 20, 21, 35, 70]), cell_events([2], [50])]
    part = event_signal(events_b, steps=9, eventframe_width=10.0, event_amplitude=0.5)
    simulation = {"early_stopping": early_stopping}
    assert_same_events(replace(part, settings=part.settings.updated({"simulation": simulation})))


def test_a_current_has_no_events():
    with pytest.raises(SettingsError, match="'constant' has no spikes"):
        signal([[0.3]], "constant").events()


def assert_same_events(part):
    sample, step, cell, value = part.events()
    dense = np.zeros((part.num_steps, *part.x_b_l.shape), np.float32)
    found = steps_of(part)
    assert found.any()
    np.add.at(dense.reshape(*dense.shape[:2], -1), (step, sample, cell), value)
    np.testing.assert_array_equal(dense[: len(found)], found)
    assert not dense[len(found) :].any()
