"""Every operator against the matrix of its synapses, which is tested against Keras elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_core.errors import UnsupportedError
from snn_core.evaluation.operators import drive, pool_windows, weighted_sum
from snn_core.ir import BatchNormalization, Dropout, GlobalAveragePooling2D
from snn_core.ir.connectivity import synapses
from snn_core.testing.builder import NetworkBuilder

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.sampled_from(["valid", "same"]) | st.just(((1, 0), (0, 1)))


def dyadic(rng, *shape):
    return rng.integers(-64, 65, shape).astype(np.float32) / 64


def inputs(layer_shapes, rng):
    return [rng.integers(0, 17, (2, *shape)).astype(np.float32) / 16 for shape in layer_shapes]


def assert_equals_synapses(builder, rng):
    """Compare a layer's sum with inputs times matrix; dyadic sums do not round."""
    network = builder.build()
    layer = network.output
    shapes = network.input_shapes(layer.name)
    x = inputs(shapes, rng)
    parts = zip(x, synapses(layer, shapes), strict=True)
    expected = sum(values.reshape(2, -1) @ part.to_csr() for values, part in parts)
    np.testing.assert_array_equal(weighted_sum(layer, x), expected.reshape(2, *layer.output_shape))


@given(kernel=pairs, strides=pairs, padding=paddings, dilation=pairs, seed=st.integers(0, 99))
def test_convolutions(kernel, strides, padding, dilation, seed):
    rng = np.random.default_rng(seed)
    geometry = {"strides": strides, "padding": padding, "dilation": dilation}
    image = (9, 8, 4)
    assert_equals_synapses(
        NetworkBuilder(image).conv2d(dyadic(rng, *kernel, 2, 6), groups=2, **geometry), rng
    )
    assert_equals_synapses(
        NetworkBuilder(image).depthwise_conv2d(dyadic(rng, *kernel, 4, 2), **geometry), rng
    )


@given(kernel=pairs, strides=pairs, dilation=pairs, same=st.booleans(), seed=st.integers(0, 99))
def test_transposed_convolutions(kernel, strides, dilation, same, seed):
    rng = np.random.default_rng(seed)
    builder = NetworkBuilder((4, 5, 3)).conv2d_transpose(
        dyadic(rng, *kernel, 2, 3),
        strides=strides,
        dilation=dilation,
        padding="same" if same else "valid",
    )
    assert_equals_synapses(builder, rng)


@given(
    kernel=st.integers(1, 4),
    strides=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.sampled_from(["valid", "same", "causal", (2, 1)]),
    seed=st.integers(0, 99),
)
def test_convolutions_in_one_dimension(kernel, strides, dilation, padding, seed):
    rng = np.random.default_rng(seed)
    geometry = {"strides": strides, "padding": padding, "dilation": dilation}
    builder = NetworkBuilder((9, 4)).conv1d(dyadic(rng, kernel, 2, 4), groups=2, **geometry)
    assert_equals_synapses(builder, rng)


def test_layers_without_geometry():
    rng = np.random.default_rng(0)
    image = (4, 6, 2)
    for builder in (
        NetworkBuilder((5,)).dense(dyadic(rng, 5, 3)),
        NetworkBuilder(image).dense(dyadic(rng, 2, 3)),
        NetworkBuilder(image).up_sampling((2, 3), weight_c=[0.5, 2]),
        NetworkBuilder(image).average_pooling((2, 2), weight_c=[0.5, 2]),
        NetworkBuilder(image).average_pooling((2, 1), strides=(1, 2), padding="same"),
    ):
        assert_equals_synapses(builder, rng)
    builder = NetworkBuilder(image)
    assert_equals_synapses(builder.add([builder.last] * 2, weight_nc=dyadic(rng, 2, 2)), rng)


def test_cells_outside_the_image_do_not_count_in_an_average():
    builder = NetworkBuilder((1, 3, 1)).average_pooling((1, 2), padding="same")
    found = drive(builder.build().output, [np.array([[[[2], [4], [5]]]], np.float32)])
    assert found.ravel().tolist() == [3, 5]  # (2 + 4) / 2 and 5 / 1


def test_a_maximum_over_negative_values_is_negative_at_the_border_too():
    builder = NetworkBuilder((1, 3, 1)).max_pooling((1, 2), padding="same", weight_c=0.5)
    found = drive(builder.build().output, [np.array([[[[-2], [-4], [-5]]]], np.float32)])
    assert found.ravel().tolist() == [-1, -2.5]


@pytest.mark.parametrize("pool", ["average_pooling", "max_pooling"])
def test_a_window_without_cells_of_the_image_has_the_value_zero(pool):
    builder = getattr(NetworkBuilder((1, 2, 1)), pool)((1, 1), padding=((0, 0), (1, 2)))
    found = drive(builder.build().output, [np.array([[[[-2], [4]]]], np.float32)])
    assert found.ravel().tolist() == [0, -2, 4, 0, 0]


def test_windows_are_listed_row_by_row():
    layer = NetworkBuilder((2, 2, 1)).average_pooling((2, 2)).build().output
    x = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    assert pool_windows(x, layer, fill=0.0).ravel().tolist() == [0, 1, 2, 3]


def test_bias_is_added_by_drive_alone():
    layer = NetworkBuilder((1,)).dense([[2]], bias_o=[0.5]).build().output
    x = [np.array([[3]], np.float32)]
    assert drive(layer, x).tolist() == [[6.5]]
    assert weighted_sum(layer, x).tolist() == [[6]]


def test_the_source_dialect_is_computed_too():
    x = [np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)]
    common = {"name": "a", "inputs": ("b",)}
    normalization = BatchNormalization(
        gain_c=np.array([2, 1]),
        offset_c=np.array([0, -1]),
        axis=2,
        output_shape=(2, 2, 2),
        **common,
    )
    assert drive(normalization, x).ravel().tolist() == [0, 0, 4, 2, 8, 4, 12, 6]
    mean = GlobalAveragePooling2D(output_shape=(2,), **common)
    assert drive(mean, x).tolist() == [[3, 4]]
    assert drive(Dropout(output_shape=(2, 2, 2), **common), x) is x[0]


def test_a_layer_without_operator_is_refused_by_name():
    class Unknown(Dropout.__mro__[1]):
        pass

    with pytest.raises(UnsupportedError, match="a: a Unknown layer has no NumPy operator"):
        drive(Unknown(name="a", output_shape=(1,)), [])
