import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_core.data.events import CellEvents, schedule


def cell_events(cells, times, signs=None):
    return CellEvents(
        cell_e=np.array(cells, np.int64),
        sign_e=np.array(signs or [1] * len(cells), np.int8),
        t_us_e=np.array(times, np.int64),
        shape=(8,),
    )


def spikes(plan):
    return list(zip(plan.step_e.tolist(), plan.cell_e.tolist(), plan.sign_e.tolist(), strict=True))


def test_a_step_delivers_its_own_time():
    events = cell_events([1, 2, 1, 3], [500, 509, 510, 539], [1, -1, 1, 1])
    plan = schedule(events, num_steps=10, width_us=10.0)
    assert spikes(plan) == [(0, 1, 1), (0, 2, -1), (1, 1, 1), (3, 3, 1)]
    assert plan.num_windows == 4


YEARS_US = 2**61


def test_times_of_centuries_are_spread_as_short_ones_are():
    """Times by steps are beyond int64 there."""
    cells = [0, 1, 2, 3]
    short = schedule(cell_events(cells, [0, 1, 2, 3]), num_steps=12, width_us=None)
    times = [i * YEARS_US // 2 for i in range(4)]
    long = schedule(cell_events(cells, times), num_steps=12, width_us=None)
    assert spikes(short) == [(0, 0, 1), (3, 1, 1), (6, 2, 1), (9, 3, 1)]
    assert spikes(long) == [(0, 0, 1), (3, 1, 1), (7, 2, 1), (11, 3, 1)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("width", [1e-9, 1e-3, 1e9])
def test_steps_of_any_width_have_room_for_any_time(width):
    plan = schedule(cell_events([0, 1], [0, YEARS_US]), num_steps=4, width_us=width)
    assert spikes(plan) == [(0, 0, 1)]
    assert plan.num_windows == int(YEARS_US // width) + 1


def test_an_event_waits_while_its_cell_is_taken():
    # Cell 0 has three events in step 0 and one in step 1; cell 1 is not affected.
    events = cell_events([0, 0, 0, 1, 0], [0, 1, 2, 3, 12])
    plan = schedule(events, num_steps=10, width_us=10.0)
    assert spikes(plan) == [(0, 0, 1), (0, 1, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1)]


def test_what_comes_after_the_last_step_is_not_delivered():
    events = cell_events([0, 1, 2], [0, 15, 25])
    assert spikes(schedule(events, num_steps=2, width_us=10.0)) == [(0, 0, 1), (1, 1, 1)]
    assert schedule(events, num_steps=2, width_us=10.0).num_windows == 3


def test_a_sample_without_given_width_fills_the_run():
    # 100 µs in 4 steps: 25 µs each.
    events = cell_events([0, 1, 2, 3], [0, 24, 25, 99])
    plan = schedule(events, num_steps=4, width_us=None)
    assert spikes(plan) == [(0, 0, 1), (0, 1, 1), (1, 2, 1), (3, 3, 1)]
    assert plan.num_windows == 4


def test_waiting_events_that_would_miss_the_end_come_earlier():
    events = cell_events([7, 0, 0, 0], [0, 97, 98, 99])
    plan = schedule(events, num_steps=4, width_us=None)
    assert spikes(plan) == [(0, 7, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1)]


def test_a_cell_with_more_events_than_steps_spikes_in_every_step():
    plan = schedule(cell_events([5] * 9, range(9)), num_steps=4, width_us=None)
    assert spikes(plan) == [(t, 5, 1) for t in range(4)]


def test_a_sample_without_events_is_silent():
    plan = schedule(cell_events([], []), num_steps=4, width_us=None)
    assert spikes(plan) == []
    assert plan.num_windows == 4


EVENTS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 200)), max_size=60)


def one_by_one(events, num_steps, width_us):
    """Deliver events as an event-driven system would: a queue for each cell."""
    queues = {cell: [] for cell in range(8)}
    for cell, t in zip(events.cell_e.tolist(), events.t_us_e.tolist(), strict=True):
        queues[cell].append(int((t - events.t_us_e[0]) // width_us))
    found = []
    for step in range(num_steps):
        for cell, queue in queues.items():
            if queue and queue[0] <= step:
                queue.pop(0)
                found.append((step, cell, 1))
    return found


@given(rows=EVENTS, num_steps=st.integers(1, 12), width=st.sampled_from([1.0, 7.0, 20.0, 300.0]))
def test_the_schedule_is_that_of_a_queue_for_each_cell(rows, num_steps, width):
    rows = sorted(rows, key=lambda row: row[1])
    events = cell_events([cell for cell, _ in rows], [t for _, t in rows])
    plan = schedule(events, num_steps=num_steps, width_us=width)
    assert sorted(spikes(plan)) == sorted(one_by_one(events, num_steps, width))


@given(rows=EVENTS, num_steps=st.integers(1, 12))
def test_spread_samples_lose_only_what_has_no_room(rows, num_steps):
    rows = sorted(rows, key=lambda row: row[1])
    events = cell_events([cell for cell, _ in rows], [t for _, t in rows])
    plan = schedule(events, num_steps=num_steps, width_us=None)
    expected = np.minimum(np.bincount(events.cell_e, minlength=8), num_steps)
    np.testing.assert_array_equal(np.bincount(plan.cell_e, minlength=8), expected)
    assert len(set(spikes(plan))) == len(plan.step_e)  # one spike per cell and step
    assert (np.diff(plan.step_e) >= 0).all()
