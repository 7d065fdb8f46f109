"""Code that is planted in models does not run, neither on reading nor on comparing.

What is planted in sizes and names runs where ``torch.export.load`` of PyTorch 2.13 gets it, and
pickles run in ``torch.load`` with ``weights_only=False``.
"""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx_zoo import Net
from torch import nn

from snn_core.errors import SNNError
from snn_core.parsing import parse, read
from snn_core.parsing.exactness import compare
from snn_core.parsing.torch.checkpoints import read_weights

X = np.random.default_rng(0).random((4, 4)).astype(np.float32)


@pytest.fixture
def marker(tmp_path):
    """Return the path of a file that payloads create."""
    return tmp_path / "executed"


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


# PyTorch.


@pytest.fixture
def program(tmp_path):
    """Return the members of an exported program for any number of samples."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    shapes = ({0: torch.export.Dim("batch")},)
    exported = torch.export.export(module, (torch.zeros(2, 4),), dynamic_shapes=shapes)
    torch.export.save(exported, tmp_path / "net.pt2")
    with zipfile.ZipFile(tmp_path / "net.pt2") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def graph_of(members):
    return next(name for name in members if "/models/" in name)


def in_sizes(members, marker):
    """Sizes are expressions, which PyTorch has SymPy evaluate."""
    code = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    text = members[graph_of(members)].decode()
    assert '"expr_str"' in text
    planted = re.sub(r'"expr_str": "[^"]*"', lambda _: f'"expr_str": {json.dumps(code)}', text)
    members[graph_of(members)] = planted.encode()


def in_names(members, marker):
    """Names of inputs become parameters of a Python function."""
    planted = f"input=__import__('pathlib').Path({str(marker)!r}).touch()"
    text = members[graph_of(members)].decode()
    assert '"input"' in text
    members[graph_of(members)] = text.replace('"name": "input"}', f'"name": "{planted}"}}').replace(
        '"input": {"dtype"', f'"{planted}": {{"dtype"'
    ).encode()  # fmt: skip


def in_guards(members, marker):
    """Guards are Python expressions."""
    program = json.loads(members[graph_of(members)])
    touch = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    program["guards_code"] = [f"L['x'].size()[0] >= 1 or {touch}", f"{touch} or L['x'] is None"]
    members[graph_of(members)] = json.dumps(program).encode()


def in_examples(members, marker):
    """Example inputs are pickles."""
    name = next(name for name in members if "sample_inputs" in name)
    members[name] = pickle.dumps(Payload(marker))


def in_a_second_model(members, marker):
    """PyTorch finds members without regard to case."""
    name = graph_of(members)
    twin = dict(members)
    in_sizes(twin, marker)
    members[name.replace("/models/", "/Models/")] = twin[name]
    members.update({name: members.pop(name)})  # behind the other one


@pytest.mark.parametrize("plant", [in_sizes, in_names, in_guards, in_examples, in_a_second_model])
def test_code_in_a_program_is_not_run(program, marker, tmp_path, plant):
    plant(program, marker)
    path = tmp_path / "planted.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in program.items():
            archive.writestr(name, content)
    found = compare(read(path), X)
    assert not marker.exists()
    assert found.compared, str(found)
    assert found.is_within(1e-5)


@pytest.mark.parametrize(
    "target",
    ["os.system", "torch.os.system", "torch.ops.load_library", "torch.ops.aten.__class__.mro",
     "torch.ops.aten.linear.__init__", "torch.ops.aten.from_file.default",
     "torch.ops.higher_order.cond"],
)  # fmt: skip
def test_a_function_that_is_no_known_operator_is_not_called(program, tmp_path, target):
    content = json.loads(program[graph_of(program)])
    nodes = content["graph_module"]["graph"]["nodes"]
    text = {"name": "command", "arg": {"as_string": f"touch {tmp_path / 'executed'}"}, "kind": 1}
    dead = {"target": target, "inputs": [text], "outputs": [{"as_tensor": {"name": "unused"}}]}
    nodes.insert(0, {**nodes[0], **dead})
    program[graph_of(program)] = json.dumps(content).encode()
    path = tmp_path / "planted.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in program.items():
            archive.writestr(name, member)
    found = compare(read(path), X)
    assert not found.compared
    assert f"holds the operator {target!r}, which is not run" in found.reason
    assert not (tmp_path / "executed").exists()


def node(kind, name, **arguments):
    """Return a call of an operator in PyTorch's schema."""
    inputs = [{"name": key, "arg": value, "kind": 1} for key, value in arguments.items()]
    return {
        "target": f"torch.ops.aten.{kind}", "inputs": inputs,
        "outputs": [{"as_tensor": {"name": name}}], "metadata": {},
        "is_hop_single_tensor_return": None,
    }  # fmt: skip


