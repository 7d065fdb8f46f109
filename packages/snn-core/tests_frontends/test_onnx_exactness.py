"""Integers, broadcasting, dropout and resizing in ONNX: read as they are computed, or refused."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from onnx_zoo import IMAGE, Net, floats, ints, number

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing import parse, read
from snn_core.parsing.exactness import compare


@pytest.fixture(params=["onnxruntime", "reference"])
def engine(request, monkeypatch):
    if request.param == "reference":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    return request.param


def problems(model):
    with pytest.raises(UnsupportedError) as caught:
        parse(model)
    return caught.value.problems


def of_type(kind, build, features=6, *, shape=(6,), opset=17):
    """Return a model of an input type; a dense layer reads the features that ``build`` gives."""
    net = Net(shape, opset)
    x = net.node("Cast", build(net), to=TensorProto.FLOAT)
    model = net.model(net.node("MatMul", net.node("Flatten", x), net.random(features, 3)))
    model.graph.input[0].type.tensor_type.elem_type = kind
    return model


def bytes_of(value):
    return np.array(value, np.uint8)


@pytest.mark.parametrize(
    "kind", ["INT8", "INT16", "INT32", "INT64", "UINT16", "UINT64", "BOOL", "STRING", "COMPLEX64",
             "FLOAT8E4M3FN", "UNDEFINED"],
)  # fmt: skip
def test_only_floats_and_bytes_are_read_as_real_numbers(kind):
    (line,) = problems(of_type(TensorProto.DataType.Value(kind), lambda net: "x"))
    assert line.startswith(f"x: its values are {kind.lower()}; float,"), line


@pytest.mark.parametrize("kind", ["FLOAT16", "FLOAT", "DOUBLE", "BFLOAT16", "UINT8"])
def test_floats_and_bytes_are_read(kind):
    assert parse(of_type(TensorProto.DataType.Value(kind), lambda net: "x")).input.output_shape == (
        6,
    )


def test_bfloat16_is_not_handed_to_onnxruntime():
    found = compare(read(of_type(TensorProto.BFLOAT16, lambda net: "x")), np.ones((2, 6), "f4"))
    assert "onnxruntime takes no NumPy arrays of the type tensor(bfloat16)" in found.reason


@pytest.mark.parametrize(
    ("operation", "values"),
    [("Div", [3]), ("Add", [250]), ("Sub", [7]), ("Mul", [2]), ("Div", [1, 2, 3, 4, 5, 6])],
)
def test_what_computes_with_integers_is_refused_together_with_their_type(operation, values):
    """Quotients are rounded towards 0, and sums beyond 255 begin again at 0."""
    for kind in (np.uint8, np.int32):
        constant = np.array(values, kind)
        number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))

        def build(net, constant=constant):
            return net.node("Identity", net.node(operation, "x", net.constant(constant)))

        *types, line = problems(of_type(number, build))
        assert f"{operation}_0 ({operation}): it computes with integers" in line
        assert len(types) == (kind is np.int32)


@pytest.mark.parametrize(
    ("build", "features"),
    [
        (lambda net: net.node("Add", net.node("Identity", "x"), "x"), 144),
        (lambda net: net.node("Sub", "x", net.node("Gather", "x", ints(2, 1, 0), axis=1)), 144),
        (lambda net: net.node("Mul", net.node("Max", "x", bytes_of(0)), bytes_of(3)), 144),
    ],
)  # fmt: skip
def test_integers_stay_integers_where_they_are_arranged(build, features):
    model = of_type(TensorProto.UINT8, build, features, shape=IMAGE, opset=14)
    (line,) = problems(model)
    assert "it computes with integers" in line


@pytest.mark.parametrize(
    ("build", "features"),
    [
        (lambda net: net.node("Neg", net.node("Transpose", "x", perm=[0, 1, 3, 2])), 144),
        (lambda net: net.node("ReduceSum", net.node("Slice", "x", ints(0), ints(2), ints(1)),
                              ints(2, 3)), 2),
        (lambda net: net.node("Mean", *net.node("Split", "x", axis=1, outputs=3)), 48),
        (lambda net: net.node("Sub", "x", net.node("Gather", "x", ints(2, 1, 0), axis=1)), 144),
    ],
)  # fmt: skip
def test_integers_are_refused_where_an_operator_takes_none(build, features):
    model = of_type(TensorProto.UINT8, build, features, shape=IMAGE, opset=13)
    with pytest.raises(ParseError, match=r"is tensor\(uint8\), which it does not take\. Export"):
        parse(model)


@pytest.mark.parametrize(
    ("build", "features"),
    [
        (lambda net: net.node("Identity", "x"), 144),
        (lambda net: net.node("Slice", "x", ints(1), ints(6), ints(2)), 90),
        (lambda net: net.node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]), 36),
        (lambda net: net.node("Concat", *net.node("Split", "x", axis=1, outputs=3), axis=1), 144),
        (lambda net: net.node("Max", "x", bytes_of(0)), 144),
    ],
)  # fmt: skip
def test_bytes_may_be_arranged_and_chosen_before_they_are_cast(build, features):
    model = of_type(TensorProto.UINT8, build, features, shape=IMAGE, opset=13)
    x = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3)).astype(np.float32)
    found = compare(read(model), x)
    assert found.compared, str(found)
    assert found.is_within(1e-5)


def dense(*constant, batch="batch", **attributes):
    """Return a model that is one ``Gemm`` of four inputs."""
    net = Net((4,), 13)
    inputs = [net.random(4, 3), *(net.random(*shape) for shape in constant)]
    return net.model(net.node("Gemm", "x", *inputs, **attributes), batch=batch)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 1), (1, 3)])
@pytest.mark.parametrize("batch", [1, 3, "batch"])
def test_a_bias_that_is_the_same_for_all_samples_is_broadcast(shape, batch, engine):
    model = dense(shape, batch=batch, alpha=0.5, beta=2.0)
    found = compare(read(model), np.random.default_rng(0).random((5, 4)).astype(np.float32))
    assert found.compared, str(found)
    assert (found.samples, found.is_within(1e-5)) == (5, True)


@pytest.mark.parametrize(("operation", "shape"), [("Gemm", (3, 3)), ("Gemm", (3, 1)),
                                                  ("Add", (3, 4)), ("Mul", (3, 1)),
                                                  ("Max", (3, 4))])  # fmt: skip
def test_constants_that_are_repeated_for_all_samples_are_read(operation, shape, engine):
    """As exporters write them that fold the expansion of a bias to a batch."""
    net = Net((4,), 13)
    values = np.zeros((1, *shape[1:]), "f4") if operation == "Max" else net.random(1, *shape[1:])
    repeated, weights = values.repeat(3, axis=0), net.random(4, 3)
    if operation == "Gemm":
        y = net.node("Gemm", "x", weights, repeated)
    else:
        y = net.node("MatMul", net.node(operation, "x", repeated), weights)
    x = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    found = compare(read(net.model(y, batch=3)), x)
    assert found.compared, str(found)
    assert found.is_within(1e-5)


@pytest.mark.parametrize("shape", [(3, 1), (3, 3)])
def test_a_bias_for_each_sample_is_refused(shape):
    (line,) = problems(dense(shape, batch=3))
    assert f"its constant of shape {shape} holds other numbers for each sample" in line


@pytest.mark.parametrize("shape", [(3, 1), (2,), (2, 3), (1, 1, 3)])
def test_a_bias_that_does_not_broadcast_is_an_error(shape):
    model = dense(())
    model.graph.initializer[1].CopyFrom(
        onnx.numpy_helper.from_array(np.ones(shape, np.float32), model.graph.initializer[1].name)
    )
    with pytest.raises(ParseError, match=r"its constant of shape .* does not fit to \(3,\)"):
        parse(model)


@pytest.mark.parametrize("operation", ["Add", "Sub", "Mul", "Div", "Max", "Min"])
@pytest.mark.parametrize(
    ("shape", "error"),
    [((3, 1), "each sample"), ((3, 6), "each sample"), ((2, 1), "does not fit"),
     ((1, 1, 6), "does not fit"), ((1, 1, 1), "does not fit")],
)  # fmt: skip
def test_constants_are_the_same_for_all_samples(operation, shape, error):
    net = Net((6,), 13)
    x = net.node(operation, "x", net.random(*shape))
    model = net.model(net.node("MatMul", x, net.random(6, 3)), batch="batch")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    with pytest.raises((ParseError, UnsupportedError), match=error):
        parse(model)


@pytest.mark.parametrize("batch", [2, 3, 8, 20])
def test_a_model_for_several_samples_gets_as_many(batch, engine):
    net = Net(IMAGE, 13)
    x = net.node("Reshape", net.relu(net.conv()), ints(batch, 4 * 6 * 4))
    model = net.model(net.node("MatMul", x, net.random(96, 3)), batch=batch)
    found = compare(read(model), np.random.default_rng(0).random((8, 8, 6, 3)).astype(np.float32))
    assert found.compared, str(found)
    assert (found.samples, found.is_within(1e-5)) == (8, True)


def test_a_model_for_more_samples_than_fit_into_memory_is_not_run():
    model = dense(batch=2**40)
    found = compare(read(model), np.ones((2, 4), np.float32))
    assert "A batch of 1099511627776 samples would take" in found.reason


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_that_exporters_write_for_open_ones_are_open(size):
    model = dense((3,))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    assert parse(model).output.output_shape == (3,)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = size
    with pytest.raises(ParseError, match="--input-shape"):
        parse(model)
    assert parse(model, input_shape=(4,)).input.output_shape == (4,)


def flag(value):
    return np.array(value, bool)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda net: net.node("Dropout", "x", number(0.5), flag(True)), "it drops values"),
        (lambda net: net.node("Dropout", "x", "", flag(True)), "it drops values"),
        (lambda net: net.node("Dropout", "x", number(0.5), net.node("Not", flag(False))),
         "fold them first"),
        (lambda net: net.node("Cast", net.node("Dropout", "x", outputs=2)[1], to=1),
         "its mask is used"),
    ],
)  # fmt: skip
def test_dropout_that_is_on_is_refused(build, message):
    net = Net((6,), 17)
    assert message in problems(net.model(net.node("MatMul", build(net), net.random(6, 3))))[0]


@pytest.mark.parametrize("more", [[], [number(0.5)], [number(0.5), flag(False)]])
def test_dropout_that_is_off_is_nothing(more):
    net = Net((6,), 17)
    model = net.model(net.node("MatMul", net.node("Dropout", "x", *more), net.random(6, 3)))
    assert compare(read(model), np.ones((2, 6), np.float32)).is_within(1e-5)


def test_normalization_with_statistics_of_the_batch_is_refused_in_old_operator_sets():
    """They have no attribute for it; outputs for the statistics say so."""
    net = Net(IMAGE, 9)
    parameters = [np.ones(4, np.float32)] * 4
    y, *_ = net.node("BatchNormalization", net.conv(), *parameters, outputs=5)
    assert "it normalizes by the batch" in problems(net.model(net.head(y, 96)))[0]


def resized(scales, *, sizes=None, opset=13, kind="Resize", **attributes):
    """Return a model that resizes an image of 3 channels, 8 rows and 6 columns."""
    net = Net(IMAGE, opset)
    if kind == "Upsample" or opset < 11:
        x = net.node(kind, "x", floats(*scales), **attributes)
    else:
        attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor",
                      **attributes}  # fmt: skip
        given = ["", "", ints(*sizes)] if sizes else ["", floats(*scales)]
        x = net.node("Resize", "x", *given, **attributes)
    return net.model(net.node("Flatten", net.node("GlobalAveragePool", net.relu(net.conv(x)))))


def compared(model):
    """Compare a model with its network on images whose pixels differ."""
    return compare(read(model), np.random.default_rng(0).random((3, 8, 6, 3)).astype(np.float32))


@pytest.mark.parametrize(
    "model",
    [
        resized([1, 1, 2, 3]),
        resized([1, 1, 2.00001, 2], coordinate_transformation_mode="half_pixel",
                nearest_mode="round_prefer_floor"),
        resized([1, 1, 2.05, 2], coordinate_transformation_mode="half_pixel",
                nearest_mode="round_prefer_floor"),
        resized([1, 1, 3, 2], coordinate_transformation_mode="half_pixel_symmetric", opset=19,
                nearest_mode="round_prefer_ceil"),
        resized([], sizes=(1, 3, 16, 18)),
        resized([1, 1, 3, 2], opset=10),
        resized([1, 1, 3, 2], opset=9, kind="Upsample"),
    ],
)  # fmt: skip
def test_resizing_that_repeats_every_cell_is_read(model):
    found = compared(model)
    assert found.compared, str(found)
    assert found.is_within(1e-5)


@pytest.mark.parametrize(
    ("scales", "attributes", "message"),
    [
        (
            [1, 1, 2.00001, 2],
            {},
            "by 2.00001001 with 'asymmetric' and 'floor' does not repeat",
        ),
        ([1, 1, 2, 2.001], {}, "does not repeat"),
        ([1, 1, 1.99999, 2], {}, "only whole factors"),
        ([1, 1, 2.2, 2], {}, "only whole factors"),
        ([1, 1, 2, 2], {"nearest_mode": "ceil"}, "does not repeat"),
        ([1, 1, 2, 2], {"coordinate_transformation_mode": "align_corners"}, "is not supported"),
        (
            [1, 1, 2, 2],
            {"coordinate_transformation_mode": "tf_crop_and_resize"},
            "is not supported",
        ),
        ([1.0001, 1, 2, 2], {}, "only whole factors"),
        ([1, 1, np.nan, 2], {}, "only whole factors"),
        ([1, 1, np.inf, 2], {}, "only whole factors"),
        ([1, 1, 0.01, 2], {}, "only whole factors"),
    ],
)
def test_resizing_is_judged_by_the_cells_that_are_read(scales, attributes, message):
    assert message in problems(rescaled(scales, attributes))[0]


def rescaled(scales, attributes):
    """Return a model whose scales ONNX may not accept."""
    model = resized([1, 1, 2, 2], **attributes)
    (stored,) = (item for item in model.graph.initializer if list(item.dims) == [4]
                 and item.name in model.graph.node[0].input)  # fmt: skip
    stored.CopyFrom(onnx.numpy_helper.from_array(floats(*scales), stored.name))
    return model


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_sizes_that_the_aspect_ratio_changes_are_refused(policy):
    same = resized([], sizes=(16, 12), axes=[2, 3], keep_aspect_ratio_policy=policy, opset=18)
    assert compared(same).is_within(1e-5)
    other = resized([], sizes=(16, 18), axes=[2, 3], keep_aspect_ratio_policy=policy, opset=18)
    assert "gives other sizes than it says" in problems(other)[0]


def test_names_stand_for_one_value():
    for change in (
        lambda graph: graph.node[0].output.__setitem__(0, "x"),
        lambda graph: graph.node[0].output.__setitem__(0, graph.node[1].output[0]),
        lambda graph: graph.node[0].output.__setitem__(0, graph.initializer[0].name),
        lambda graph: graph.initializer.append(graph.initializer[0]),
    ):
        net = Net((6,), 13)
        model = net.model(net.relu(net.node("MatMul", "x", net.random(6, 3))))
        change(model.graph)
        with pytest.raises(ParseError, match=r"gives the name '.*' to two values"):
            parse(model)


@pytest.mark.parametrize(
    ("declared", "fits"),
    [((6, 3), True), (("a", 3), True), (None, True), ((3, 6), False), ((6,), False), ((), False)],
)
def test_a_constant_that_is_an_input_too_has_the_shape_that_it_declares(declared, fits):
    net = Net((6,), 13)
    model = net.model(net.node("MatMul", "x", net.random(6, 3)))
    model.graph.input.append(
        onnx.helper.make_tensor_value_info("constant_0", TensorProto.FLOAT, declared)
    )
    if fits:
        assert parse(model).output.output_shape == (3,)
        return
    with pytest.raises(
        ParseError, match=r"'constant_0' has the shape \(6, 3\), and .* as an input"
    ):
        parse(model)


def test_constants_have_as_many_axes_as_arrays():
    net = Net((6,), 13)
    model = net.model(net.node("MatMul", "x", net.random(6, 3)))
    model.graph.initializer[0].dims[:] = [2**62] * 10**5
    with pytest.raises(ParseError, match="found a shape of 100000 axes; expected at most 32"):
        parse(model)


@pytest.mark.parametrize("dims", [(-6, 3), (6, -3), (-6, -3)])
def test_negative_sizes_are_named(dims):
    net = Net((6,), 13)
    model = net.model(net.node("MatMul", "x", net.random(6, 3)))
    model.graph.initializer[0].dims[:] = dims
    with pytest.raises(
        ParseError, match=rf"'constant_0' has a negative size in .*{dims[0]}, {dims[1]}"
    ):
        parse(model)


@pytest.mark.parametrize("key", ["alpha", "beta"])
@pytest.mark.parametrize("factor", [np.nan, np.inf, 3e38])
def test_factors_of_a_dense_layer_that_lead_beyond_numbers_are_refused(key, factor, recwarn):
    with pytest.raises(ParseError, match=rf"product with {key} holds"):
        parse(dense((3,), **{key: factor}))
    assert not recwarn.list


@pytest.mark.parametrize(
    "build",
    [
        lambda net: net.node("Div", "x", number(1e-40)),
        lambda net: net.node("Mul", "x", floats(1e31, 1, 1, 1, 1, 1)),
        lambda net: net.node("BatchNormalization", "x", *floats(1e30, 0, 1e20, 1e-20).repeat(6)
                             .reshape(4, 6), epsilon=0.0),
    ],
)  # fmt: skip
def test_gains_and_offsets_beyond_what_an_artifact_may_hold_are_refused(build, recwarn):
    net = Net((6,), 13)
    with pytest.raises(ParseError, match=r"expected at most 1e\+30|infinite"):
        parse(net.model(net.node("MatMul", build(net), net.random(6, 3))))
    assert not recwarn.list


@pytest.mark.parametrize(
    "build",
    [
        lambda net: net.node("MatMul", net.node("Flatten", "x"), net.random(144, 0)),
        lambda net: net.conv(kernel=(0, 3)),
        lambda net: net.node("ConvTranspose", "x", net.random(3, 0, 2, 2)),
    ],
)
def test_a_layer_of_nothing_is_refused(build):
    net = Net(IMAGE, 13)
    with pytest.raises(ParseError, match="which holds nothing"):
        parse(net.model(build(net)))


def test_complex_weights_are_refused(recwarn):
    for build in (
        lambda net: net.node("MatMul", "x", net.random(6, 3) + np.complex64(1j)),
        lambda net: net.node("Add", "x", np.complex64(1j) * np.ones(6, np.complex64)),
        lambda net: net.node("Max", "x", np.array(1j, np.complex64)),
    ):
        net = Net((6,), 13)
        with pytest.raises(ParseError, match=r"is tensor\(complex64\), which it does not"):
            parse(unchecked_model(net, build(net)))
    assert not recwarn.list


def unchecked_model(net, output, kind=TensorProto.FLOAT):
    """Return a model without ONNX's own checks, which refuse these types."""
    graph = onnx.helper.make_graph(
        net.nodes, "graph",
        [onnx.helper.make_tensor_value_info("x", kind, ["batch", *net.shape])],
        [onnx.helper.make_tensor_value_info(output, kind, None)], net.initializers,
    )  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", net.opset)])


