"""matplotlib without what stands around it: figures are the same in every folder and environment.

`snn_plot.style` draws with settings of its own alone. Left are those that matplotlib obeys while it
is imported, and variables of the environment that it reads while it writes a file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from snn_core.errors import SNNError


@contextmanager
def hidden(name: str) -> Iterator[str | None]:
    """Take a variable out of the environment for the block, which gets its value."""
    value = os.environ.pop(name, None)
    try:
        yield value
    finally:
        if value is not None:
            os.environ[name] = value


def import_matplotlib() -> None:
    """Import matplotlib, whatever the environment says of windows, which are not needed here.

    A backend that there is remains that of the caller's own figures.

    Raises
    ------
    SNNError
        If matplotlib cannot be imported although it is installed, as its settings are damaged.
    """
    if "matplotlib" in sys.modules:
        return
    with hidden("MPLBACKEND") as backend:
        try:
            import matplotlib as mpl
        except ImportError:
            raise
        except Exception as error:
            raise SNNError(
                f"matplotlib cannot be imported ({type(error).__name__}: {error}). Repair or "
                f"remove its settings: a file matplotlibrc in this folder, or what the variable "
                f"MATPLOTLIBRC names."
            ) from error
    if backend:
        with suppress(ValueError):
            mpl.rcParams["backend"] = backend
