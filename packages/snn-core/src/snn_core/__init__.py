"""Convert trained neural networks into spiking ones and run them on any simulator.

>>> from snn_core import convert, load, parse, predict, run, save
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snn_core.artifact import load, save
    from snn_core.conversion import convert
    from snn_core.evaluation.forward import predict
    from snn_core.parsing import parse
    from snn_core.running.run import run

_HOMES = {
    "convert": "snn_core.conversion",
    "load": "snn_core.artifact",
    "parse": "snn_core.parsing",
    "predict": "snn_core.evaluation.forward",
    "run": "snn_core.running.run",
    "save": "snn_core.artifact",
}

try:
    __version__ = version("snn-core")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0"


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used, so that importing this is quick."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'snn_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names alone."""
    return sorted(__all__)


__all__ = ["__version__", "convert", "load", "parse", "predict", "run", "save"]