def filled(kind, name, size):
    more = {"fill_value": {"as_float": 0.0}} if kind == "full" else {}
    return node(f"{kind}.default", name, size={"as_ints": size}, **more)


def with_nodes(program, path, nodes, *, sizes, change=None):
    """Write a program with more nodes at its start; ``sizes`` are those of their results."""
    content = json.loads(program[graph_of(program)])
    graph = content["graph_module"]["graph"]
    types = graph["tensor_values"]
    for name, own in sizes.items():
        types[name] = {**types["p_0_bias"], "sizes": [{"as_int": size} for size in own]}
    graph["nodes"][:0] = nodes
    if change is not None:
        change(graph)
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in program.items():
            content_of = json.dumps(content).encode() if name == graph_of(program) else member
            archive.writestr(name, content_of)
    return path


@pytest.mark.parametrize("kind", ["zeros", "ones", "full"])
def test_what_an_output_does_not_need_is_not_computed(program, tmp_path, kind):
    much = [10**6, 10**6]
    nodes = [
        filled(kind, "huge", much),
        node("exp.default", "more", self={"as_tensor": {"name": "huge"}}),
        node("sum.default", "total", self={"as_tensor": {"name": "more"}}),
    ]
    sizes = {"huge": much, "more": much, "total": []}
    found = compare(read(with_nodes(program, tmp_path / "dead.pt2", nodes, sizes=sizes)), X)
    assert found.compared, str(found)
    assert found.is_within(1e-5)


@pytest.mark.parametrize("kind", ["zeros", "ones", "full"])
@pytest.mark.parametrize(
    ("declared", "reason"), [([1], "the program declares"), ([10**6, 10**6], "would take")]
)
def test_a_constant_larger_than_memory_is_not_made(program, tmp_path, kind, declared, reason):
    def read_it(graph):
        relu = next(n for n in graph["nodes"] if "relu" in n["target"])
        (given,) = relu["inputs"]
        graph["nodes"].insert(
            graph["nodes"].index(relu),
            node("add.Tensor", "sum", self=given["arg"], other={"as_tensor": {"name": "huge"}}),
        )
        graph["tensor_values"]["sum"] = graph["tensor_values"][given["arg"]["as_tensor"]["name"]]
        relu["inputs"] = [{**given, "arg": {"as_tensor": {"name": "sum"}}}]

    nodes = [filled(kind, "huge", [10**6, 10**6])]
    path = with_nodes(
        program, tmp_path / "live.pt2", nodes, sizes={"huge": declared}, change=read_it
    )
    found = compare(read(path), X)
    assert found.failed
    assert reason in found.reason


