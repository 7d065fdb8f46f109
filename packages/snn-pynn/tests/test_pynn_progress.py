import logging

from snn_pynn import progress
from snn_pynn.progress import Progress


def test_a_callback_lets_pieces_grow_to_the_time_between_interruptions(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    asked = []
    callback = Progress(1.0, duration_ms=1e6, checkpoint=lambda: asked.append(0))
    t, pieces = 0.0, []
    for _ in range(6):
        following = callback(t)
        pieces.append(following - t)
        now[0] += (following - t) * 1e-4  # a step takes a tenth of a millisecond
        t = following
    assert pieces[:3] == [4, 40, 400]
    assert pieces[-1] == progress.PIECE_S / 1e-4
    assert len(asked) == 6


def test_a_long_run_tells_how_far_it_is(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    callback = Progress(1.0, duration_ms=100.0, checkpoint=lambda: None)
    with caplog.at_level(logging.INFO, logger="snn_pynn"):
        callback(50.0)
        now[0] = progress.TELL_S + 1
        callback(75.0)
    assert [record.getMessage() for record in caplog.records] == ["simulated 25 of 100 ms"]


def test_pieces_of_short_runs_do_not_grow_beyond_a_run(monkeypatch):
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 0.0)
    steps = progress.FIRST_STEPS
    for _ in range(400):  # one short run after the other, each with the piece of the one before
        callback = Progress(1.0, duration_ms=32.0, checkpoint=lambda: None, steps=steps)
        callback(0.0)
        callback(1.0)
        steps = callback.steps
    assert steps == 32
