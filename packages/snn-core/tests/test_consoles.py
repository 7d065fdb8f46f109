import io

import pytest
from rich.console import Console

from snn_core import consoles

NAME = "a:x:b[red]c[/red]"


@pytest.fixture
def drawn(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100)
    monkeypatch.setattr(consoles, "stderr_console", lambda: console)
    return file


def test_names_in_a_status_are_shown_as_they_are(drawn):
    with consoles.show_status("reading", quiet=True) as show:
        show("drawing")
    assert not drawn.getvalue()
    with consoles.show_status(f"reading {NAME}"):
        pass
    assert f"reading {NAME}" in drawn.getvalue()
    with consoles.show_status("reading") as show:
        show(f"drawing {NAME}")
    assert f"drawing {NAME}" in drawn.getvalue()


@pytest.mark.parametrize("made", [consoles.stdout_console, consoles.wide_console])
def test_names_on_standard_output_are_shown_as_they_are(made, capsys):
    made().print(NAME)
    assert capsys.readouterr().out == f"{NAME}\n"


def test_names_on_standard_error_are_shown_as_they_are(capsys):
    consoles.stderr_console().print(NAME)
    assert capsys.readouterr().err == f"{NAME}\n"
