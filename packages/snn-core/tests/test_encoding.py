import numpy as np
import pytest

from snn_core.encoding import InputSignal
from snn_core.errors import SettingsError
from snn_core.settings import Settings


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
