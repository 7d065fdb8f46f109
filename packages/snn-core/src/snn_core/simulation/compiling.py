"""Functions that numba compiles, for packages that depend on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep the result on disk where that can be.

    It is kept beside the function's module, or in the user's cache if that folder is read-only;
    ``NUMBA_CACHE_DIR`` names another folder. The function does not hold Python's global lock.
    """
    from numba import njit

    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return njit(nogil=True)(function)
