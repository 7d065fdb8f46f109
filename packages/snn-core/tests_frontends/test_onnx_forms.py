"""ONNX nodes that are not as their operator set has them, which engines refuse."""

import resource
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.ir import Network
from snn_core.parsing import parse

F, D, I64 = np.float32, np.float64, np.int64
W, K = np.ones((8, 3), F), np.ones((2, 2, 3, 3), F)


def model_of(*nodes, shape=(8,), kind=TensorProto.FLOAT, out=TensorProto.FLOAT, opset=17, **given):
    """Return a model from ``x`` to ``y`` with given constants, without ONNX's own checks."""
    graph = helper.make_graph(
        list(nodes), "graph", [helper.make_tensor_value_info("x", kind, [None, *shape])],
        [helper.make_tensor_value_info("y", out, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in given.items()],
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def node(kind, inputs, outputs="y", /, **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def dense(x="z"):
    return node("MatMul", f"{x} w")


IMAGE = {"shape": (2, 6, 6)}
FORMS = {
    "an unknown attribute": (
        model_of(node("Conv", "x k", stride=[2, 2]), k=K, **IMAGE),
        r"y \(Conv\) is not as operator set 17 has it: it has an attribute 'stride', which",
    ),
    "a fused activation": (
        model_of(node("Conv", "x k", activation="Relu"), k=K, **IMAGE),
        "'activa",
    ),
    "an attribute of an older set": (
        model_of(node("Clip", "x", "z", min=0.0), dense(), w=W),
        "an attribute 'min', which is not",
    ),
    "an attribute of a newer set": (
        model_of(node("MaxPool", "x", kernel_shape=[2, 2], ceil_mode=1), opset=8, **IMAGE),
        "'ceil_m",
    ),
    "a text as a number": (
        model_of(node("Gemm", "x w", transB="0"), w=W),
        "'transB' is of type STRING, not INT",
    ),
    "a whole number as another": (
        model_of(node("Gemm", "x w", alpha=2), w=W),
        "'alpha' is of type INT, not FLOAT",
    ),
    "a number for several": (
        model_of(node("Conv", "x k", strides=1), k=K, **IMAGE),
        "'strides' is of type INT, not INTS",
    ),
    "a lacking attribute": (
        model_of(node("Concat", "x x", "z"), dense(), w=W),
        "lacks the attribute 'a",
    ),
    "too many inputs": (model_of(node("Relu", "x w"), w=W), "it has 2 inputs"),
    "too few inputs": (model_of(node("MatMul", "x"), w=W), "it has 1 inputs"),
    "too many outputs": (model_of(node("Relu", "x", "z more"), dense(), w=W), "it has 2 outputs"),
    "an input left out": (
        model_of(helper.make_node("Gemm", ["x", "", "c"], ["y"]), c=W),
        "it lacks its input 'B'",
    ),
    "an operator of an older set": (
        model_of(node("Upsample", "x s"), s=np.ones(4, F), **IMAGE),
        "it is deprecated",
    ),
    "weights of another type": (
        model_of(dense("x"), w=W.astype(I64)),
        r"its inputs are tensor\(float\) and tensor\(int64\)",
    ),
    "an input of another type": (
        model_of(dense("x"), w=W, kind=TensorProto.DOUBLE),
        r"tensor\(double\) and tensor\(float\)",
    ),
    "a type found on the way": (
        model_of(node("Cast", "x", "z", to=TensorProto.DOUBLE), dense(), w=W),
        r"\(double\) and tensor\(f",
    ),
    "indices of bytes": (
        model_of(node("Gather", "x i", "z", axis=1), dense(), w=W, i=np.arange(8, dtype=np.uint8)),
        r"its input 'indices' is tensor\(uint8\), which it does not take",
    ),
    "sizes that are no whole numbers": (
        model_of(node("Reshape", "x s", "z"), dense(), w=W, s=np.array([-1, 8], F)),
        "input 'shape' is",
    ),
    "an output of another type": (
        model_of(dense("x"), w=W, out=TensorProto.INT64),
        r"'y' is tensor\(float\), and declared as",
    ),
    "a kernel of another size": (
        model_of(node("Conv", "x k", kernel_shape=[1, 1]), k=K, **IMAGE),
        r"its kernel_shape is \(1, 1\); its weights are \(3, 3\)",
    ),
    "padding twice": (
        model_of(node("Conv", "x k", auto_pad="VALID", pads=[1, 1, 1, 1]), k=K, **IMAGE),
        "it has pads beside its auto_pad, which is 'VALID'",
    ),
    "parts that are missing": (
        model_of(node("Split", "x p", "z u", axis=1), node("MatMul", "z v"), p=[3, 3], v=W[:3]),
        "contradicts itself .*sum of 'split'",
    ),
    "parts of unequal size": (
        model_of(node("Split", "x", "z u v", axis=1), node("MatMul", "z w"), w=W[:3], opset=13),
        "not evenly splittable",
    ),
    "another number of parts": (
        model_of(
            node("Split", "x", "z u", axis=1, num_outputs=4),
            node("MatMul", "z w"),
            w=W[:4],
            opset=18,
        ),
        "into 4 parts, and has 2 outputs",
    ),
    "an axis twice": (
        model_of(node("Slice", "x s e a", "z"), dense(), w=W[:6], s=[0, 1], e=[8, 7], a=[1, -1]),
        "contradicts itself .*Axis 1 is referred to more than once",
    ),
    "factors and sizes": (
        model_of(
            node("Resize", "x r f s", "z", mode="nearest"),
            node("Relu", "z"),
            r=np.zeros(0, F),
            f=[F(1), F(1), F(2), F(2)],
            s=[1, 2, 12, 12],
            **IMAGE,
        ),
        "contradicts itself .*not both of them",
    ),
    "two values to pad with": (
        model_of(node("Pad", "x p v"), p=[0, 0, 1, 1, 0, 0, 1, 1], v=np.zeros(2, F), **IMAGE),
        "it pads with 2 values",
    ),
}


@pytest.mark.parametrize(("model", "message"), FORMS.values(), ids=FORMS)
def test_what_no_engine_takes_is_refused(model, message):
    with pytest.raises(ParseError, match=message):
        parse(model)


@pytest.mark.parametrize("version", [0, 2, 99, 2**40])
def test_other_versions_of_the_format_are_refused(version):
    model = model_of(dense("x"), w=W)
    model.ir_version = version
    with pytest.raises(ParseError, match=f"version {version} of the format"):
        parse(model)


@pytest.mark.parametrize("opset", [11, 18])
def test_functions_of_another_operator_set_are_refused(opset):
    model = model_of(helper.make_node("F", ["x"], ["z"], domain="my"), dense(), w=W)
    model.opset_import.append(helper.make_opsetid("my", 1))
    body = [node("Relu", "a", "b")]
    imports = [helper.make_opsetid("", opset)]
    model.functions.append(helper.make_function("my", "F", ["a"], ["b"], body, imports))
    with pytest.raises(
        ParseError, match="'F' in the domain 'my' uses another version of the stand"
    ):
        parse(model)


def test_a_type_in_double_precision_is_one_type():
    network = parse(
        model_of(dense("x"), w=W.astype(D), kind=TensorProto.DOUBLE, out=TensorProto.DOUBLE)
    )
    np.testing.assert_array_equal(predict(network, np.ones((1, 8), F)), [[8, 8, 8]])


@pytest.mark.parametrize(
    ("start", "end", "step", "expected"),
    [
        (-100, -(2**62), -1, [0]),
        (100, -100, -3, [7, 4, 1]),
        (-1, 0, -1, [7, 6, 5, 4, 3, 2, 1]),
        (-100, 100, 5, [0, 5]),
        (2, -1, 2, [2, 4, 6]),
        (6, -9, -2, [6, 4, 2, 0]),
    ],
)
def test_slices_reach_beyond_their_axis_as_in_onnx(start, end, step, expected):
    w = np.eye(len(expected), dtype=F)
    model = model_of(
        node("Slice", "x s e a t", "z"), dense(), w=w, s=[start], e=[end], a=[1], t=[step]
    )
    assert run(model) == expected


def test_a_maximum_of_one_tensor_is_that_tensor():
    model = model_of(node("Max", "x", "u"), node("Min", "u", "z"), dense(), w=np.eye(8, dtype=F))
    assert run(model) == list(range(8))


def run(model):
    """Return what the network of a model and an engine make of 0 to 7."""
    x = np.arange(8, dtype=F)[None]
    found = predict(parse(model), x)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    np.testing.assert_array_equal(found, session.run(None, {"x": x})[0])
    return found[0].tolist()


def test_a_message_lists_a_part_of_very_many_problems():
    names = ["x", *(f"t{i}" for i in range(4000))]
    nodes = [node("Tanh", a, b) for a, b in pairwise(names)]
    with pytest.raises(UnsupportedError, match=r"and 3900 more$") as caught:
        parse(model_of(*nodes, dense(names[-1]), w=W))
    assert len(caught.value.problems) == 4000
    assert len(str(caught.value)) < 20_000


def external(folder, value):
    """Return a model whose constant node has its values in another file of its folder."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[8, 3])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="w.bin")
    np.full((8, 3), value, F).tofile(folder / "w.bin")
    return model_of(node("Constant", "", "w", value=tensor), dense("x"))


def test_data_of_nodes_are_read_from_the_model_s_own_folder(tmp_path, monkeypatch):
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
    external(other, 7)
    onnx.save(external(own, 1), own / "net.onnx")
    for cwd in (own, other, tmp_path):
        monkeypatch.chdir(cwd)
        found: Network = parse(own / "net.onnx")
        np.testing.assert_array_equal(found.layers[-1].weight_io, np.ones((8, 3)))
        np.testing.assert_array_equal(predict(found, np.ones((1, 8), F)), [[8, 8, 8]])


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_data_of_nodes_are_not_read_through_links(tmp_path, monkeypatch, linked):
    (tmp_path / "own").mkdir()
    model = external(tmp_path, 1)
    if linked == "file":
        (tmp_path / "own" / "w.bin").symlink_to(tmp_path / "w.bin")
    else:
        (tmp_path / "own" / "link").symlink_to(tmp_path)
        model.graph.node[0].attribute[0].t.external_data[0].value = "link/w.bin"
    onnx.save(model, tmp_path / "own" / "net.onnx")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParseError, match="which is no plain file in a plain folder"):
        parse(tmp_path / "own" / "net.onnx")


def test_data_of_nodes_are_counted_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "10M")
    onnx.save(external(tmp_path, 1), tmp_path / "net.onnx")
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(ParseError, match=r"constant 'w' would take 954 MiB in memory"):
        parse(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("kind", "inputs", "given"),
    [
        ("ConstantOfShape", "s", {"s": [8, 2**20]}),
        ("Expand", "v s", {"v": F(1), "s": [8, 2**20]}),
        ("Tile", "w t", {"t": [1, 2**20]}),
        ("Add", "a b", {"a": np.ones((8 * 2**10, 1), F), "b": np.ones(2**10, F)}),
    ],
)
def test_constants_are_counted_before_they_are_computed(monkeypatch, kind, inputs, given):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "50M")
    model = model_of(node(kind, inputs, "v2"), node("MatMul", "x v2"), w=W, **given)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ParseError, match=r"The constant 'v2' would take .*_LIMIT"):
        parse(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000  # KiB
