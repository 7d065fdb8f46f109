import io

import pytest
from rich.console import Console

from snn_core.cli import common
from snn_core.phases import phase, watch


@pytest.fixture
def drawn(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100)
    monkeypatch.setattr(common, "stderr_console", lambda: console)
    return file


def test_the_bar_of_a_run_says_what_the_simulator_is_busy_with(drawn):
    with common.progress_bar("loihi"), phase("simulating"):
        with phase("compiling"):
            assert "compiling" in drawn.getvalue()
        assert drawn.getvalue().rindex("simulating") > drawn.getvalue().rindex("compiling")


def test_the_bar_counts_the_time_for_who_watches_already(drawn):
    told = []
    with watch(told.append) as watched:
        with common.progress_bar("loihi"), phase("compiling"):
            assert "compiling" in drawn.getvalue()
        with phase("writing"):
            assert told == ["writing"]
    assert set(watched.seconds) >= {"compiling", "writing"}
