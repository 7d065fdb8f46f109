"""Phases of long work and the seconds that they took."""

from __future__ import annotations

from snn_core.phases import Watch, advance, phase, watch


def test_phases_are_shown_as_they_change() -> None:
    shown: list[str] = []

    @phase("normalizing")
    def normalize() -> int:
        advance(16, 40)
        return 3

    with watch(shown.append):
        assert normalize() == 3
        with phase("writing"), phase("packing"):
            pass
    assert shown == [
        "normalizing", "normalizing (16 of 40 samples)", "writing", "packing", "writing"
    ]  # fmt: skip


def test_a_phase_does_not_count_those_inside_it() -> None:
    now = 0.0
    found = Watch(clock=lambda: now)
    now = 0.5
    found.enter("reading")
    now = 3.5
    found.enter("unpacking")
    now = 4.5
    found.leave()
    now = 6.5
    found.leave()
    now = 10.5
    found.enter("writing")
    now = 12.5
    found.leave()
    now = 13.0
    found.stop()
    assert found.seconds == {"the rest": 5.0, "reading": 5.0, "unpacking": 1.0, "writing": 2.0}
    assert str(found) == "13 s: reading 5 s, unpacking 1 s, writing 2 s, the rest 5 s"
    assert (
        found.in_full() == "13.0 s: reading 5.0 s, unpacking 1.0 s, writing 2.0 s, the rest 5.0 s"
    )


def test_short_phases_are_not_worth_a_word() -> None:
    found = Watch(seconds={"reading": 5.0, "applying lossy passes": 0.25, "writing": 0.75})
    assert str(found) == "6 s: reading 5 s, writing 1 s"
    assert found.in_full() == "6.0 s: reading 5.0 s, applying lossy passes 0.2 s, writing 0.8 s"
    assert str(Watch(seconds={"reading": 0.25})) == "0 s"


def test_phases_end_with_their_errors() -> None:
    with watch() as found:
        try:
            with phase("reading"):
                raise ValueError
        except ValueError:
            pass
        with phase("writing"):
            pass
    assert list(found.seconds) == ["the rest", "reading", "writing"]


def test_nobody_has_to_listen() -> None:
    with phase("reading"):
        advance(1, 2)
