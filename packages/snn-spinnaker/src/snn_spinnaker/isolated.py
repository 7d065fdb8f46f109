"""sPyNNaker in a process, a home and a working folder of its own.

sPyNNaker reads its configuration from the home and the current folder, writes a template and exits
where there is none, and leaves its reports in the current folder. Here it gets a temporary folder
for all of that; the user's are neither read nor written.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from snn_core.errors import DataError, SimulationError, SimulatorImportError
from snn_core.files import make_folder
from snn_core.installing import how_to_install
from snn_spinnaker.job import Job, write_file, write_job
from snn_spinnaker.options import SpinnakerOptions

logger = logging.getLogger(__name__)

CONFIGURATION = """\
[Machine]
{machine}
[Mode]
mode = Info
[Java]
use_java = False
"""

EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception): \S")
"""Beginning of the line of a traceback that tells its cause."""

TOLD = 12
"""Last lines of what sPyNNaker wrote that an error without an exception shows."""


def require_spynnaker() -> None:
    """Make sure that sPyNNaker is installed, without importing it.

    Raises
    ------
    SimulatorImportError
        Says how to install it.
    """
    if find_spec("spynnaker") is None:
        raise SimulatorImportError(
            f"sPyNNaker is not installed, with which networks are mapped and run on boards. "
            f"{how_to_install('snn-spinnaker', extra='board')} The emulation needs nothing else."
        )


def machine_settings(options: SpinnakerOptions, *, virtual: bool) -> str:
    """Return the section ``[Machine]`` of sPyNNaker's configuration."""
    if virtual:
        return f"virtual_board = True\nversion = {options.version}\n"
    if options.spalloc_server:
        user = options.spalloc_user or "snn"
        return (
            f"spalloc_server = {options.spalloc_server}\nspalloc_port = {options.spalloc_port}\n"
            f"spalloc_user = {user}\n"
        )
    return f"machine_name = {options.machine_name}\nversion = {options.version}\n"


def write_configuration(
    folder: Path, options: SpinnakerOptions, *, virtual: bool, overwrite: bool = False
) -> None:
    """Write sPyNNaker's configuration into a folder.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    configuration = CONFIGURATION.format(machine=machine_settings(options, virtual=virtual))
    write_file(folder / "spynnaker.cfg", configuration.encode(), overwrite=overwrite)


@contextmanager
def job_folder(job: Job, options: SpinnakerOptions, *, virtual: bool) -> Iterator[Path]:
    """Yield a temporary folder with a network and the configuration; it is deleted afterwards.

    Raises
    ------
    DataError
        If there is no folder for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="snn-spinnaker-"))
    except OSError as error:
        raise DataError(
            f"There is no folder for temporary files, which sPyNNaker needs ({error}); set TMPDIR "
            f"to one that can be written."
        ) from error
    try:
        write_job(folder, job)
        for name in ("home", "work"):
            (folder / name).mkdir()
        (folder / "home" / ".spynnaker.cfg").touch()
        write_configuration(folder / "work", options, virtual=virtual)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_script(folder: Path, what: str, options: SpinnakerOptions) -> None:
    """Run the script of a job folder.

    Parameters
    ----------
    what
        ``"map"``, ``"run"`` or ``"build"``.

    Raises
    ------
    SimulatorImportError
        If sPyNNaker is not installed.
    SimulationError
        If it fails, or takes too long; with the cause.
    """
    require_spynnaker()
    own = {"HOME": str(folder / "home"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    drop = {"XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"}
    inherited = {name: value for name, value in os.environ.items() if name not in drop}
    command = [sys.executable, str(folder / "plain.py"), what, str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder / "work",
            env=inherited | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=options.timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SimulationError(
            f"sPyNNaker took more than spinnaker.timeout = {options.timeout:g} seconds and was "
            f"stopped; raise it, or take a smaller network."
        ) from error
    finally:
        _keep_reports(folder, options)
    if done.returncode:
        raise SimulationError(_failure(done.stdout, options))


def _failure(output: str, options: SpinnakerOptions) -> str:
    """Return why sPyNNaker failed, as far as its output tells."""
    # What it says about its warnings afterwards hides the reason.
    told = output.partition("!WARNING")[0]
    lines = [line for line in told.splitlines() if line.strip()]
    logger.info("sPyNNaker's output:\n%s", told)
    causes = [line for line in lines if EXCEPTION.match(line)]
    if not causes:
        return "sPyNNaker failed; its last lines are:\n  " + "\n  ".join(lines[-TOLD:])
    reason = f"sPyNNaker failed: {causes[-1].strip()}"
    if options.on_board:
        place, where = ("spalloc_server", options.spalloc_server)
        if not where:
            place, where = "machine_name", options.machine_name
        reason += f"\nIt was told to use spinnaker.{place} = {where!r}; see that it can be reached."
    return f"{reason}\nIts whole output is in the log (snn run --verbose)."


def _keep_reports(folder: Path, options: SpinnakerOptions) -> None:
    """Copy sPyNNaker's reports to where the user wants them."""
    if options.reports and (folder / "work" / "reports").is_dir():
        target = Path(options.reports).expanduser()
        make_folder(target)
        try:
            shutil.copytree(folder / "work" / "reports", target, dirs_exist_ok=True)
        except OSError as error:
            raise DataError(f"sPyNNaker's reports cannot be kept in {target}: {error}.") from error
