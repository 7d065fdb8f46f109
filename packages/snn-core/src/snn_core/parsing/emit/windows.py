"""Recognition of pooling that a source writes as slices of an image, not as a pooling layer."""

from __future__ import annotations

import numpy as np

from snn_core.parsing.emit.builder import Builder
from snn_core.parsing.emit.geometry import Geometry
from snn_core.parsing.emit.images import upsample
from snn_core.parsing.emit.pooling import pool
from snn_core.parsing.emit.views import CHANNELS_LAST, Selection, View
from snn_core.typing import Array

WINDOWS = (2, 4)
"""The axes of a window's rows and columns, beside those of channels, output rows and columns."""


def reduce_windows(b: Builder, name: str, x: View, *, maximum: bool) -> View | None:
    """Emit the mean or maximum over windows of an image, if a view holds nothing else.

    Parameters
    ----------
    x
        Axes: channels, output rows, rows of a window, output columns, columns of a window.

    Returns
    -------
    The image of means or maxima; nothing if the windows are not evenly spaced or of one cell.
    """
    _, height, rows, width, columns = x.shape
    if len(x.stored) != 3 or rows == columns == 1:
        return None
    image = View(x.name, x.stored, CHANNELS_LAST[3])
    first = x.index((slice(None), slice(None), 0, slice(None), 0)).places()
    found = Selection.of(first.transpose(1, 2, 0), x.stored)
    if found is None:
        return None
    row_hk = _cells(found, 0, height, rows)
    column_wk = _cells(found, 1, width, columns)
    wanted = (slice(None), row_hk[:, :, None, None], column_wk)
    if row_hk.max() >= x.stored[0] or column_wk.max() >= x.stored[1]:
        return None
    if not np.array_equal(image.places()[wanted], x.places()):
        return None
    covered = image.index(
        (
            slice(None),
            slice(found.starts[0], row_hk.max() + 1),
            slice(found.starts[1], column_wk.max() + 1),
        )
    )
    repeated = found.repeats != (1, 1)
    y = pool(
        b,
        f"{name}/windows" if repeated else name,
        covered,
        maximum=maximum,
        kernel=(rows, columns),
        geometry=Geometry(found.steps, "valid", (1, 1)),
    )
    return upsample(b, name, y, found.repeats) if repeated else y


def _cells(found: Selection, axis: int, number: int, size: int) -> Array:
    """Return the cells of each window along an image axis, shape ``(number, size)``."""
    starts = found.starts[axis] + np.arange(number) // found.repeats[axis] * found.steps[axis]
    return starts[:, None] + np.arange(size)
