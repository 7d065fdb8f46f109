import numpy as np
import pytest

from snn_core import convert, run
from snn_core.errors import DataError
from snn_core.evaluation.forward import (
    accuracy,
    activations,
    check_consistent,
    forward,
    predict,
    top_k_hits,
)
from snn_core.ir import Linear, ReLU, Sigmoid, Softmax
from snn_core.ir.blocks import fill_by_blocks
from snn_core.testing.builder import NetworkBuilder


def network():
    """y = softmax(relu(2 x0 - x1), min(relu(x0 + x1), 2)) by the identity."""
    builder = NetworkBuilder((2,)).dense([[2], [-1]], name="a")
    builder.dense([[1], [1]], inputs=["00Input_2"], activation=ReLU(max_value=2.0), name="b")
    builder.concatenate(["a", "b"])
    return builder.dense(np.eye(2), activation=Softmax(), name="c").build()


X = np.array([[1, 0.5], [1, 3]], np.float32)


def test_activations_of_every_layer():
    found = activations(network(), X)
    # 2 - 0.5, 2 - 3 < 0; 1.5, 4 > 2
    np.testing.assert_array_equal(found["a"], [[1.5], [0]])
    np.testing.assert_array_equal(found["b"], [[1.5], [2]])
    p = 1 / (1 + np.exp(2.0))
    np.testing.assert_allclose(found["c"], [[0.5, 0.5], [p, 1 - p]], rtol=1e-6)  # float32


def test_predict_is_the_output():
    np.testing.assert_array_equal(predict(network(), X), activations(network(), X)["c"])


@pytest.mark.parametrize("v_thresh", [1.0, 2.0])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    ("readout", "activation"),
    [
        ("counts", ReLU()),
        ("counts", Linear()),
        *(("membrane", activation) for activation in (ReLU(), Linear(), Sigmoid(), Softmax())),
    ],
)
def test_predictions_of_a_converted_network_are_those_of_the_model(
    readout, activation, per_channel, v_thresh
):
    builder = NetworkBuilder((2,)).dense([[2, 3], [1, -1]])
    source = builder.dense([[8, 1], [4, 2]], activation=activation).build()
    settings = {
        "conversion": {"readout": readout},
        "normalization": {"per_channel": per_channel},
        "cell": {"v_thresh": v_thresh},
    }
    converted = convert(source, X, settings=settings, trial=False)
    expected = predict(source, X)
    # Weights are divided by scales in float32, and the outputs multiplied by them.
    np.testing.assert_allclose(predict(converted, X), expected, rtol=1e-5)
    result = run(converted, "reference", data=X)
    np.testing.assert_allclose(result.ann_output_b_o, expected, rtol=1e-5)


def test_predict_takes_lists():
    np.testing.assert_array_equal(predict(network(), X.tolist()), predict(network(), X))
    with pytest.raises(DataError, match="of one shape for all samples"):
        predict(network(), [[1, 2], [3]])
    with pytest.raises(DataError, match="expected numbers"):
        predict(network(), [["a", "b"]])


def test_predictions_do_not_depend_on_how_samples_are_grouped():
    rng = np.random.default_rng(0)
    builder = NetworkBuilder((6, 6, 2)).conv2d(rng.normal(size=(3, 3, 2, 4)))
    many = builder.flatten().dense(rng.normal(size=(64, 3))).build()
    x = rng.random((37, 6, 6, 2)).astype(np.float32)
    single = np.concatenate([predict(many, x[i : i + 1]) for i in range(37)])
    # Matrix products of other sizes add in another order.
    np.testing.assert_allclose(predict(many, x), single, rtol=1e-5, atol=1e-5)


def test_accuracy_is_the_share_of_correct_decisions():
    identity = NetworkBuilder((3,)).dense(np.eye(3), activation=Linear()).build()
    x = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    assert accuracy(identity, x, np.array([0, 1, 2, 0])) == 0.75


@pytest.mark.parametrize("compute", [predict, forward, activations])
@pytest.mark.parametrize("doublings", [127, 3000])
def test_values_beyond_float32_are_an_error_without_warnings(compute, doublings, recwarn):
    builder = NetworkBuilder((2,)).dense(np.eye(2), activation=Linear(), name="start")
    last = "start"
    for i in range(doublings):
        name = f"double_{i}"
        builder.add([last, last], weight_nc=np.ones(2), name=name)
        last = name
    network = builder.build()
    if doublings == 127:
        np.testing.assert_array_equal(predict(network, np.ones((1, 2))), [[2.0**127] * 2])
        return
    with pytest.raises(DataError, match="Layer 'double_127' computes infinite values"):
        compute(network, np.ones((1, 2), np.float32))
    assert not recwarn.list


@pytest.mark.parametrize("x", [[1e20, 1e20], [1e20, 0], [np.inf, 0], [np.nan, 0]])
def test_sums_beyond_float32_are_an_error_without_warnings(x, recwarn):
    """The second sum is infinite, or infinity minus infinity."""
    weights = np.array([[1, 1e20], [1, -1e20]], np.float32)
    network = NetworkBuilder((2,)).dense(weights, activation=Softmax()).build()
    with pytest.raises(DataError, match="infinite values, or ones that are no numbers"):
        predict(network, np.array([x], np.float32))
    assert not recwarn.list


def test_samples_of_another_shape_are_refused():
    with pytest.raises(DataError, match=r"\(3,\)"):
        predict(network(), np.zeros((1, 3), np.float32))


def test_top_k_prefers_lower_classes_on_ties():
    scores = np.array([[1, 1, 0], [0, 2, 1]], np.float32)
    assert top_k_hits(scores, np.array([1, 2]), k=1).tolist() == [False, False]
    assert top_k_hits(scores, np.array([1, 2]), k=2).tolist() == [True, True]


@pytest.mark.filterwarnings("error")
def test_extreme_numbers_are_refused_without_warnings_of_numpy() -> None:
    """Only the error shows; what checks shapes says nothing of values."""
    weight_io = np.full((8, 2), 1e30, np.float32)
    build = NetworkBuilder((8,)).dense(weight_io[:, :1] * np.ones((1, 8), np.float32))
    network = build.dense(weight_io, threshold=np.float32(1e-30), v_init=np.float32(1e30)).build()
    check_consistent(network)
    with pytest.raises(DataError, match="infinite"):
        forward(network, np.ones((1, 8), np.float32))


@pytest.mark.filterwarnings("error")
def test_weights_beyond_float32_become_infinite_without_warnings_of_numpy() -> None:
    found = fill_by_blocks((2, 2), lambda rows: np.full((2, 2), 1e300)[rows])
    assert np.isinf(found).all()
