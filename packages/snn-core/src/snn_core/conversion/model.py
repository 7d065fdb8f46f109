"""Models that are read for a conversion: what they leave open, the calibration samples tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from snn_core.data.loading import Data, as_dataset
from snn_core.data.shapes import advise_on_shape
from snn_core.errors import DataError, OpenShapeError, ParseError, UnsupportedError
from snn_core.parsing import Parsed, read
from snn_core.settings import InputSettings
from snn_core.typing import Shape


def read_model(
    source: Any, data: Data, *, settings: InputSettings, input_shape: Shape | None = None
) -> Parsed:
    """Read a trained model, whose input has the shape of the samples if it leaves that open.

    Parameters
    ----------
    source, input_shape
        For `snn_core.parsing.read`.
    data
        Calibration samples, for `as_dataset`; looked at only if the model leaves its shape open.

    Raises
    ------
    ParseError
        As `read`, also if the samples do not tell the shape.
    UnsupportedError
        As `read`.
    DataError
        If samples have channels first.
    """
    try:
        return read(source, input_shape=input_shape)
    except OpenShapeError as error:
        if input_shape is not None:
            raise
        shape = as_dataset(data, part="calibration", settings=settings).x_b_l.shape[1:]
        found = _read_in_orders(source, shape)
        if found is None:
            raise ParseError(
                f"{error} The calibration samples of shape {shape}, channels last, do not tell it."
            ) from error
        return found


def _read_in_orders(source: Any, shape: Shape) -> Parsed | None:
    """Return a model for samples of a shape, or ``None`` if it takes them in no order of axes."""
    as_they_are: Parsed | None = None
    refusal: UnsupportedError | None = None
    for given in _orders(shape):
        try:
            parsed = read(source, input_shape=given)
        except UnsupportedError as error:
            refusal = error
            continue
        except ParseError:
            continue
        if parsed.network.input.output_shape in (shape, (*shape, 1)):
            note = f"input shape {given}, in the model's order, from the calibration samples"
            return replace(parsed, network=parsed.network.replace(note=note))
        as_they_are = parsed if given == shape else as_they_are
    if as_they_are is not None:  # they have the model's order of axes, which is another one
        advice = advise_on_shape(shape, as_they_are.network.input.output_shape)
        raise DataError(f"Found calibration samples of shape {shape}. {advice}")
    if refusal is not None:
        raise refusal
    return None


def _orders(shape: Shape) -> Iterator[Shape]:
    """Yield the orders of axes that a model may have where samples have this one."""
    yield shape
    if len(shape) > 1:
        yield (*shape[-1:], *shape[:-1])
    if len(shape) == 2:  # grey images without an axis for their channel
        yield (*shape, 1)
        yield (1, *shape)
