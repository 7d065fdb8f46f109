"""Computing large arrays a block at a time."""

from __future__ import annotations

import numpy as np
import pytest

from snn_core.ir import blocks as blocks_module
from snn_core.ir.blocks import blocks, fill_by_blocks


@pytest.mark.parametrize("size", [1, 6, 10**6])
@pytest.mark.parametrize("shape", [(5, 3), (1, 4), (7, 2, 3), (3,)])
def test_blocks_make_no_difference(
    monkeypatch: pytest.MonkeyPatch, size: int, shape: tuple[int, ...]
) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK", size)
    values = np.random.default_rng(0).normal(size=shape)
    found = fill_by_blocks(shape, lambda rows: values[rows] / 3)
    np.testing.assert_array_equal(found, (values / 3).astype(np.float32))
    assert not found.flags.writeable


def test_a_block_holds_about_as_many_values_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK", 6)
    assert blocks((5, 3)) == [slice(0, 2), slice(2, 4), slice(4, 6)]
    assert blocks((2, 100)) == [slice(0, 1), slice(1, 2)]