def test_small_float_weights_are_read():
    """NumPy takes the types of ml_dtypes for records."""
    net = Net((6,), 13)
    weight = onnx.helper.make_tensor("w", TensorProto.BFLOAT16, [6, 3], np.full(18, 0.5))
    net.initializers.append(weight)
    network = parse(unchecked_model(net, net.node("MatMul", "x", "w"), TensorProto.BFLOAT16))
    np.testing.assert_array_equal(predict(network, np.ones((1, 6))), np.full((1, 3), 3.0))


def squeezed(build, opset=13):
    """Return a model for one sample, whose samples have lost their axis before what is built."""
    net = Net((1, 4, 4), opset)
    x = net.node("MatMul", net.node("Squeeze", "x"), net.random(4, 4))
    return net.model(build(net, x), batch=1)


@pytest.mark.parametrize(
    "build",
    [
        lambda net, x: net.node("ReduceMean", x, axes=[1], keepdims=0),
        lambda net, x: net.node("Concat", x, x, axis=1),
        lambda net, x: net.node("Gather", x, ints(3, 2, 1, 0), axis=1),
        lambda net, x: net.node("Softmax", x, axis=1),
        lambda net, x: net.node("Transpose", x, perm=[1, 0]),
        lambda net, x: net.node("Add", x, net.random(1, 4, 4)),
        lambda net, x: net.node("Flatten", net.relu(x)),
    ],
)
def test_axes_behind_a_squeeze_that_removes_the_samples_are_refused(build):
    lines = problems(squeezed(build))
    assert any("a Squeeze without axes before it removes the axis of" in line for line in lines)


