import itertools

import keras
import numpy as np
import pytest

import snn_inisim
from snn_core.evaluation.operators import drive
from snn_core.ir import Linear
from snn_core.testing.builder import NetworkBuilder
from snn_inisim.integrate_and_fire import IntegrateAndFire
from snn_inisim.layers import LAYERS
from snn_inisim.spike_layer import SpikeLayer

RNG = np.random.default_rng(3)


def weight(*shape):
    return RNG.integers(-64, 65, shape).astype(np.float32) / 64


def inputs(shape, count=2):
    return RNG.integers(0, 17, (count, *shape)).astype(np.float32) / 16


def assert_drives_like_numpy(builder):
    """Compare the sums of the last layer, which are exact in float32."""
    network = builder.build()
    layer = network.output
    x = [inputs(shape) for shape in network.input_shapes(layer.name)]
    made = LAYERS[layer.kind](layer)
    joins = layer.kind in ("Add", "Concatenate")
    made.build([(None, *part.shape[1:]) for part in x] if joins else (None, *x[0].shape[1:]))
    found = np.asarray(made.drive(x if joins else x[0]))
    np.testing.assert_array_equal(found, drive(layer, x))


@pytest.mark.parametrize("padding", ["valid", "same", ((1, 0), (2, 1))])
@pytest.mark.parametrize(
    ("strides", "dilation"),
    [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 1)), ((2, 1), (2, 3))],
)
@pytest.mark.parametrize("kernel", [(3, 2), (1, 4)])
class TestGeometry:
    """All geometries, most of which Keras refuses on TensorFlow."""

    def test_convolution(self, kernel, strides, dilation, padding):
        geometry = {"strides": strides, "dilation": dilation, "padding": padding}
        builder = NetworkBuilder((10, 11, 4))
        assert_drives_like_numpy(
            builder.conv2d(weight(*kernel, 2, 6), groups=2, bias_o=weight(6), **geometry)
        )

    def test_depthwise_convolution(self, kernel, strides, dilation, padding):
        geometry = {"strides": strides, "dilation": dilation, "padding": padding}
        builder = NetworkBuilder((10, 11, 3))
        assert_drives_like_numpy(builder.depthwise_conv2d(weight(*kernel, 3, 2), **geometry))

    def test_transposed_convolution(self, kernel, strides, dilation, padding):
        if padding == ((1, 0), (2, 1)):
            padding = ((1, 0), (0, 1))  # what is cut must be there
        geometry = {"strides": strides, "dilation": dilation, "padding": padding}
        builder = NetworkBuilder((5, 4, 3))
        assert_drives_like_numpy(builder.conv2d_transpose(weight(*kernel, 2, 3), **geometry))

    def test_average_pooling(self, kernel, strides, dilation, padding):
        if padding == ((1, 0), (2, 1)):
            padding = ((0, 0), (1, 1))  # every window must have a cell inside
        builder = NetworkBuilder((10, 11, 3))
        assert_drives_like_numpy(
            builder.average_pooling(kernel, strides=strides, padding=padding, weight_c=[1, 0.5, 2])
        )


@pytest.mark.parametrize("padding", ["valid", "same", "causal", (2, 1)])
@pytest.mark.parametrize(("strides", "dilation"), list(itertools.product([1, 2], repeat=2)))
def test_convolution_in_one_dimension(strides, dilation, padding):
    geometry = {"strides": strides, "dilation": dilation, "padding": padding}
    assert_drives_like_numpy(NetworkBuilder((9, 3)).conv1d(weight(3, 3, 4), **geometry))


@pytest.mark.parametrize("padding", ["valid", "same", ((1, 1), (0, 1))])
@pytest.mark.parametrize("strides", [(1, 2), (1, 4), (4, 1), (9, 9)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
@pytest.mark.parametrize("shape", [(6, 2, 1), (6, 3, 1), (6, 3, 3), (3, 6, 1), (1, 2, 1)])
def test_strides_that_find_a_single_row_or_column(shape, dilation, strides, padding):
    """TensorFlow itself is wrong for a single column of one channel."""
    kernel = (1 if shape[0] == 1 else 2, 2)
    geometry = {"strides": strides, "dilation": dilation, "padding": padding}
    builder = NetworkBuilder(shape).conv2d(weight(*kernel, shape[2], 3), **geometry)
    assert_drives_like_numpy(builder)


def test_layers_that_rearrange_or_join():
    image = NetworkBuilder((3, 4, 2))
    assert_drives_like_numpy(image.up_sampling((2, 3), weight_c=[0.5, 0.25]))
    assert_drives_like_numpy(NetworkBuilder((3, 4, 2)).flatten())
    assert_drives_like_numpy(NetworkBuilder((3, 4, 2)).reshape((4, 6)))
    assert_drives_like_numpy(NetworkBuilder((3, 4, 2)).zero_padding(((1, 0), (2, 3))))
    assert_drives_like_numpy(NetworkBuilder((3, 4, 2)).dense(weight(2, 5)))
    for axis in (0, 1, 2):
        builder = NetworkBuilder((3, 4, 2))
        assert_drives_like_numpy(builder.concatenate([builder.last] * 3, axis=axis))
    builder = NetworkBuilder((3, 4, 2))
    assert_drives_like_numpy(builder.add([builder.last] * 3, weight_nc=weight(3, 2)))


def test_every_layer_is_the_keras_layer_of_its_kind():
    for kind, spiking in LAYERS.items():
        assert issubclass(spiking, (SpikeLayer, getattr(keras.layers, kind)))
        assert issubclass(spiking, getattr(keras.layers, kind))
        assert getattr(snn_inisim, f"Spike{kind}") is spiking


def test_bias_is_multiplied_by_the_length_of_a_step():
    layer = NetworkBuilder((2,)).dense(np.zeros((2, 2)), bias_o=[0.5, -1]).build().output
    made = LAYERS["Dense"](layer, dt=0.25)
    made.build((None, 2))
    # 0.5 * 0.25 and -1 * 0.25
    np.testing.assert_array_equal(np.asarray(made.drive(np.zeros((1, 2), "f4"))), [[0.125, -0.25]])


def test_as_part_of_a_keras_model_a_layer_advances_one_step_per_call():
    network = NetworkBuilder((1,)).dense([[0.625]], v_init=[0.5]).build()
    layer = network.output
    neurons = IntegrateAndFire(layer, reset="subtraction", jit=False)
    spiking = LAYERS["Dense"](layer, neurons=neurons)
    entry = keras.Input(batch_shape=(1, 1))
    model = keras.Model(entry, spiking(entry))
    model.compile(jit_compile=False)
    for _ in range(2):
        spikes = [float(model.predict_on_batch(np.ones((1, 1), "f4"))[0, 0]) for _ in range(5)]
        # 0.5 + 0.625 = 1.125 spikes, leaves 0.125; 0.75; 1.375 spikes, 0.375; 1 spikes; 0.625
        assert spikes == [1, 0, 1, 1, 0]
        spiking.reset_state()


def test_a_layer_without_neurons_passes_its_sum_on():
    layer = NetworkBuilder((1,)).dense([[0.5]], activation=Linear()).build().output
    made = LAYERS["Dense"](layer)
    assert np.asarray(made(np.full((1, 1), 3, "f4"))).tolist() == [[1.5]]
