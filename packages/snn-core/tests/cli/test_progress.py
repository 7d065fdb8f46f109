import io

import click
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


def test_names_in_what_moves_are_shown_as_they_are(drawn):
    name = "a:x:b[red]c[/red]"
    with common.progress_bar(name) as advance:
        advance(1, 2, 0.5)
        assert name in drawn.getvalue()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["run", "m.snn", "-o", "r"], "snn run m.snn -o r --resume"),
        (["run", "m.snn", "--resume"], "snn run m.snn --resume"),
        (["-v", "run", "--data", "d", "--", "m.snn"], "snn -v run --resume --data d -- m.snn"),
        (["run", "m.snn", "-o", "--", "-q"], "snn run --resume m.snn -o -- -q"),
        (["run", "--", "--resume"], "snn run --resume -- --resume"),
        (["--", "run", "m.snn"], "snn -- run --resume m.snn"),
        (["run", "a b.snn"], "snn run 'a b.snn' --resume"),
    ],
)
def test_a_flag_is_added_where_the_command_takes_it(given, expected):
    with click.Context(click.Command("snn"), info_name="snn", obj=given):
        assert common.command_line("--resume") == expected


def test_names_of_classes_are_listed_shortly():
    line = common.class_line(["a" * 10**6, *["b"] * 3 * 10**5])
    assert line.startswith("classes: 0 aaa")
    assert line.endswith("19 b, and 299981 more")
    assert len(line) < 200
