"""MegaSim itself: finding its executable, running a directory, reading what it wrote."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from snn_core.errors import SettingsError, SimulationError
from snn_megasim.files import SCHEMATIC, EventList, MegaSimFileError, event_file
from snn_megasim.files.lines import Lines
from snn_megasim.files.stimulus import parse_events

NAME = "megasim"

MOST_SHOWN = 500
"""Letters of MegaSim's output that an error shows."""


def find_executable(path: str) -> Path:
    """Return MegaSim's executable.

    Parameters
    ----------
    path
        The executable, or the folder that holds it.

    Raises
    ------
    SettingsError
        If there is none, or it cannot be executed.
    """
    if not path:
        raise SettingsError(
            "MegaSim is not configured; expected its executable in megasim.megasim_path or in the "
            "environment variable MEGASIM_PATH. It is not public; engine = 'builtin' needs none."
        )
    found = Path(path).expanduser().absolute()
    if found.is_dir():
        found = found / NAME
    if not found.is_file():
        raise SettingsError(
            f"Found no MegaSim at {found}; expected its executable. Correct megasim.megasim_path, "
            f"or use engine = 'builtin'."
        )
    if not os.access(found, os.X_OK):
        raise SettingsError(f"{found} cannot be executed; allow it (chmod +x) or name another one.")
    return found


def run_megasim(executable: Path, folder: Path, *, time_limit_s: float) -> None:
    """Run MegaSim in a directory.

    Raises
    ------
    SimulationError
        If it fails, says that it met an error, or does not end in time.
    """
    for old in folder.glob("node_*.evs"):  # of an earlier run
        old.unlink()
    try:
        done = subprocess.run(
            [executable, SCHEMATIC],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SimulationError(
            f"MegaSim did not end within {time_limit_s:g} s and was stopped. Raise "
            f"megasim.time_limit_s, or simulate fewer samples at a time (--batch-size)."
            f"{_said(error.stdout or b'')}"
        ) from error
    except OSError as error:
        raise SimulationError(
            f"MegaSim cannot be started: {executable}: {error.strerror or error}."
        ) from error
    if done.returncode != 0:
        raise SimulationError(
            f"MegaSim ended with status {done.returncode} in {folder}.{_said(done.stdout)}"
        )
    check_megasim_output(done.stdout.decode(errors="replace"))


def check_megasim_output(megalog: str) -> None:
    """Raise if MegaSim printed that it met an error.

    Raises
    ------
    SimulationError
        Shows what it printed.
    """
    if "error" in megalog.lower():
        raise SimulationError(f"MegaSim met an error.{_said(megalog.encode())}")


def _said(output: bytes) -> str:
    text = output.decode(errors="replace").strip()
    if not text:
        return " It printed nothing."
    start = "…" if len(text) > MOST_SHOWN else ""
    return f" It printed: {start}{text[-MOST_SHOWN:]}"


def read_events(folder: Path, nodes: Iterable[str]) -> dict[str, EventList]:
    """Return the events that MegaSim wrote for some nodes.

    Raises
    ------
    SimulationError
        Names the files that are missing or hold something else.
    """
    found: dict[str, EventList] = {}
    problems: list[str] = []
    for node in nodes:
        path = folder / event_file(node)
        try:
            found[node] = parse_events(Lines.of(path))
        except MegaSimFileError as error:
            problems += error.problems
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems[:10])
        raise SimulationError(
            f"MegaSim did not write the events of {len(problems)} place(s) in {folder} as "
            f"expected:\n{lines}"
        )
    return found
