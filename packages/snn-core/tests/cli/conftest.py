"""The command line as users call it, within this process or as one of its own."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from snn_core.cli import main

Snn = Callable[..., Result]

# Before 8.2, click's runner mixed standard error into standard output unless told otherwise.
_SEPARATE: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
)


@pytest.fixture(autouse=True)
def hang_up_ends() -> Iterator[None]:
    """Have SIGHUP end processes as usual, also where tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def snn() -> Snn:
    """Return a function that runs ``snn`` with arguments; bugs raise."""

    def call(*arguments: object) -> Result:
        result = CliRunner(**_SEPARATE).invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def artifact(snn: Snn, classifier: Callable[..., Path], images: Callable[..., Path]) -> Path:
    """Return a converted classifier."""
    path = classifier().with_name("model.snn")
    done = snn("convert", classifier(), "-o", path, "--data", images(), "--timesteps", 16)
    assert done.exit_code == 0, done.output
    return path


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start ``snn`` as a process."""
    command = [sys.executable, "-m", "snn_core", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **{**pipes, **options})


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Return `process`."""
    return process
