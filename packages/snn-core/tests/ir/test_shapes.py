"""Output sizes and padding; the grid is compared with Keras in snn-inisim's tests."""

from __future__ import annotations

import pytest

from snn_core.errors import ParseError
from snn_core.ir.shapes import (
    count,
    label,
    output_size,
    resolve_padding,
    transposed_output_size,
    window,
)


def test_window_of_a_dilated_kernel() -> None:
    assert window(3) == 3
    assert window(3, 2) == 5  # taps at 0, 2, 4


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (7, 3, 2, "valid", 3),  # windows start at 0, 2, 4
        (6, 3, 2, "valid", 2),  # 0, 2; the last cell is left over
        (7, 3, 2, "same", 4),  # ceil(7 / 2)
        (6, 3, 2, "same", 3),
        (5, 2, 1, "same", 5),
        (6, 3, 1, (2, 1), 7),  # 9 cells
        (4, 1, 3, "valid", 2),  # 0, 3
    ],
)
def test_output_size(size: int, kernel: int, stride: int, padding: object, expected: int) -> None:
    assert output_size(size, kernel=kernel, stride=stride, padding=padding) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (5, 3, 1, (1, 1)),
        (5, 2, 1, (0, 1)),  # the odd cell goes after
        (6, 3, 2, (0, 1)),  # 3 outputs need (3 - 1) * 2 + 3 = 7 cells
        (7, 3, 2, (1, 1)),
        (4, 1, 2, (0, 0)),
    ],
)
def test_same_padding_is_tensorflows(size: int, kernel: int, stride: int, expected: object) -> None:
    assert resolve_padding("same", size, kernel=kernel, stride=stride) == expected


def test_causal_padding_comes_before() -> None:
    assert resolve_padding("causal", 8, kernel=3, dilation=2) == (4, 0)


def test_unknown_padding_is_refused() -> None:
    with pytest.raises(ParseError, match=r"'full'.*expected 'valid'"):
        resolve_padding("full", 8, kernel=3)


def test_window_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ParseError, match="5 cells does not fit into an axis of 4"):
        output_size(4, kernel=3, dilation=2)


def test_transposed_sizes() -> None:
    assert transposed_output_size(3, kernel=3, stride=2) == 7  # 3 * 2 + (3 - 2)
    assert transposed_output_size(3, kernel=3, stride=2, padding="same") == 6
    assert transposed_output_size(3, kernel=1, stride=2) == 6
    assert transposed_output_size(3, kernel=3, stride=2, output_padding=0) == 7
    assert transposed_output_size(3, kernel=3, stride=2, padding=(1, 1)) == 5


def test_labels_and_counts() -> None:
    assert label(3, "Conv2D", (32, 32, 64)) == "03Conv2D_32x32x64"
    assert label(3, "Dense", (10,), width=3) == "003Dense_10"
    assert count((4, 3, 2)) == 24
    assert count(()) == 1
