"""Importing simulators without what they write and warn about while they are."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def quietly(**environment: str | None) -> Iterator[None]:
    """Drop what Python writes and warns about; set environment variables that are not set yet.

    Those that shall be ``None`` are hidden.

    The warnings are those of PyNN about itself and its extensions, which a user cannot act upon.
    """
    logger = logging.getLogger("PyNN")
    level = logger.level
    logger.setLevel(logging.ERROR)
    missing = {n: value for n, value in environment.items() if n not in os.environ}
    added = {n: value for n, value in missing.items() if value is not None}
    hiding = [n for n, value in environment.items() if value is None and n in os.environ]
    hidden = {n: os.environ.pop(n) for n in hiding}
    os.environ.update(added)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        for name in added:
            del os.environ[name]
        os.environ.update(hidden)
