"""ONNX files: the MNIST classifier, damaged files, external data, and the memory they take."""

from __future__ import annotations

import importlib.util
import resource
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import external_data_helper
from onnx_zoo import GRAPHS, IMAGE, Net, built, ints

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import accuracy, predict
from snn_core.parsing import parse, read
from snn_core.parsing.exactness import compare
from snn_core.parsing.onnx.file import OnnxFileParser

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[3]
MEMORY = ROOT / "benchmarks" / "onnx_memory.py"
DIGITS = ROOT / "examples" / "mnist" / "data" / "test.npz"


@pytest.fixture
def model(tmp_path):
    """Return the path of a small model."""
    proto, _ = built("residual", 17)
    onnx.save(proto, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_the_mnist_classifier_decides_as_onnxruntime_does_on_real_digits():
    path = DATA / "mnist-conv.onnx"
    digits = np.load(DIGITS)
    x, labels = digits["x"][:300].astype(np.float32), digits["y"][:300]  # grey levels 0 to 255
    network = parse(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    expected = np.concatenate(
        [session.run(None, {name: image.reshape(1, 1, 28, 28)})[0] for image in x]
    )
    found = predict(network, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))
    assert accuracy(network, x, labels) > 0.97


def test_a_model_in_memory_is_read_as_its_file(model):
    found, expected = parse(onnx.load(model)), parse(model)
    assert [layer.name for layer in found] == [layer.name for layer in expected]
    assert "net.onnx" in expected.history[0]
    assert "sha256" in expected.history[0]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_a_clear_error(model, share):
    content = model.read_bytes()
    model.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ParseError, match=r"net\.onnx|damaged|before it is computed"):
        parse(model)


@pytest.mark.parametrize("content", [b"hello", b"\x00" * 100, b"PK\x03\x04" + b"0" * 50])
def test_a_foreign_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ParseError, match=r"cannot be read|holds no ONNX graph"):
        parse(path)


@pytest.mark.parametrize("opset", [6, 999])
def test_operator_sets_that_are_too_old_or_unknown_are_refused(opset):
    net = Net((6,), 13)
    proto = net.model(net.node("Gemm", "x", net.random(6, 3)))
    proto.opset_import[0].version = opset
    with pytest.raises(ParseError, match=rf"operator set {opset}; this installation reads 7 to"):
        parse(proto)


def test_a_constant_that_is_cut_short_is_named(model):
    proto = onnx.load(model)
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]
    with pytest.raises(ParseError, match=r"constant 'constant_0' cannot be read"):
        parse(proto)


def test_a_value_that_nothing_computes_is_named(model):
    proto = onnx.load(model)
    proto.graph.node[1].input[0] = "nowhere"
    with pytest.raises(ParseError, match=r"reads 'nowhere' before it is computed"):
        parse(proto)


def test_a_graph_in_a_circle_is_a_clear_error():
    net = Net((3,), 13)
    proto = net.model(net.node("Add", net.node("Relu", "x"), "x"))
    proto.graph.node[0].input[0] = proto.graph.node[1].output[0]
    with pytest.raises(ParseError, match="before it is computed"):
        parse(proto)


def test_an_open_input_shape_must_be_given():
    net = Net(("channels", "rows"), 13)
    x = net.relu(net.conv(inputs=4, outputs=5, kernel=(3,)))
    proto = net.model(net.node("Flatten", net.node("GlobalAveragePool", x)))
    with pytest.raises(ParseError, match="--input-shape"):
        parse(proto)
    assert parse(proto, input_shape=(4, 9)).input.output_shape == (9, 4)


def external(model, location, **more):
    proto = onnx.load(model)
    external_data_helper.convert_model_to_external_data(
        proto, all_tensors_to_one_file=True, location="weights.bin", size_threshold=0
    )
    onnx.save(proto, model)
    proto = onnx.load(model, load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
            entry.value = more.get(entry.key, entry.value)
    model.write_bytes(proto.SerializeToString())


def test_external_data_beside_the_model_are_read(model):
    expected = parse(model)
    external(model, "weights.bin")
    found = parse(model)
    x = np.random.default_rng(0).random((2, *found.input.output_shape)).astype(np.float32)
    np.testing.assert_array_equal(predict(found, x), predict(expected, x))


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "", "a/../../b"])
def test_external_data_elsewhere_are_not_read(model, location):
    external(model, location)
    with pytest.raises(ParseError, match="outside the model's folder"):
        parse(model)


def test_external_data_behind_a_link_are_not_read(model):
    external(model, "link.bin")
    (model.parent / "link.bin").symlink_to(model.parent / "weights.bin")
    with pytest.raises(ParseError, match="no plain file"):
        parse(model)


