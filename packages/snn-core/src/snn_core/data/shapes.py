"""Advice for samples whose shape is not that which a network expects."""

from __future__ import annotations

import math

from snn_core.typing import Shape


def channels_last(shape: Shape) -> Shape:
    """Return the shape of a sample whose first axis becomes its last."""
    return (*shape[1:], *shape[:1])


def advise_on_shape(found: Shape, expected: Shape) -> str:
    """Return what to do with samples of another shape than a network expects.

    Parameters
    ----------
    found, expected
        Shapes of one sample, without the sample axis; the expected one has channels last.
    """
    if len(found) > 1 and channels_last(found) == expected:
        order = ", ".join(map(str, (0, *range(2, len(found) + 1), 1)))
        return (
            f"These are channels first: move the axis with x.transpose({order}), in PyTorch with "
            f"x.permute."
        )
    if len(found) == len(expected) and sorted(found) == sorted(expected):
        return "These are the same axes in another order: move them with x.transpose(...)."
    if math.prod(found) != math.prod(expected):
        return "Choose other samples or convert another model."
    if len(expected) == 1:
        return (
            "Flatten them as those of training were: x.reshape(len(x), -1), after "
            "x.transpose(...) if the axes had another order there."
        )
    if len(found) == 1 and len(expected) == 3:
        first = ", ".join(map(str, (-1, expected[2], *expected[:2])))
        last = ", ".join(map(str, (-1, *expected)))
        return (
            f"They are flat: x.reshape({last}) if they were flattened with channels last, "
            f"x.reshape({first}).transpose(0, 2, 3, 1) if with channels first."
        )
    return "Give them the axes of the model, in the order in which their values were laid out."
