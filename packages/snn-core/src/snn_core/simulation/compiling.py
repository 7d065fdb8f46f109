"""Functions that numba compiles, for packages that depend on it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, and keep the result on disk where that can be.

    It is kept beside the function's module, or in the user's cache if that folder is read-only;
    ``NUMBA_CACHE_DIR`` names another folder. Files there that are damaged are written anew. The
    function does not hold Python's global lock.
    """
    from numba import njit

    dispatcher = njit(nogil=True)(function)
    with suppress(RuntimeError):  # neither the package's folder nor the user's cache can be written
        dispatcher._cache = _cache_type()(function)  # as numba's `cache=True` does, with its own
    return dispatcher


@functools.cache
def _cache_type() -> Any:
    """Return numba's cache of a function, in which what cannot be read or written is missing."""
    from numba.core.caching import FunctionCache

    class LenientCache(FunctionCache):  # type: ignore[misc]
        def load_overload(self, sig: Any, target_context: Any) -> Any:
            try:
                return super().load_overload(sig, target_context)
            except Exception:  # noqa: BLE001 - unpickling what is damaged raises anything
                with suppress(OSError):
                    self.flush()  # the index is read before anything can be added
                return None

        def save_overload(self, sig: Any, data: Any) -> None:
            with suppress(OSError):  # a full disk, for example
                super().save_overload(sig, data)

    return LenientCache
