"""Array types: jaxtyping annotations whose letters name the axes.

``Float32[Array, "b *l"]`` is a NumPy float32 array with a sample axis and any layer axes. The test
suites check these annotations at run time.
"""

from __future__ import annotations

from os import PathLike
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int8, Int32, Int64, Shaped

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
PathLikeStr: TypeAlias = str | PathLike[str]

__all__ = [
    "Array",
    "Bool",
    "Float",
    "Float32",
    "Float64",
    "Int",
    "Int8",
    "Int32",
    "Int64",
    "Pair",
    "PathLikeStr",
    "Shape",
    "Shaped",
]
