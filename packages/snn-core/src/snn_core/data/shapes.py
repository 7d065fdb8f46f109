"""Advice for samples whose shape is not that which a network expects."""

from __future__ import annotations

import math

from snn_core.typing import Shape


def advise_on_shape(found: Shape, expected: Shape) -> str:
    """Return what to do with samples of another shape than a network expects.

    Parameters
    ----------
    found, expected
        Shapes of one sample, without the sample axis; the expected one has channels last.
    """
    if len(found) > 1 and (*found[1:], found[0]) == expected:
        order = ", ".join(map(str, (0, *range(2, len(found) + 1), 1)))
        return f"These are channels first: move the axis with x.transpose({order})."
    if len(found) == len(expected) and sorted(found) == sorted(expected):
        return "These are the same axes in another order: move them with x.transpose(...)."
    if math.prod(found) != math.prod(expected):
        return "Choose other samples or convert another model."
    if len(expected) == 1:
        return "Flatten them in the order of the model: x.reshape(len(x), -1) for rows of values."
    return "Give them the axes of the model, in the order in which their values were laid out."