@pytest.mark.parametrize(
    "build",
    [
        lambda net, x: net.relu(x),
        lambda net, x: net.node("MatMul", net.relu(x), net.random(4, 2)),
        lambda net, x: net.node("Add", net.node("Mul", x, net.random(4)), net.relu(x)),
        lambda net, x: net.node("Softmax", x, axis=-1),
    ],
)
def test_what_counts_no_axes_may_follow_such_a_squeeze(build, engine):
    model = squeezed(build)
    x = np.random.default_rng(0).random((3, 4, 4, 1)).astype(np.float32)
    # Sums of float32 in another order
    assert compare(read(model), x).difference < 1e-5


def test_quantized_weights_are_compared_as_the_model_says():
    """Optimized, onnxruntime multiplies bytes with kernels that round otherwise."""
    net = Net((6,), 13)
    weight = net.rng.integers(-100, 100, (6, 5)).astype(np.int8)
    scale, zero = floats(0.1, 0.2, 0.3, 0.4, 0.5), np.int8([1, 2, 3, -4, 0])
    model = net.model(
        net.node("MatMul", "x", net.node("DequantizeLinear", weight, scale, zero, axis=1))
    )
    x = np.random.default_rng(0).random((8, 6)).astype(np.float32)
    assert compare(read(model), x).difference < 1e-5