@pytest.mark.parametrize("size", [0, -1, 10**12, 2**70])
def test_a_number_of_samples_that_no_program_is_made_for_is_refused(program, tmp_path, size):
    def change(graph):
        name = graph["inputs"][-1]["as_tensor"]["name"]
        graph["tensor_values"][name]["sizes"][0] = {"as_int": size}

    path = with_nodes(program, tmp_path / "net.pt2", [], sizes={}, change=change)
    found = compare(read(path), X)
    assert found.failed
    assert ("at least one" if size < 1 else "would take") in found.reason


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
@pytest.mark.parametrize("form", ["pickle", "zip"])
def test_pickled_weights_are_not_unpickled(marker, tmp_path, suffix, form):
    path = tmp_path / f"net{suffix}"
    if form == "zip":
        torch.save({"0.weight": torch.zeros(1), "extra": Payload(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(marker)))
    for reading in (parse, lambda path: read_weights(torch, path)):
        with pytest.raises(SNNError, match="plain weights"):
            reading(path)
    assert not marker.exists()


# ONNX.


@pytest.fixture
def model():
    """Return a model of two dense layers."""
    net = Net((4,), 17)
    return net.model(net.node("MatMul", net.relu(net.node("MatMul", "x", net.random(4, 5))),
                              net.random(5, 3)))  # fmt: skip


def compared(model, folder):
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return compare(read(path), X)


def outside(folder, location):
    """Return a tensor whose data lie elsewhere; nothing needs it."""
    tensor = TensorProto(name="unused", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    (folder.parent / "secret").write_bytes(bytes(4))
    return tensor


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link/secret"])
@pytest.mark.parametrize("place", ["initializer", "attribute", "subgraph"])
def test_no_engine_reads_files_that_lie_elsewhere(model, tmp_path, location, place):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    tensor = outside(folder, location)
    constant = helper.make_node("Constant", [], ["unused"], value=tensor)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "attribute":
        model.graph.node.insert(0, constant)
    else:
        inner = helper.make_graph([constant], "inner", [], [onnx.ValueInfoProto(name="unused")])
        model.graph.node.insert(
            0,
            helper.make_node("If", ["x"], ["chosen"], then_branch=inner, else_branch=inner),
        )
    found = compared(model, folder)
    assert not found.compared
    assert re.search("ParseError: The constant 'unused' lies (outside|in)", found.reason)


def test_no_engine_is_given_operators_of_others(model, tmp_path):
    model.graph.node.append(helper.make_node("System", ["x"], ["unused"], domain="com.planted"))
    model.opset_import.append(helper.make_opsetid("com.planted", 1))
    found = compared(model, tmp_path)
    assert not found.compared
    assert "com.planted.System, which no engine is given" in found.reason


@pytest.mark.parametrize("inner", ["", "com.planted"])
def test_functions_are_run_where_they_hold_plain_operators(model, tmp_path, inner):
    body = [helper.make_node("Relu" if not inner else "System", ["a"], ["b"], domain=inner)]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.planted", 1)]
    function = helper.make_function("com.own", "Mine", ["a"], ["b"], body, imports)
    model.functions.append(function)
    model.opset_import.extend([helper.make_opsetid("com.own", 1), imports[1]])
    used = "relu_1_0" if not inner else "x"
    model.graph.node.append(helper.make_node("Mine", [used], ["unused"], domain="com.own"))
    assert compared(model, tmp_path).compared == (not inner)


def test_settings_in_a_model_reach_no_engine(model, tmp_path, monkeypatch):
    monkeypatch.setenv("ORT_LOAD_CONFIG_FROM_MODEL", "1")
    settings = {"session_options": {"enable_profiling": True}}
    model.metadata_props.add(key="ort_config", value=json.dumps(settings))
    monkeypatch.chdir(tmp_path)
    assert compared(model, tmp_path).compared
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


@pytest.mark.parametrize("place", ["inside", "outside", "in a function"])
def test_no_engine_computes_what_the_output_does_not_need(model, tmp_path, place):
    size = onnx.numpy_helper.from_array(np.array([10**6, 10**6]), "size")
    model.graph.initializer.append(size)
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["huge"]),
        helper.make_node("Exp", ["huge"], ["more"]),
    ]
    if place == "in a function":
        imports = [helper.make_opsetid("", 17)]
        nodes.append(helper.make_node("Identity", ["more"], ["out"]))
        function = helper.make_function("own", "Mine", ["size"], ["out"], nodes, imports)
        model.functions.append(function)
        model.opset_import.append(helper.make_opsetid("own", 1))
        nodes = [helper.make_node("Mine", ["size"], ["unused"], domain="own")]
    model.graph.node.extend(nodes)
    if place == "outside":
        path = tmp_path / "net.onnx"
        onnx.save(model, path, save_as_external_data=True, size_threshold=0)
        found = compare(read(path), X)
    else:
        found = compared(model, tmp_path)
    assert found.compared, str(found)
    assert found.is_within(1e-5)
