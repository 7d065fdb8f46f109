"""The share of equal decisions."""

from __future__ import annotations

import numpy as np
import pytest

from agreement import agreement


def test_is_the_share_of_equal_decisions():
    assert agreement(np.array([1, 2, -1, 0]), np.array([1, 2, -1, 3])) == 0.75  # 3 of 4


def test_compares_the_first_samples_where_there_are_fewer():
    assert agreement(np.array([1, 2]), np.array([1, 3, 0])) == 0.5


@pytest.mark.parametrize("decisions", [[1, 2], []])
def test_refuses_other_data_and_no_data(decisions):
    with pytest.raises(ValueError, match="run both on the same data"):
        agreement(np.array(decisions), np.array([1] if decisions else []))