@pytest.mark.parametrize("more", [{"offset": "-8"}, {"length": "-1"}])
def test_external_data_of_negative_size_are_a_clear_error(model, more):
    external(model, "weights.bin", **more)
    with pytest.raises(ParseError, match=r"-[18].* in weights\.bin; negative sizes mean damage"):
        parse(model)


def test_external_data_that_are_missing_or_too_short_are_a_clear_error(model):
    external(model, "missing.bin")
    with pytest.raises(ParseError, match="no plain file"):
        parse(model)
    (model.parent / "missing.bin").write_bytes(b"1234")
    with pytest.raises(ParseError, match=r"bytes long in missing\.bin, which has 4"):
        parse(model)


def test_what_a_model_says_twice_is_refused():
    net = Net((6,), 17)
    model = net.model(net.node("Softmax", net.node("Gemm", "x", net.random(6, 3)), axis=1))
    twice = onnx.ModelProto.FromString(model.SerializeToString())
    twice.graph.node[1].attribute.append(onnx.helper.make_attribute("axis", 0))
    with pytest.raises(ParseError, match=r"\(Softmax\) has the attribute 'axis' twice"):
        parse(twice)
    model.opset_import.append(onnx.helper.make_opsetid("ai.onnx", 9))
    with pytest.raises(ParseError, match=r"standard operators' set 2 times \(\[17, 9\]\)"):
        parse(model)


def test_a_small_file_cannot_grow_without_bound():
    net = Net((6,), 13)
    shape = np.array([10**5, 10**5], np.int64)
    weight = net.node("ConstantOfShape", shape)
    proto = net.model(net.node("MatMul", "x", weight))
    with pytest.raises(Exception, match=r"ConstantOfShape\): it makes more than"):
        parse(proto)


@pytest.mark.parametrize("name", ["residual", "sequence", "dense"])
def test_the_parser_runs_the_source_in_the_axis_order_of_the_network(tmp_path, name):
    proto, x = built(name, GRAPHS[name][2][0])
    onnx.save(proto, tmp_path / "net.onnx")
    last = np.moveaxis(x, 1, -1)
    for source in (proto, tmp_path / "net.onnx"):
        found, engine = OnnxFileParser().run(source, last)
        np.testing.assert_allclose(predict(parse(source), last), found, rtol=1e-4, atol=1e-5)
        assert engine == f"onnxruntime {onnxruntime.__version__}"


def test_without_onnxruntime_the_reference_evaluator_runs_the_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    proto, x = built("dense", 13)
    found, engine = OnnxFileParser().run(proto, x)
    np.testing.assert_allclose(predict(parse(proto), x), found, rtol=1e-4, atol=1e-5)
    assert "reference evaluator" in engine


@pytest.mark.parametrize("engine", ["onnxruntime", "reference"])
@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_a_model_of_another_precision_is_compared_in_it(monkeypatch, kind, engine):
    if engine == "reference":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
    net = Net((6,), 13)
    proto = net.model(net.node("MatMul", net.relu(net.node("MatMul", "x", net.random(6, 5))),
                               net.random(5, 3)))  # fmt: skip
    number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = number
    for item in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(item).astype(kind)
        item.CopyFrom(onnx.numpy_helper.from_array(values, item.name))
    found = compare(read(proto), np.random.default_rng(0).random((4, 6)).astype(np.float32))
    assert found.compared, str(found)
    assert (found.computed_in == "float16") == (kind == np.float16)
    assert found.is_within(1e-5)


@pytest.mark.parametrize(("scale", "compared"), [(255, True), (1, False)])
def test_a_model_of_8_bit_integers_is_compared_on_those_alone(scale, compared):
    net = Net((6,), 13)
    x = net.node("Cast", "x", to=onnx.TensorProto.FLOAT)
    proto = net.model(net.node("MatMul", x, net.random(6, 3)))
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    samples = np.random.default_rng(0).random((4, 6)).astype(np.float32) * scale
    found = compare(read(proto), np.round(samples) if compared else samples)
    assert found.compared == compared
    assert found.is_within(1e-5) if compared else "8-bit integers" in found.reason


def test_a_model_for_one_sample_may_give_it_without_its_axis():
    net = Net(IMAGE, 13)
    x = net.node("Squeeze", net.node("GlobalAveragePool", net.relu(net.conv())))
    proto = net.model(net.node("MatMul", x, net.random(4, 3)), batch=1)
    found = compare(read(proto), np.random.default_rng(0).random((4, 8, 6, 3)).astype(np.float32))
    assert found.is_within(1e-5), str(found)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the peak")
def test_parsing_takes_at_most_three_times_the_size_of_the_file(tmp_path):
    spec = importlib.util.spec_from_file_location("onnx_memory", MEMORY)
    memory = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(memory)
    size, more = memory.measured(tmp_path, 40)
    assert size > 35e6  # whole layers only, so not quite 40 MB
    assert more > size / 2, "the network is not in memory; the measurement is wrong"
    assert more <= 3 * size, f"{more / size:.2f} times its size"


