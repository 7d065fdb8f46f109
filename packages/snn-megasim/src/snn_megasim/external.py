"""MegaSim itself: finding its executable, running a directory, reading what it wrote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from snn_core.errors import SettingsError, SimulationError
from snn_megasim.files import SCHEMATIC, EventList, MegaSimFileError, event_file
from snn_megasim.files.lines import Lines
from snn_megasim.files.stimulus import parse_events

NAME = "megasim"

MOST_SHOWN = 500
"""Letters of MegaSim's output that an error shows."""

PART_BYTES = 1 << 16
"""Bytes of MegaSim's output that are read at a time."""

PAUSE_S = 0.1
"""Seconds between looks at a program that runs."""


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


def run_megasim(
    executable: Path,
    folder: Path,
    *,
    time_limit_s: float,
    checkpoint: Callable[[], None] = lambda: None,
) -> None:
    """Run MegaSim in a directory, and end whatever it started.

    Parameters
    ----------
    checkpoint
        Called while it runs; what it raises ends the run.

    Raises
    ------
    SimulationError
        If it fails, says that it met an error, or does not end in time.
    """
    try:
        process = subprocess.Popen(
            [executable, SCHEMATIC],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a script in front of it cannot leave it behind
        )
    except OSError as error:
        raise SimulationError(
            f"MegaSim cannot be started: {executable}: {error.strerror or error}."
        ) from error
    output = Output(process)
    try:
        deadline = time.monotonic() + time_limit_s
        while not output.is_complete(within_s=PAUSE_S):
            checkpoint()
            if time.monotonic() > deadline:
                raise SimulationError(
                    f"MegaSim did not end within {time_limit_s:g} s and was stopped. Raise "
                    f"megasim.time_limit_s, or simulate fewer samples at a time (--batch-size)."
                    f"{_said(output.end)}"
                )
    finally:
        _end(process)
        output.close()
    if process.returncode != 0:
        raise SimulationError(
            f"MegaSim ended with status {process.returncode} in {folder}.{_said(output.end)}"
        )
    if output.error is not None:
        check_megasim_output(output.error.decode(errors="replace"))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and, where the system knows groups of them, all that it started."""
    with suppress(OSError):  # nothing is left of it
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    process.wait()


class Output:
    """What a program prints, of which only the end and its first error are kept.

    Parameters
    ----------
    process
        A program that prints into a pipe.

    Attributes
    ----------
    end
        The last that it printed.
    error
        The place at which it first said that it met an error, ``None`` if it did not.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.end = b""
        self.error: bytes | None = None
        self._process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        pipe = self._process.stdout
        assert pipe is not None, "opened with the program"  # noqa: S101
        with pipe, suppress(OSError, ValueError):  # closed under the reader
            while part := os.read(pipe.fileno(), PART_BYTES):
                seen = self.end + part
                place = seen.lower().find(b"error")
                if self.error is None and place >= 0:
                    self.error = seen[max(0, place - MOST_SHOWN // 2) :][:MOST_SHOWN]
                elif self.error is not None:
                    self.error = (self.error + part)[:MOST_SHOWN]
                self.end = seen[-4 * MOST_SHOWN :]  # a letter takes up to four bytes

    def is_complete(self, *, within_s: float) -> bool:
        """Return whether the program, and what it started, have ended; wait for it a little."""
        self._reader.join(within_s)
        return not self._reader.is_alive() and self._process.poll() is not None

    def close(self) -> None:
        """Take what is left in the pipe of a program that was ended."""
        self._reader.join(PAUSE_S)


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
