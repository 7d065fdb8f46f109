"""Importing simulators without what they write and warn about while they are."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def quietly(**environment: str) -> Iterator[None]:
    """Drop what Python writes and warns about; set environment variables that are not set yet.

    The warnings are those of PyNN about itself and its extensions, which a user cannot act upon.
    """
    logger = logging.getLogger("PyNN")
    level = logger.level
    logger.setLevel(logging.ERROR)
    added = [name for name in environment if name not in os.environ]
    os.environ.update({name: environment[name] for name in added})
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        for name in added:
            del os.environ[name]
