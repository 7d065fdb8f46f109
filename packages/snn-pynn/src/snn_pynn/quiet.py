"""Keeping standard output clean of what simulators write when they are imported and set up."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def quietly(**environment: str) -> Iterator[None]:
    """Send Python's output to standard error, ignore warnings, and set environment variables.

    The warnings are those of PyNN about itself and its extensions, which a user cannot act upon.
    """
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
