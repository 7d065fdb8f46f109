"""Brian2's runtime targets: which one to use, and Brian2's global state around it.

Preferences and the active device are global in Brian2. They are set for the time of a build or a
run only, so that networks of this package and a user's own can live side by side.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from snn_core.errors import DataError, SimulationError, SimulatorImportError
from snn_core.files import make_folder
from snn_core.files.locking import try_lock
from snn_core.installing import how_to_install

logger = logging.getLogger(__name__)

ELSEWHERE = (
    "The option cache_dir in the section [brian2] (--set brian2.cache_dir=DIR) or the environment "
    'variable XDG_CACHE_HOME names another folder; target = "numpy" needs none.'
)
"""How to choose where compiled code goes."""

# Measured on two x86-64 cores with Brian2 2.11, per synapse that transmits a spike, in seconds.
_NUMPY_EVENT_S = 12e-9
_PROGRAM_EVENT_S = 3e-9
_COMPILE_S = 30.0
_TYPICAL_RATE = 0.1
"""Spikes per neuron and step of a converted network."""


def import_brian2() -> None:
    """Import Brian2, and let Python go on showing warnings where it showed them.

    Raises
    ------
    SimulatorImportError
        If it cannot be imported.
    """
    show = warnings.showwarning
    try:
        import brian2  # noqa: F401
    except Exception as error:
        # With a NumPy that is too new or too old, importing fails in various ways.
        raise SimulatorImportError(
            f"Brian2 cannot be imported: {type(error).__name__}: {error}. This chooses a NumPy "
            f"that it works with: {how_to_install('snn-brian2')}"
        ) from error
    if warnings.showwarning is not show:  # all warnings of the process would go to Brian2's log
        logging.captureWarnings(False)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A runtime target, and why.

    Parameters
    ----------
    target
        ``"numpy"``, ``"cython"`` or ``"cpp_standalone"``.
    reason
        For people.
    """

    target: str
    reason: str


def choose(target: str, *, synapses: int, steps: int, samples: int) -> Choice:
    """Return the target to use: the one asked for, or the one that is done first.

    Parameters
    ----------
    target
        As in the options.
    synapses
        Number of synapses that spikes pass.
    steps, samples
        Steps per sample, and samples that are to be simulated.
    """
    if target != "auto":
        return Choice(target=target, reason="asked for")
    events = synapses * _TYPICAL_RATE * steps * samples
    numpy_s, program_s = events * _NUMPY_EVENT_S, events * _PROGRAM_EVENT_S
    work = f"{synapses} synapses, {samples} samples of {steps} steps: about {numpy_s:.0f} s"
    if numpy_s <= program_s + _COMPILE_S:
        return Choice(target="numpy", reason=f"{work}, for which compiling does not pay")
    if not has_compiler():
        return Choice(target="numpy", reason=f"{work}; there is no compiler")
    saved = f"about {_COMPILE_S + program_s:.0f} s with compiling"
    return Choice(target="cpp_standalone", reason=f"{work}, {saved}")


def has_compiler() -> bool:
    """Return whether a C++ compiler and make are at hand."""
    if os.name == "nt":
        return shutil.which("cl") is not None
    return shutil.which("make") is not None and any(
        shutil.which(name) for name in (os.environ.get("CXX"), "g++", "c++", "clang++") if name
    )


@contextmanager
def on_runtime(target: str, cache: Path) -> Iterator[None]:
    """Use one of the targets that run in this process."""
    from brian2 import prefs
    from brian2.devices.device import reset_device, runtime_device, set_device

    wanted = {"codegen.target": target}
    if target == "cython":
        with _in_cache():
            make_folder(cache)
        wanted["codegen.runtime.cython.cache_dir"] = str(cache / "cython")
    before = {name: prefs[name] for name in wanted}
    set_device(runtime_device)
    try:
        for name, value in wanted.items():
            prefs[name] = value
        yield
    except BaseException as error:
        raise_clearly(error, target)
        raise
    finally:
        for name, value in before.items():
            prefs[name] = value
        reset_device()


@contextmanager
def on_standalone(device: Any) -> Iterator[None]:
    """Use a device that becomes a program."""
    from brian2.devices.device import reset_device, set_device

    set_device(device, build_on_run=False)
    try:
        yield
    except BaseException as error:
        raise_clearly(error, "cpp_standalone")
        raise
    finally:
        reset_device()


def raise_clearly(error: BaseException, target: str) -> None:
    """Turn an error of compiler or program into one that says what to do; leave others alone."""
    compiler = type(error).__name__ in ("CompileError", "LinkError", "DistutilsExecError")
    program = isinstance(error, RuntimeError) and str(error).startswith("Project ")
    if compiler or program or (isinstance(error, MemoryError)):
        raise SimulationError(
            f'Brian2\'s target {target!r} failed: {error}. Choose target = "numpy" in the '
            f"section [brian2] of the settings, or install a C++ compiler and make."
        ) from error


def compiled_in(device: Any, folder: Path) -> None:
    """Write and compile the program of a device; what has not changed is not compiled again."""
    if not has_compiler():
        raise SimulationError(
            "Brian2's target 'cpp_standalone' needs a C++ compiler and make, and there are none; "
            'install them, or choose target = "numpy" in the section [brian2] of the settings.'
        )
    logger.info("compiling the network in %s", folder)
    device.build(directory=str(folder), compile=True, run=False, with_output=False)


@contextmanager
def _in_cache() -> Iterator[None]:
    """Say how to choose another folder where the one for compiled code cannot be used."""
    try:
        yield
    except (DataError, OSError) as error:
        cause = error.__cause__ or error
        raise SimulationError(
            f"There is no place for compiled code: {cause}. {ELSEWHERE}"
        ) from error


def locked_folder(cache: Path, key: str) -> tuple[Path, IO[str]]:
    """Return a folder that no other process uses, and the file that keeps it locked while open.

    Parameters
    ----------
    cache
        Folder for compiled code.
    key
        Names the program, so that it is found again.
    """
    with _in_cache():
        make_folder(cache)
        number = 0
        while True:
            folder = cache / f"standalone-{key}{f'-{number}' if number else ''}"
            file = folder.with_suffix(".lock").open("w")
            if try_lock(file.fileno()):
                folder.mkdir(exist_ok=True)
                return folder, file
            file.close()
            number += 1
