"""Arrays of what holds numbers: lists, and tensors of any framework on any device."""

from __future__ import annotations

from typing import Any

import numpy as np

from snn_core.errors import DataError
from snn_core.typing import Array


def as_array(values: Any, what: str = "samples") -> Array:
    """Return values as an array; a tensor is copied from its device and leaves its gradient there.

    Parameters
    ----------
    what
        What to call the values in a message.

    Raises
    ------
    DataError
        If they cannot become an array, for example lists of different lengths.
    """
    if callable(getattr(values, "detach", None)):  # a tensor of PyTorch
        values = values.detach().cpu()
    try:
        return np.asarray(values)
    except Exception as error:  # frameworks raise errors of many types
        problem = str(error).partition("\n")[0]
        raise DataError(
            f"The {what} of type {type(values).__name__} cannot become one array ({problem}); "
            f"expected numbers, of one shape for all {what}."
        ) from error
