"""The share of equal decisions."""

from __future__ import annotations

import pytest

from agreement import agreement


def test_is_the_share_of_equal_decisions():
    reference = {0: 1, 1: 2, 2: -1, 3: 3}
    assert agreement({0: 1, 1: 2, 2: -1, 3: 0}, reference) == 0.75  # 3 of 4


def test_compares_the_samples_that_both_saw():
    assert agreement({7: 1, 2: 2}, {2: 3, 4: 2, 7: 1}) == 0.5


@pytest.mark.parametrize("decisions", [{5: 1}, {}])
def test_refuses_other_data_and_no_data(decisions):
    with pytest.raises(ValueError, match="run both on the same data"):
        agreement(decisions, {1: 1})
