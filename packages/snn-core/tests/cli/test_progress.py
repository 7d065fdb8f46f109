import io

from rich.console import Console

from snn_core.cli import common
from snn_core.phases import phase


def test_the_bar_of_a_run_says_what_the_simulator_is_busy_with(monkeypatch):
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=100)
    monkeypatch.setattr(common, "stderr_console", lambda: console)
    with common.progress_bar("loihi") as advance:
        with phase("compiling"):
            assert "compiling" in drawn.getvalue()
        advance(1, 2, 0.5)
        assert drawn.getvalue().rindex("loihi") > drawn.getvalue().rindex("compiling")
