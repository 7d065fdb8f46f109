"""What all layers have in common: a name, inbound layers, a shape, arrays that cannot change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field

from snn_core.reading import MOST_AXES
from snn_core.typing import Array

Cells: TypeAlias = Annotated[int, Field(ge=1, lt=2**31)]
"""A number of cells, at least one. `snn_core.ir.validation` checks what annotations say."""


def one_of(*words: str) -> AfterValidator:
    """Return what an annotation of a text says of the words that it may be."""

    def check(word: str) -> str:
        if word not in words:
            raise ValueError(f"expected {', '.join(words[:-1])} or {words[-1]}")
        return word

    return AfterValidator(check)


CHOSEN = frozenset({"threshold", "v_init", "bias_t_c", "weight_c", "weight_nc", "sign_c"})
"""Arrays that a conversion chooses."""


def _freeze(value: object) -> Array:
    """Return a read-only, contiguous float32 copy of ``value`` (the array itself if it is one)."""
    array = np.asarray(value)
    if array.dtype == np.float32 and not array.flags.writeable and array.flags.c_contiguous:
        return array
    array = np.array(array, dtype=np.float32, order="C")
    array.setflags(write=False)
    return array


def rebuild(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Return an object by its constructor's arguments, when it is unpickled."""
    return kind(**values)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layer:
    """Base class of all layers.

    Parameters
    ----------
    name
        Unique within the network, ``03Conv2D_32x32x64`` after parsing.
    inputs
        Names of the inbound layers, in order.
    output_shape
        Shape of one sample, channels last, without a batch axis.
    """

    name: str
    inputs: tuple[str, ...] = ()
    output_shape: Annotated[tuple[Cells, ...], Field(max_length=MOST_AXES)]

    source_dialect: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (np.ndarray, np.generic)):
                object.__setattr__(self, item.name, _freeze(value))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by construction, so that arrays are read-only again."""
        return rebuild, (type(self), {item.name: getattr(self, item.name) for item in fields(self)})

    @property
    def kind(self) -> str:
        """Name of the layer type, for example ``Conv2D``."""
        return type(self).__name__

    @property
    def arrays(self) -> dict[str, Array]:
        """All array-valued fields by name."""
        return {
            item.name: value
            for item in fields(self)
            if isinstance(value := getattr(self, item.name), np.ndarray)
        }

    @property
    def num_parameters(self) -> int:
        """Number of parameters that training found; what conversion chose is not among them."""
        return sum(array.size for name, array in self.arrays.items() if name not in CHOSEN)
