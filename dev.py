"""Run this project's demo or its whole check from nothing but Python 3.10 or newer.

    python3 dev.py demo      convert a trained network, run it on a simulator, draw the results
    python3 dev.py test      build, check and test every package on the Pythons found here

Both make an environment for the tools (.venv-dev) on first use. Further arguments go to nox:

    python3 dev.py test -s lint                        one session
    python3 dev.py test -s "tests(snn-core, 3.11)" -- -k ir
    python3 dev.py test -t matrix                      all tests on every Python

``test`` ends with the seconds that each session took. It leaves out the Pythons that are not on
this machine and says so; with --strict, or where the environment says CI=true, a missing Python is
an error instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENV = ROOT / ".venv-dev"
BIN = ENV / ("Scripts" if sys.platform == "win32" else "bin")
TOOLS = ("nox>=2025.11.12", "uv>=0.5", "packaging>=23")
REPORT = ENV / "sessions.json"
OLDEST_PYTHON = (3, 10)


def main(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    if sys.version_info < OLDEST_PYTHON:
        print(f"This needs Python 3.10 or newer; {sys.executable} is {sys.version.split()[0]}.")
        return 2
    if not arguments or arguments[0] not in ("demo", "test"):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    command, *rest = arguments
    if command == "demo":
        make_environment()
        return run_nox(["-s", "demo", "--", *rest]).returncode
    return test(rest)


def test(arguments: list[str]) -> int:
    """Run the sessions, print how many passed, and return the exit status."""
    strict = "--strict" in arguments or os.environ.get("CI", "").lower() in ("1", "true")
    choose_pyenv_versions()
    missing = [version for version in matrix() if not is_installed(version)]
    if missing and strict:
        print(f"Python {', '.join(missing)} not found, expected all of {', '.join(matrix())}.")
        print("Install them (for example with `pyenv install`), or run without --strict and CI.")
        return 1
    make_environment()
    for version in missing:
        print(f"Python {version} is not on this machine: its sessions are left out.", flush=True)
    flag = "--error-on-missing-interpreters" if strict else "--no-error-on-missing-interpreters"
    REPORT.unlink(missing_ok=True)
    rest = [argument for argument in arguments if argument != "--strict"]
    status = run_nox([flag, "--report", str(REPORT), *rest]).returncode
    if not REPORT.exists():  # nox listed sessions, or refused its arguments
        return status
    return summarize(json.loads(REPORT.read_text(encoding="utf-8"))["sessions"], status)


def summarize(sessions: list[dict], status: int) -> int:
    """Print the seconds of each session, slowest first, and how many passed; return the status."""
    results = [session["result"] for session in sessions]
    passed, skipped = results.count("success"), results.count("skipped")
    failed = len(results) - passed - skipped
    minutes, seconds = divmod(round(sum(session["duration"] for session in sessions)), 60)
    print(f"\n{'seconds':>7}  session ({minutes} min {seconds} s in all)")
    for session in sorted(sessions, key=lambda session: session["duration"], reverse=True):
        name = (session["signatures"] or [session["name"]])[0]
        outcome = "" if session["result"] == "success" else f"  {session['result']}"
        print(f"{session['duration']:7.0f}  {name}{outcome}")
    print(f"sessions: {passed} passed, {failed} failed")
    return status or int(failed > 0 or passed == 0)


def make_environment() -> None:
    """Create .venv-dev with nox and uv unless it is there and current."""
    stamp = ENV / "tools.txt"
    wanted = "\n".join(TOOLS)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"Preparing {ENV.name} with {', '.join(TOOLS)} ...", flush=True)
    venv.create(ENV, with_pip=True, clear=True)
    subprocess.run([BIN / "python", "-m", "pip", "install", "--quiet", *TOOLS], check=True)
    stamp.write_text(wanted, encoding="utf-8")


def run_nox(arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run nox from .venv-dev in the repository's root."""
    return subprocess.run([BIN / "python", "-m", "nox", *arguments], cwd=ROOT, check=False)


def matrix() -> list[str]:
    """Return every Python that some package's classifiers name, oldest first."""
    found = set()
    for path in ROOT.glob("packages/*/pyproject.toml"):
        found |= set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', path.read_text()))
    return sorted(found, key=lambda version: int(version.split(".")[1]))


def choose_pyenv_versions() -> None:
    """Let pyenv offer the newest patch of each Python of the matrix at once.

    pyenv hides all versions but the chosen ones; nox needs ``python3.10``, ``python3.11`` ... on
    the PATH together. A choice of several versions is left as it is; a single one is what pyenv
    itself sets while it runs this script.
    """
    pyenv = shutil.which("pyenv")
    if pyenv is None or ":" in os.environ.get("PYENV_VERSION", ""):
        return
    listing = subprocess.run(
        [pyenv, "versions", "--bare"], capture_output=True, check=False, text=True
    )
    patches = re.findall(r"^(\d+)\.(\d+)\.(\d+)$", listing.stdout, flags=re.MULTILINE)
    newest: dict[str, int] = {}
    for major, minor, patch in patches:
        key = f"{major}.{minor}"
        newest[key] = max(newest.get(key, 0), int(patch))
    chosen = [f"{version}.{newest[version]}" for version in matrix() if version in newest]
    if chosen:
        os.environ["PYENV_VERSION"] = ":".join(chosen)


def is_installed(version: str) -> bool:
    """Return whether ``pythonX.Y`` runs (a pyenv shim may exist and still refuse)."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return True
    python = shutil.which(f"python{version}")
    if python is None:
        return False
    trial = subprocess.run([python, "-c", ""], capture_output=True, check=False)
    return trial.returncode == 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"Could not prepare {ENV.name}: {error}")
