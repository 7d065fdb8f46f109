"""Every structural pass on every network: the function stays, and the right passes apply."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.ir import (
    ActivationLayer,
    Add,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    Layer,
    Linear,
    MaxPooling2D,
    Network,
    ReLU,
    Reshape,
    Softmax,
    ZeroPadding2D,
)
from snn_core.passes import STRUCTURAL, check_convertible, label_layers, run_structural

IMAGE = (5, 4, 3)


class Net:
    """Grows a network; every layer reads the last one unless told otherwise."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.layers: list[Layer] = [Input(name="in", output_shape=shape)]
        self.rng = np.random.default_rng(7)

    def shape(self, name: str) -> tuple[int, ...]:
        return next(layer.output_shape for layer in self.layers if layer.name == name)

    def add(
        self, kind: type[Layer], name: str, shape: tuple[int, ...] | None = None,
        inputs: tuple[str, ...] = (), **settings: Any,
    ) -> Net:  # fmt: skip
        inputs = inputs or (self.layers[-1].name,)
        shape = self.shape(inputs[0]) if shape is None else shape
        settings = {
            key: value.astype(np.float32) if isinstance(value, np.ndarray) else value
            for key, value in settings.items()
        }
        self.layers.append(kind(name=name, inputs=inputs, output_shape=shape, **settings))
        return self

    def random(self, *shape: int) -> np.ndarray[Any, Any]:
        return self.rng.normal(0, 1, shape)

    def conv(
        self, name: str, inputs: tuple[str, ...] = (), *, filters: int = 3, **settings: Any
    ) -> Net:
        channels = self.shape(inputs[0] if inputs else self.layers[-1].name)[-1]
        height, width = self.shape(inputs[0] if inputs else self.layers[-1].name)[:2]
        settings.setdefault("padding", "same")
        return self.add(
            Conv2D, name, (height, width, filters), inputs,
            weight_hwio=self.random(3, 2, channels, filters), bias_o=self.random(filters),
            **settings,
        )  # fmt: skip

    def bn(self, name: str, inputs: tuple[str, ...] = (), *, axis: int = -1) -> Net:
        shape = self.shape(inputs[0] if inputs else self.layers[-1].name)
        size = shape[axis]
        return self.add(BatchNormalization, name, None, inputs, axis=axis % len(shape),
                        gain_c=self.random(size), offset_c=self.random(size))  # fmt: skip

    def relu(self, name: str, inputs: tuple[str, ...] = (), *, bound: float | None = None) -> Net:
        return self.add(ActivationLayer, name, None, inputs, activation=ReLU(max_value=bound))

    def pool(
        self, name: str, kind: type[Layer] = MaxPooling2D, inputs: tuple[str, ...] = ()
    ) -> Net:
        """Overlapping windows that reach over the border."""
        h, w, c = self.shape(inputs[0] if inputs else self.layers[-1].name)
        return self.add(kind, name, (-(-h // 2), -(-w // 2), c), inputs, pool_size=(3, 3),
                        strides=(2, 2), padding="same", activation=Linear())  # fmt: skip

    def flat(self, name: str = "flat") -> Net:
        return self.add(Flatten, name, (int(np.prod(self.layers[-1].output_shape)),))

    def dense(self, name: str, outputs: int = 3, **settings: Any) -> Net:
        shape = self.layers[-1].output_shape
        return self.add(
            Dense, name, (*shape[:-1], outputs), weight_io=self.random(shape[-1], outputs),
            bias_o=self.random(outputs), **settings,
        )  # fmt: skip

    def done(self) -> Network:
        return Network(layers=tuple(self.layers))


def plain() -> Network:
    return Net((4,)).dense("a", activation=ReLU()).dense("b").done()


def dropout() -> Network:
    net = Net(IMAGE).conv("c", activation=ReLU()).add(Dropout, "d").flat().dense("o")
    return net.add(ActivationLayer, "l", activation=Linear()).done()


def conv_bn_relu() -> Network:
    return Net(IMAGE).conv("c").bn("n").relu("r").flat().dense("o").done()


def conv_relu_bn() -> Network:
    return Net(IMAGE).conv("c").relu("r").bn("n").conv("e").flat().dense("o").done()


def pool_between() -> Network:
    net = Net(IMAGE).conv("c")
    net.add(AveragePooling2D, "p", (3, 2, 3), pool_size=(2, 2), strides=(2, 2), padding="same",
            activation=Linear())  # fmt: skip
    return net.bn("n").relu("r").flat().dense("o").done()


def bn_first() -> Network:
    return Net(IMAGE).bn("n").conv("c").flat().dense("o").done()


def bn_into_dense() -> Network:
    return Net(IMAGE).conv("c", activation=ReLU()).bn("n").flat().dense("o").done()


def bn_along_rows() -> Network:
    return Net(IMAGE).conv("c").bn("n", axis=0).relu("r").flat().dense("o").done()


def bn_read_twice() -> Network:
    net = Net(IMAGE).conv("c").bn("n")
    net.relu("r", ("n",)).add(Add, "s", None, ("n", "r"), weight_nc=np.ones(2))
    return net.flat().dense("o").done()


def bn_after_depthwise() -> Network:
    net = Net(IMAGE)
    net.add(DepthwiseConv2D, "c", (5, 4, 6), padding="same", weight_hwcm=net.random(3, 3, 3, 2),
            bias_o=net.random(6))  # fmt: skip
    return net.bn("n").flat().dense("o").done()


def bn_after_transposed() -> Network:
    net = Net(IMAGE)
    net.add(Conv2DTranspose, "c", (7, 6, 2), weight_hwoi=net.random(3, 3, 2, 3),
            bias_o=net.random(2))  # fmt: skip
    return net.bn("n").flat().dense("o").done()


def bn_before_transposed() -> Network:
    """Cells of a transposed convolution sum over different numbers of taps."""
    net = Net(IMAGE).bn("n")
    net.add(Conv2DTranspose, "c", (7, 6, 2), weight_hwoi=net.random(3, 3, 2, 3),
            bias_o=net.random(2))  # fmt: skip
    return net.flat().dense("o").done()


def bn_on_a_sequence() -> Network:
    net = Net((6, 2)).bn("n")
    net.add(Conv1D, "c", (4, 3), weight_wio=net.random(3, 2, 3), bias_o=net.random(3))
    return net.bn("m").relu("r").flat().dense("o").done()


def residual() -> Network:
    net = Net(IMAGE).conv("a").relu("ra").conv("b").bn("n")
    net.add(Add, "s", None, ("n", "ra"), weight_nc=np.ones(2)).relu("r")
    return net.flat().dense("o").done()


def read_twice() -> Network:
    net = Net(IMAGE).conv("c").relu("r").add(Concatenate, "j", (5, 4, 6), ("c", "r"), axis=2)
    return net.flat().dense("o").done()


def relu_on_the_input() -> Network:
    return Net((4,)).relu("r").dense("o").done()


def relu_after_reshapes() -> Network:
    net = Net((3, 2, 2)).conv("c")
    net.add(ZeroPadding2D, "z", (4, 4, 3), padding=((1, 0), (0, 2)))
    return net.flat().relu("r").dense("o").done()


def nested_bounds() -> Network:
    net = Net((4,)).dense("a", activation=ReLU(max_value=1.5))
    return net.relu("r").relu("q", bound=0.5).dense("o").done()


def max_pooling() -> Network:
    net = Net(IMAGE).conv("c", activation=ReLU())
    net.add(MaxPooling2D, "p", (2, 2, 3), pool_size=(2, 2), strides=(2, 2), activation=Linear())
    return net.flat().dense("o").done()


def max_pooling_of_a_linear_layer() -> Network:
    net = Net(IMAGE).conv("c")
    net.add(MaxPooling2D, "p", (2, 2, 3), pool_size=(2, 2), strides=(2, 2), activation=Linear())
    return net.relu("r").flat().dense("o").done()


def bn_before_max_pooling() -> Network:
    net = Net(IMAGE).conv("c").relu("r").bn("n").pool("p")
    return net.conv("d").relu("q").flat().dense("o").done()


def bn_twice_before_max_pooling() -> Network:
    net = Net(IMAGE).conv("c").relu("r").bn("n").pool("p").bn("m").pool("q")
    return net.flat().dense("o").done()


def bn_before_max_pooling_of_a_sequence() -> Network:
    net = Net((6, 2)).dense("c").relu("r").bn("n").add(Reshape, "a", (1, 6, 3))
    net.add(MaxPooling2D, "p", (1, 3, 3), pool_size=(1, 2), strides=(1, 2), activation=Linear())
    net.add(Reshape, "b", (3, 3))
    net.add(Conv1D, "d", (3, 2), padding="same", weight_wio=net.random(3, 3, 2),
            bias_o=net.random(2))  # fmt: skip
    return net.flat().dense("o").done()


def bn_before_max_pooling_and_more() -> Network:
    net = Net(IMAGE).conv("c").relu("r").bn("n").conv("d").pool("e", AveragePooling2D)
    net.pool("p", MaxPooling2D, ("n",)).pool("q", AveragePooling2D, ("n",))
    net.add(Add, "s", None, ("e", "p", "q"), weight_nc=np.ones(3)).relu("t")
    return net.flat().dense("o").done()


def bn_before_rectified_max_pooling() -> Network:
    net = Net(IMAGE).conv("c").relu("r").bn("n").pool("p").relu("q")
    return net.flat().dense("o").done()


def bn_before_max_pooling_at_the_end() -> Network:
    return Net(IMAGE).conv("c").relu("r").bn("n").pool("p").done()


def bn_along_rows_before_max_pooling() -> Network:
    net = Net(IMAGE).conv("c").relu("r").bn("n", axis=0).pool("p").conv("d")
    return net.flat().dense("o").done()


def bn_before_average_pooling() -> Network:
    net = Net(IMAGE).conv("c").relu("r").bn("n").pool("p", AveragePooling2D)
    return net.conv("d").flat().dense("o").done()


def bn_after_max_pooling() -> Network:
    return Net(IMAGE).conv("c").pool("p").bn("n").relu("r").flat().dense("o").done()


def max_pooling_before_an_addition() -> Network:
    net = Net(IMAGE).conv("c").bn("n").pool("p")
    net.add(Conv2D, "k", (3, 2, 3), ("in",), weight_hwio=net.random(1, 1, 3, 3), strides=(2, 2),
            bias_o=net.random(3))  # fmt: skip
    net.add(Add, "s", None, ("p", "k"), weight_nc=np.ones(2)).relu("r")
    return net.flat().dense("o").done()


def global_average() -> Network:
    net = Net(IMAGE).conv("c", activation=ReLU())
    return net.add(GlobalAveragePooling2D, "g", (3,)).dense("o").done()


def global_average_of_a_linear_layer() -> Network:
    net = Net(IMAGE).conv("c").add(GlobalAveragePooling2D, "g", (3,)).bn("n").relu("r")
    return net.dense("o").done()


def softmax_at_the_end() -> Network:
    return Net((4,)).dense("o").add(ActivationLayer, "s", activation=Softmax()).done()


def softmax_before_flatten() -> Network:
    net = Net((3, 2, 2))
    net.add(Conv2D, "c", (1, 1, 4), weight_hwio=net.random(3, 2, 2, 4), bias_o=net.random(4))
    return net.add(ActivationLayer, "s", activation=Softmax()).flat().done()


def reshapes() -> Network:
    net = Net((4, 3)).add(Reshape, "a", (1, 4, 3))
    net.add(AveragePooling2D, "p", (1, 2, 3), pool_size=(1, 2), strides=(1, 2), activation=Linear())
    net.add(Reshape, "b", (2, 3)).add(Reshape, "c", (1, 2, 3)).add(Reshape, "d", (6,))
    return net.dense("o").done()


def reshape_read_twice() -> Network:
    net = Net((4, 3)).add(Reshape, "a", (2, 6)).add(Reshape, "b", (1, 12))
    net.add(Reshape, "c", (12,), ("a",)).dense("d", 4)
    net.add(Reshape, "e", (1, 4)).add(Concatenate, "j", (1, 16), ("b", "e"), axis=1)
    return net.dense("o").done()


APPLIES: dict[Callable[[], Network], set[str]] = {
    plain: set(),
    dropout: {"drop_inert"},
    conv_bn_relu: {"fold_batch_normalization", "fuse_activations"},
    conv_relu_bn: {"fold_batch_normalization", "fuse_activations"},
    pool_between: {"fold_batch_normalization", "fuse_activations"},
    bn_first: {"fold_batch_normalization"},
    bn_into_dense: {"fold_batch_normalization"},
    bn_along_rows: {"fold_batch_normalization", "fuse_activations"},
    bn_read_twice: {"fold_batch_normalization", "fuse_activations"},
    bn_after_depthwise: {"fold_batch_normalization"},
    bn_after_transposed: {"fold_batch_normalization"},
    bn_before_transposed: {"fold_batch_normalization"},
    bn_on_a_sequence: {"fold_batch_normalization", "fuse_activations"},
    residual: {"fold_batch_normalization", "fuse_activations"},
    read_twice: {"fuse_activations"},
    relu_on_the_input: {"fuse_activations"},
    relu_after_reshapes: {"fuse_activations"},
    nested_bounds: {"fuse_activations"},
    max_pooling: {"rectify_max_pooling"},
    max_pooling_of_a_linear_layer: {"fuse_activations"},
    bn_before_max_pooling: {"fold_batch_normalization", "fuse_activations"},
    bn_twice_before_max_pooling: {"fold_batch_normalization", "fuse_activations"},
    bn_before_max_pooling_of_a_sequence: {"fold_batch_normalization", "fuse_activations"},
    bn_before_max_pooling_and_more: {"fold_batch_normalization", "fuse_activations"},
    bn_before_rectified_max_pooling: {"fold_batch_normalization", "fuse_activations"},
    bn_before_max_pooling_at_the_end: {"fold_batch_normalization", "fuse_activations"},
    bn_along_rows_before_max_pooling: {"fold_batch_normalization", "fuse_activations"},
    bn_before_average_pooling: {"fold_batch_normalization", "fuse_activations"},
    bn_after_max_pooling: {"fold_batch_normalization", "fuse_activations"},
    max_pooling_before_an_addition: {"fold_batch_normalization", "fuse_activations"},
    global_average: {"lower_global_pooling"},
    global_average_of_a_linear_layer: {
        "lower_global_pooling",
        "fold_batch_normalization",
        "fuse_activations",
    },
    softmax_at_the_end: {"fuse_activations"},
    softmax_before_flatten: {"fuse_activations", "add_output_neurons"},
    reshapes: {"merge_reshapes"},
    reshape_read_twice: set(),
}
"""Each network and the structural passes that change it when they run alone."""


def assert_same_function(before: Network, after: Network) -> None:
    x = np.random.default_rng(3).normal(0, 1, (6, *before.input.output_shape)).astype(np.float32)
    expected = predict(before, x)
    assert np.ptp(expected) > 0
    # Folding rounds weights to float32 and sums in another order: a few units in the last place.
    np.testing.assert_allclose(
        predict(after, x), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max()
    )


@pytest.mark.parametrize("make", APPLIES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("run", STRUCTURAL, ids=lambda run: run.__name__)
def test_pass_keeps_the_function_and_applies_where_it_should(
    run: Callable[[Network], Network], make: Callable[[], Network]
) -> None:
    network = make()
    found = run(network)
    assert (found is not network) == (run.__name__ in APPLIES[make])
    assert_same_function(network, found)
    if found is not network:
        assert len(found.history) > len(network.history)
    assert run(found) is found


@pytest.mark.parametrize("make", APPLIES, ids=lambda make: make.__name__)
def test_structural_passes_together_leave_a_convertible_network(
    make: Callable[[], Network],
) -> None:
    network = make()
    arrays = {layer.name: layer.arrays for layer in network}
    found = run_structural(network)
    assert_same_function(network, found)
    assert not [layer.name for layer in found if layer.source_dialect]
    assert found.spiking_layers[-1] is found.output
    for layer in network:
        assert layer.arrays.keys() == arrays[layer.name].keys()
        assert all(layer.arrays[name] is arrays[layer.name][name] for name in layer.arrays)


def test_structural_network_is_left_alone() -> None:
    network = run_structural(conv_bn_relu())
    assert run_structural(network) is network


def test_labels_count_layers_and_keep_their_old_names_in_the_history() -> None:
    network = label_layers(plain())
    assert [layer.name for layer in network] == ["input", "00Dense_3", "01Dense_3"]
    assert network.history == ("labelled the layers: 00Dense_3 = a, 01Dense_3 = b",)


def test_labels_have_as_many_digits_as_the_largest() -> None:
    net = Net((2,))
    for i in range(101):
        net.dense(f"d{i}", 2)
    names = [layer.name for layer in label_layers(net.done())]
    assert names[1] == "000Dense_2"
    assert names[-1] == "100Dense_2"


def test_all_problems_are_listed_at_once() -> None:
    net = Net(IMAGE).conv("c").flat().dense("h", activation=Softmax()).dense("k")
    net.add(ActivationLayer, "s", activation=Softmax()).dense("o")
    with pytest.raises(UnsupportedError) as caught:
        run_structural(net.done())
    problems = caught.value.problems
    assert [problem.split(":")[0] for problem in problems] == ["h (Dense)", "s (ActivationLayer)"]
    assert "softmax" in problems[0]
    assert "softmax" in problems[1]


def test_softmax_over_the_channels_of_several_pixels_is_refused() -> None:
    """After flattening, one softmax over all values would be another function."""
    net = Net((3, 2, 2)).conv("c", activation=Softmax()).flat()
    with pytest.raises(UnsupportedError, match=r"c \(Conv2D\): softmax inside"):
        run_structural(net.done())


def test_networks_without_weights_are_refused() -> None:
    net = Net(IMAGE)
    net.add(AveragePooling2D, "p", (2, 2, 3), pool_size=(2, 2), strides=(2, 2))
    with pytest.raises(UnsupportedError, match="no layer with weights"):
        run_structural(net.done())


def test_source_dialect_is_refused_with_advice() -> None:
    with pytest.raises(UnsupportedError, match=r"n \(BatchNormalization\).*structural"):
        check_convertible(conv_bn_relu())