def test_a_node_with_millions_of_inputs_is_refused_before_they_are_read(model):
    proto = onnx.load(model)
    proto.graph.node[0].input.extend(["w"] * 1_000_000)
    with pytest.raises(ParseError, match="inputs; at most 1000000 are read"):
        parse(proto)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"pads": [-1, 0, 0, 0]}, "its pads is .*expected 4 whole number.* of at least 0"),
        ({"pads": [1, 1]}, "its pads is .*expected 4 whole number"),
        (
            {"strides": [2**62, 1]},
            "less than 2147483648|would take|cannot be read|Integer overflow",
        ),
        ({"dilations": [1, 2**40]}, "does not fit|not supported|would take|cannot be read"),
        ({"auto_pad": "SAME"}, "auto_pad is 'SAME'; expected NOTSET, VALID, SAME_UPPER or"),
    ],
)
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
def test_windows_of_impossible_geometry_are_refused(kind, attributes, expected):
    net = Net(IMAGE, 19)
    weight = {"Conv": [net.random(4, 3, 2, 2)], "ConvTranspose": [net.random(3, 4, 2, 2)]}
    more = {} if kind in weight else {"kernel_shape": [2, 2]}
    x = net.node(kind, "x", *weight.get(kind, []), **more)
    model = net.model(net.node("Flatten", net.node("GlobalAveragePool", x)))
    changed = [onnx.helper.make_attribute(*item) for item in attributes.items()]
    model.graph.node[0].attribute.extend(changed)
    with pytest.raises((ParseError, UnsupportedError), match=expected):
        parse(model)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])
def test_functions_in_place_of_operators_are_refused(domain):
    """An engine may run the operator instead, and would be given the function written out."""
    net = Net((6,), 17)
    model = net.model(net.relu(net.node("Gemm", "x", net.random(6, 3))))
    operators = [onnx.helper.make_opsetid("", 17)]
    body = [onnx.helper.make_node("Neg", ["a"], ["b"])]
    model.functions.append(onnx.helper.make_function(domain, "Relu", ["a"], ["b"], body, operators))
    with pytest.raises(ParseError, match=f"function 'Relu' in the domain '{domain}'"):
        parse(model)


@pytest.mark.parametrize("size", [15_000, 300_000])
def test_entries_that_are_gathered_many_times_are_counted_before_they_are(monkeypatch, size):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "100M")
    net = Net((2, 2), 13)
    index = net.node("ConstantOfShape", ints(size), value=onnx.helper.make_tensor(
        "zero", onnx.TensorProto.INT64, [1], [0]))  # fmt: skip
    model = net.model(net.node("Gather", net.node("Gather", "x", index, axis=1), index, axis=2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ParseError, match=f"{size**2} values of 'input' would take"):
        parse(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_part_of_a_tensor_takes_no_more_than_itself(monkeypatch):
    """Each of 5000 parts would keep 40 kB of places, 200 MB together."""
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "100M")
    net = Net((5000,), 11)
    parts = net.node("Split", "x", outputs=5000, axis=1)
    x = net.node("Concat", *(part for part in parts[::-1][:3]), axis=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    network = parse(net.model(net.node("MatMul", x, np.eye(3, dtype=np.float32))))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    sample = np.arange(5000, dtype=np.float32)[None]
    np.testing.assert_array_equal(predict(network, sample), [[4999, 4998, 4997]])


@pytest.mark.parametrize("shape", [(3,), (2, 4, 4), (3, 5)])
def test_tensors_that_double_take_no_memory(monkeypatch, shape):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "10M")
    net, x = Net(shape, 17), "x"
    for _ in range(40):
        x = net.node("Concat", x, x, axis=1)
    with pytest.raises(ParseError, match="expected less than 2147483648"):
        parse(net.model(x))


def test_what_is_wrong_with_a_layer_is_said_with_the_file(tmp_path):
    net, path = Net((6,), 13), tmp_path / "net.onnx"
    onnx.save(net.model(net.node("Gemm", "x", np.full((6, 3), np.nan, np.float32))), path)
    with pytest.raises(ParseError, match=r"^[^ ]*net\.onnx: Operator Gemm_0 \(Gemm\): its 1 holds"):
        parse(path)


def test_a_negative_epsilon_is_told_from_a_negative_variance():
    net = Net((4,), 13)
    parts = [net.random(4) for _ in range(3)]
    model = net.model(
        net.node("BatchNormalization", "x", *parts, np.ones(4, np.float32), epsilon=-0.5)
    )
    with pytest.raises(ParseError, match=r"its epsilon is -0\.5; expected a small positive number"):
        parse(model)
