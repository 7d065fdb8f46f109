"""Preparation of images by settings: what it does, and a warning about arrays that lack it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snn_core.errors import warn
from snn_core.ir import InputData
from snn_core.ir.input_data import UINT8_SCALE, format_factor
from snn_core.settings import InputSettings

if TYPE_CHECKING:
    from snn_core.data.base import Dataset


def describe_preparation(settings: InputSettings) -> str:
    """Return what `datagen_kwargs` does to images, human-readable: ``÷ 255, - 0.5, ÷ 0.25``.

    Empty if they stay 8-bit integers.
    """
    changes = settings.datagen_kwargs
    if not changes.changes_values:
        return ""
    default = UINT8_SCALE if settings.uint8_scale is None else settings.uint8_scale
    steps = [format_factor(default if changes.rescale is None else changes.rescale)]
    if changes.samplewise_center:
        steps.append("- mean of each image")
    if changes.samplewise_std_normalization:
        steps.append("÷ standard deviation of each image")
    if changes.featurewise_center and changes.mean is not None:
        steps.append(f"- {_numbers(changes.mean)}")
    if changes.featurewise_std_normalization and changes.std is not None:
        steps.append(f"÷ {_numbers(changes.std)}")
    return ", ".join(steps)


def describe_entry(data: InputData, settings: InputSettings) -> str:
    """Return how samples enter a network, human-readable.

    That is the preparation of images if there is one, else the factor of 8-bit integers. Empty if
    the network was calibrated on values that no 8-bit integers become by the rule.
    """
    preparation = describe_preparation(settings)
    if preparation:
        return f"images {preparation}"
    values = [value for value in (data.low, data.high) if value is not None]
    if data.decided_by == "rule" and not all(0 <= value <= 1 for value in values):
        return ""
    return str(data)


def check_preparation(dataset: Dataset, data: InputData, settings: InputSettings) -> None:
    """Compare samples with the preparation of images that the settings of their network ask for.

    Warns
    -----
    DataWarning
        If they are arrays, which enter without it.
    """
    expected = describe_preparation(settings)
    if expected and not dataset.preparation and dataset.events_b is None:
        found = f"as {data}" if dataset.x_b_l.dtype == "uint8" else "as they are"
        warn(
            f"{dataset.name}: these samples enter {found}; the settings of the network prepare "
            f"images ({expected}), but no arrays. Unless these were prepared likewise, do so, or "
            f"give the images as a folder."
        )


def _numbers(values_c: tuple[float, ...]) -> str:
    """Return one number, or those of all channels in brackets."""
    texts = [f"{value:g}" for value in values_c]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
