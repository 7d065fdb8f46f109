import numpy as np
import pytest

from snn_core.data import Dataset
from snn_core.errors import DataError
from snn_core.evaluation.forward import predict
from snn_core.testing.builder import NetworkBuilder

MOVE = r"channels first: move the axis with x\.transpose"


@pytest.mark.parametrize(
    ("found", "expected", "advice"),
    [
        ((3, 20, 24), (20, 24, 3), MOVE + r"\(0, 2, 3, 1\)"),
        ((1, 28, 28), (28, 28, 1), MOVE + r"\(0, 2, 3, 1\)"),
        ((2, 50), (50, 2), MOVE + r"\(0, 2, 1\)"),
        ((24, 20, 3), (20, 24, 3), "same axes in another order"),
        ((28, 28, 1), (784,), r"x\.reshape\(len\(x\), -1\)"),
        ((784,), (28, 28, 1), r"x\.reshape\(-1, 28, 28, 1\) if they .* with channels last"),
        (
            (96,),
            (4, 8, 3),
            r"reshape\(-1, 3, 4, 8\)\.transpose\(0, 2, 3, 1\) if with channels f",
        ),
        ((16, 6), (4, 8, 3), "the axes of the model, in the order"),
        ((20, 24, 4), (20, 24, 3), "Choose other samples"),
    ],
)
def test_advice_tells_how_to_get_the_shape(found, expected, advice):
    x = np.zeros((2, *found), np.float32)
    network = NetworkBuilder(expected)
    network = (network.flatten() if len(expected) > 1 else network).dense(
        np.ones((np.prod(expected), 2))
    )
    for ask in (
        lambda: Dataset.of(x).fit_to(input_shape=expected),
        lambda: predict(network.build(), x),
    ):
        with pytest.raises(DataError, match=advice) as refused:
            ask()
        assert ("reshape" in str(refused.value).lower()) == ("reshape" in advice)


def test_what_the_advice_says_is_taken():
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    moved = Dataset.of(x.transpose(0, 2, 3, 1)).fit_to(input_shape=(4, 5, 3))
    np.testing.assert_array_equal(moved.x_b_l[..., 1], x[:, 1])
