"""Compiling neurons for NEURON: once, into a cache folder.

PyNN would compile all of its own mechanisms into the folder in which it is installed, whether they
are needed or not. Only those without which it cannot be imported, and of its standard cells, are
compiled here, together with the neuron of this package, and PyNN is told that its folder has been
loaded.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import resources, util
from pathlib import Path

from snn_core.errors import DataError, SimulationError, SimulatorImportError
from snn_core.files import make_folder
from snn_core.installing import how_to_install
from snn_pynn.quiet import quietly

logger = logging.getLogger(__name__)

OF_PYNN = (
    "alphaisyn",
    "alphasyn",
    "expisyn",
    "gammastim",
    "netstim2",
    "poisson_stim_refractory",
    "refrac",
    "reset",
    "vecstim",
)
"""Mechanisms of PyNN's standard cells and spike sources."""

OWN = ("fan_out", "integrate_and_fire")
"""Mechanisms of this package."""

ADVICE = (
    "NEURON compiles the neurons of snn-pynn once. Install a C++ compiler and make (Debian: "
    "`apt install g++ make`), and keep `nrnivmodl`, which comes with the extra `neuron`, on the "
    "PATH or beside Python."
)


ELSEWHERE = "The option cache_dir in the section [pynn-neuron] names another folder."


def import_neuron(cache: Path) -> None:
    """Import PyNN's module of NEURON, with all mechanisms that are needed.

    Raises
    ------
    SimulatorImportError
        If it cannot be imported.
    SimulationError
        If mechanisms cannot be compiled.
    """
    if "pyNN.neuron" in sys.modules:
        _load_own(cache)
        return
    try:
        with quietly(NEURON_MODULE_OPTIONS="-nogui"):
            import neuron
    except Exception as error:
        raise _cannot_import(error) from error
    _load(compiled(all_sources(), cache))
    neuron.nrn_dll_loaded.append(str(_folder_of_pynn()))
    try:
        with quietly():
            import pyNN.neuron  # noqa: F401
    except Exception as error:
        raise _cannot_import(error) from error


def of_pynn() -> list[Path]:
    """Return the files of those mechanisms of PyNN that are needed."""
    return [_folder_of_pynn() / f"{name}.mod" for name in OF_PYNN]


def all_sources() -> list[Path]:
    """Return the files of all mechanisms that are needed."""
    return [*of_pynn(), *of_this_package()]


def _load_own(cache: Path) -> None:
    """Load this package's mechanisms into a NEURON that PyNN has been imported for before."""
    from neuron import h

    if not hasattr(h, "SnnFanOut"):
        _load(compiled(of_this_package(), cache))


def _load(folder: Path) -> None:
    import neuron

    with quietly():
        loaded = neuron.load_mechanisms(str(folder))
    if not loaded:
        raise SimulationError(f"NEURON cannot load {folder}; remove this folder and try again.")


def of_this_package() -> list[Path]:
    """Return the files of this package's mechanisms."""
    folder = resources.files("snn_pynn.neuron")
    return [Path(str(folder / f"{name}.mod")) for name in OWN]


def _folder_of_pynn() -> Path:
    spec = util.find_spec("pyNN")
    assert spec is not None  # noqa: S101 - a requirement of this package
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent / "neuron" / "nmodl"


def compiled(sources: list[Path], cache: Path) -> Path:
    """Return a folder with a library of some mechanisms, compiled now or before.

    Parameters
    ----------
    sources
        Files in NMODL.
    cache
        Folder for compiled mechanisms; each set of sources and each NEURON has a folder in it.
    """
    digest = hashlib.sha256(importlib.metadata.version("neuron").encode())
    digest.update(sys.implementation.cache_tag.encode())
    for source in sources:
        digest.update(source.read_bytes())
    folder = cache / f"neuron-{digest.hexdigest()[:16]}"
    if not folder.exists():
        _compile(sources, folder)
    return folder


def _compile(sources: list[Path], folder: Path) -> None:
    nrnivmodl = find_nrnivmodl()
    try:
        make_folder(folder.parent)
        logger.warning("compiling neurons for NEURON, once, into %s", folder)
        # Another process may do the same: whoever is first puts the folder in its place.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".neuron-") as place:
            for source in sources:
                shutil.copy(source, place)
            _run(nrnivmodl, Path(place))
            try:
                Path(place).rename(folder)
            except OSError:
                if not folder.exists():
                    raise
            Path(place).mkdir(exist_ok=True)  # to be removed
    except (DataError, OSError) as error:
        cause = error.__cause__ or error
        raise SimulationError(
            f"There is no place for compiled neurons: {cause}. {ELSEWHERE}"
        ) from error


def _run(nrnivmodl: str, place: Path) -> None:
    done = subprocess.run([nrnivmodl, "."], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode or not list(place.rglob("libnrnmech.*")):
        logger.debug("nrnivmodl wrote:\n%s\n%s", done.stdout, done.stderr)
        raise SimulationError(
            f"`nrnivmodl` could not compile neurons: {reason_in(done.stderr or done.stdout)}. Make "
            f"sure that the C++ compiler works and that there is room in {place.parent}. "
            f"{ELSEWHERE}"
        )


def reason_in(output: str) -> str:
    """Return those lines of a failed compiler's output that say why, or else the last one.

    What follows is `make` and `nrnivmodl` itself, which say that something failed.
    """
    lines: list[str] = []
    for line in output.splitlines():
        if line.startswith(("make", "Traceback")):
            break
        if line.strip():
            lines.append(line.strip().rstrip(".:"))
    telling = [line for line in lines if re.search("error|failed|cannot|no space", line.lower())]
    return "; ".join(telling[:3] or lines[-1:] or output.splitlines()[-1:] or ["no output"])


def find_nrnivmodl() -> str:
    """Return NEURON's compiler of mechanisms.

    Raises
    ------
    SimulationError
        If it, a C++ compiler or make is missing.
    """
    # It lies beside Python, also where the environment is not activated.
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    nrnivmodl = shutil.which("nrnivmodl", path=beside)
    missing = [] if nrnivmodl else ["nrnivmodl"]
    if not any(shutil.which(name) for name in (os.environ.get("CXX"), "g++", "c++") if name):
        missing.append("C++ compiler")
    if not shutil.which("make"):
        missing.append("make")
    if missing or nrnivmodl is None:
        raise SimulationError(f"There is no {', no '.join(missing)}. {ADVICE}")
    return nrnivmodl


def _cannot_import(error: Exception) -> SimulatorImportError:
    return SimulatorImportError(
        f"NEURON cannot be imported: {type(error).__name__}: {error}. "
        f"{how_to_install('snn-pynn', extra='neuron')}"
    )
