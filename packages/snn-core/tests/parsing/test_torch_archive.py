"""Exported PyTorch programs are read without PyTorch, and nothing in them is executed."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.ir import MaxPooling2D
from snn_core.parsing import parse

DATA = Path(__file__).parents[1] / "files"
PROGRAMS = sorted(DATA.glob("*.pt2"))
CONFIG = "data/weights/model_weights_config.json"


@pytest.fixture
def program(tmp_path):
    return Path(shutil.copy(DATA / "torch-2.9.pt2", tmp_path / "net.pt2"))


def edited(members, ending, change):
    """Change the JSON member whose name has that ending."""
    (name,) = (name for name in members if name.endswith(ending))
    content = json.loads(members[name])
    change(content)
    members[name] = json.dumps(content).encode()


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_programs_of_the_oldest_and_of_a_recent_pytorch_compute_what_they_did_there(path):
    assert len(PROGRAMS) == 2
    data = np.load(DATA / "torch-program.npz")
    network = parse(path)
    found = predict(network, np.moveaxis(data["x"], 1, -1))
    # The batch normalization is folded, which rounds the weights once more.
    np.testing.assert_allclose(found, data["y"], rtol=1e-5, atol=1e-6)
    assert any(isinstance(layer, MaxPooling2D) for layer in network)
    assert path.name in network.history[0]
    assert any("channels last" in line for line in network.history)


def test_pickles_in_a_program_are_never_loaded(program, rewritten, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    def change(members):
        for name in members:
            if "sample_inputs" in name:
                members[name] = pickle.dumps(Trap())

    parse(rewritten(program, change))
    assert not (tmp_path / "executed").exists()


def test_a_weight_stored_as_a_pickle_is_refused(program, rewritten):
    def change(config):
        config["config"]["conv.weight"]["use_pickle"] = True

    with pytest.raises(ParseError, match=r"'conv.weight' as a pickle, which is not read"):
        parse(rewritten(program, lambda members: edited(members, CONFIG, change)))


def test_a_weight_that_is_cut_short_is_named(program, rewritten):
    def change(members):
        (name,) = (name for name in members if name.endswith("weights/weight_0"))
        members[name] = members[name][:-4]

    with pytest.raises(ParseError, match=r"needs 54 values; its storage holds 53"):
        parse(rewritten(program, change))


def test_a_missing_weight_is_named(program, rewritten):
    def change(config):
        del config["config"]["last.bias"]

    with pytest.raises(ParseError, match=r"parameter 'last.bias' is missing"):
        parse(rewritten(program, lambda members: edited(members, CONFIG, change)))


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("byteorder", b"big", "the byteorder 'big'; expected 'little'"),
        ("archive_version", b"9", "the archive_version '9'; expected '0'"),
        ("archive_format", b"exe", "the archive_format 'exe'; expected 'pt2'"),
    ],
)
def test_an_archive_that_is_written_otherwise_is_refused(
    program, rewritten, member, content, message
):
    def change(members):
        (name,) = (name for name in members if name.endswith(f"/{member}"))
        members[name] = content

    with pytest.raises(ParseError, match=message):
        parse(rewritten(program, change))


def test_a_program_of_another_schema_is_refused(program, rewritten):
    def change(program):
        program["schema_version"]["major"] = 99

    with pytest.raises(ParseError, match=r"follows version 99 of PyTorch's schema.*; 8 is read"):
        parse(rewritten(program, lambda members: edited(members, "model.json", change)))


def test_a_weight_that_is_sparse_is_refused(program, rewritten):
    def change(config):
        config["config"]["conv.weight"]["tensor_meta"]["layout"] = 1

    with pytest.raises(ParseError, match=r"'conv.weight' is no plain tensor \(layout 1\)"):
        parse(rewritten(program, lambda members: edited(members, "weights_config.json", change)))


def test_an_operator_that_is_not_known_is_named(program, rewritten):
    def change(program):
        for node in program["graph_module"]["graph"]["nodes"]:
            node["target"] = node["target"].replace("aten.relu.", "aten.cosh.")

    with pytest.raises(Exception, match=r"relu \(cosh\): this operator is not supported"):
        parse(rewritten(program, lambda members: edited(members, "model.json", change)))


def test_half_an_archive_is_a_damaged_one(program):
    program.write_bytes(program.read_bytes()[:3000])
    with pytest.raises(ParseError, match=r"cannot be read \(BadZipFile"):
        parse(program)


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"graph_module": {"graph": 1}}', b"\xff"])
def test_a_graph_of_another_form_is_a_clear_error(program, rewritten, content):
    def change(members):
        (name,) = (name for name in members if name.endswith("models/model.json"))
        members[name] = content

    with pytest.raises(ParseError, match="cannot be read"):
        parse(rewritten(program, change))


def test_an_archive_without_a_program_says_how_to_export(tmp_path, rewritten, program):
    with pytest.raises(ParseError, match=r"holds 0 exported programs.*torch\.export\.save"):
        parse(rewritten(program, lambda members: [members.pop(name) for name in list(members)
                                                  if "models/" in name]))  # fmt: skip


@pytest.mark.parametrize("name", ["net.pt", "net.pth", "net.ckpt"])
def test_a_pickle_is_refused_with_advice(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(ParseError, match=r"module:Net --weights|torch\.export\.save"):
        parse(path)


def test_a_given_input_shape_must_fit(program):
    with pytest.raises(ParseError, match=r"\(1, 6, 6\) was given; the model expects \(2, 6, 6\)"):
        parse(program, input_shape=(1, 6, 6))
    assert parse(program, input_shape=(2, 6, 6)).input.output_shape == (6, 6, 2)


def setting(index, name, value):
    """Return a function that changes an argument of a node."""

    def change(program):
        node = program["graph_module"]["graph"]["nodes"][index]
        kept = [item for item in node["inputs"] if item["name"] != name]
        node["inputs"] = [*kept, {"name": name, "arg": value, "kind": 1}]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting(3, "kernel_size", {"as_ints": [0, 0]}), r"kernel_size is \[0, 0\]; expected 2 "),
        (setting(3, "kernel_size", {"as_ints": [2, 2, 2]}), r"kernel_size is \[2, 2, 2\]"),
        (setting(3, "stride", {"as_ints": [0, 1]}), r"stride is \[0, 1\]; .* of at least 1"),
        (setting(0, "stride", {"as_string": "x"}), "'stride': .*'x'}; expected another form"),
        (setting(0, "stride", {"as_ints": ["1", None]}), "'stride': .* holds '1' as as_int; "),
        (setting(0, "padding", {"as_ints": [-1, 0]}), r"padding is \[-1, 0\]; .* at least 0"),
        (setting(0, "dilation", {"as_float": 1.5}), r"dilation is 1\.5; expected"),
        (setting(1, "eps", {"as_float": "NaN"}), "epsilon is nan; expected a small"),
        (setting(1, "eps", {"as_float": "Infinity"}), "epsilon is inf; expected a small"),
        (setting(1, "eps", {"as_string": "x"}), "'eps': .*'x'}; expected another form"),
        # One form, and a value that has it.
        (setting(1, "eps", {"as_float": 0.1, "as_none": True}), "expected one form"),
        (setting(1, "eps", {}), "expected one form"),
        (setting(1, "eps", {"as_float2": 0.1}), "'eps': .*, a form that is not known"),
        (setting(1, "eps", {"as_float": "0.1"}), "'eps': .* holds '0.1' as as_float; expected"),
        (setting(1, "eps", {"as_float": True}), "'eps': .* holds True as as_float; expected"),
        (setting(1, "eps", {"as_scalar_type": 7}), "'eps': .*7}; expected another form"),
        (setting(0, "stride", {"as_ints": [True, 1]}), "'stride': .* holds True as as_int"),
        (
            setting(0, "stride", {"as_sym_ints": [{"as_int": 1}, {"as_int": 1, "as_name": "s"}]}),
            "expected one form",
        ),
        (
            setting(0, "stride", {"as_sym_ints": [{"as_bool": True}, {"as_int": 1}]}),
            "'stride': .* holds True as as_bool; expected as_int",
        ),
        (setting(4, "dtype", {"as_int": 7}), "'dtype': .*7}; expected another form"),
        (setting(4, "start_dim", {"as_none": True, "as_int": 1}), "expected one form"),
    ],
)
def test_settings_of_another_form_say_what_is_expected(program, rewritten, change, message):
    with pytest.raises(ParseError, match=message):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


@pytest.mark.parametrize("specs", ["input_specs", "output_specs"])
def test_an_input_or_output_of_two_kinds_is_refused(program, rewritten, specs):
    def change(program):
        program["graph_module"]["signature"][specs][0]["token"] = {"arg": {"name": "t"}}

    with pytest.raises(ParseError, match="expected one form"):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


def test_an_argument_that_is_named_twice_is_refused(program, rewritten):
    def change(program):
        node = program["graph_module"]["graph"]["nodes"][1]
        node["inputs"].append({"name": "eps", "arg": {"as_float": 1.0}, "kind": 1})

    with pytest.raises(ParseError, match=r"names an argument of .* twice"):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


def test_an_argument_of_a_form_that_is_not_read_is_refused(program, rewritten):
    change = setting(1, "eps", {"as_complex": {"real": 1.0, "imag": 0.0}})
    with pytest.raises(UnsupportedError, match=r"its 'eps' has the form 'as_complex'"):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


@pytest.mark.parametrize(("low", "high"), [(5, 2), ("1", 2), (1.5, None), (True, None)])
def test_sizes_that_can_have_no_value_are_refused(program, rewritten, low, high):
    def change(program):
        program["range_constraints"]["s77"] = {"min_val": low, "max_val": high}

    with pytest.raises(ParseError, match="The sizes 's77' range from"):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


@pytest.mark.parametrize(
    ("guard", "is_read"),
    [
        ("False", False),
        ("1 > 2", False),
        ("True", True),
        ("L['x'].size()[1] == 2", True),
        ("L['x'].size()[1] == 3", False),
        ("L['x'].size()[3] > 6", False),
        # How many samples there are is not known here.
        ("L['x'].size()[0] > 3", True),
        ("Eq(Mod(L['x'].size()[0], 2), 0)", True),
    ],
)
def test_guards_that_refuse_every_input_are_noticed(program, rewritten, guard, is_read):
    path = rewritten(
        program,
        lambda members: edited(
            members, "models/model.json", lambda p: p.update(guards_code=[guard])
        ),
    )
    if is_read:
        assert parse(path).input.output_shape == (6, 6, 2)
        return
    with pytest.raises(ParseError, match=r"is guarded by .* do not meet"):
        parse(path)


def graph_change(change):
    """Return a function that changes the graph of a program."""
    return lambda program: change(program["graph_module"]["graph"])


def retargeted(index, target):
    return graph_change(lambda graph: graph["nodes"][index].update(target=f"torch.ops.{target}"))


def declared(name, **changes):
    return graph_change(lambda graph: graph["tensor_values"][name].update(changes))


def with_a_change_in_place(target, name="max_pool2d"):
    """Return a function that adds operators whose results nobody reads, before the flattening."""

    def change(graph):
        def node(target, source, result):
            graph["tensor_values"][result] = graph["tensor_values"][name]
            tensors = [{"as_tensor": {"name": source}}, {"as_tensor": {"name": result}}]
            return {
                "target": f"torch.ops.{target}",
                "inputs": [{"name": "self", "arg": tensors[0], "kind": 1}],
                "outputs": tensors[1:],
                "metadata": {},
            }

        graph["nodes"][4:4] = [
            node("aten.alias.default", name, "view"),
            node(target, "view", "changed"),
        ]

    return graph_change(change)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (setting(2, "alpha", {"as_int": 2}),
         r"relu \(relu\): its argument 'alpha' is not supported \(here 2\); leave it out"),
        (setting(4, "dtype", {"as_scalar_type": 5}), "its argument 'dtype' is not supported"),
        (setting(2, "out", {"as_tensor": {"name": "conv2d"}}), "'out' is not .*here a tensor"),
        (setting(5, "scale", {"as_sym_float": {"as_name": "s"}}), "'scale' is not .*it is comp"),
        (setting(4, "start_dim", {"as_sym_int": {"as_name": "s"}}), "'start_dim' is computed"),
        (retargeted(2, "aten.relu.out"), r"relu \(relu\): its form 'out' is not supported"),
        (retargeted(2, "aten.relu.dtype"), "its form 'dtype' is not supported"),
        (retargeted(2, "aten.relu.Scalar"), "its form 'Scalar' is not supported"),
        (retargeted(2, "aten.relu"), "its form '' is not supported"),
        (retargeted(2, "mine.relu.default"), r"\(mine.relu\): this operator is not supported"),
        (with_a_change_in_place("aten.relu_.default"),
         r"changed \(relu_\): it changes 'view' in place, .* 'max_pool2d' is read later; write it"),
        (with_a_change_in_place("aten.unheard_of_.default"), "changes 'view' in place"),
        (with_a_change_in_place("aten.add.out"), "changes 'view' in place"),
        (with_a_change_in_place("mine.filter.default"), "changes 'view' in place"),
        (with_a_change_in_place("aten.relu_.default", "p_last_bias"),
         "changes 'view' in place, in which the model keeps numbers"),
        (declared("relu", dtype=5), r"relu \(relu\): it computes in int64; call x.float\(\)"),
        (declared("relu", dtype=99), r"it computes in number 99"),
        (declared("x", dtype=5), "the input 'x' has the type int64; export for floats"),
    ],
)  # fmt: skip
def test_what_would_compute_something_else_is_refused(program, rewritten, change, problem):
    with pytest.raises(UnsupportedError, match=problem):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


@pytest.mark.parametrize("target", ["aten.relu.default", "aten.detach_.default", "aten.exp.out"])
def test_changes_of_what_nobody_reads_any_more_are_read(program, rewritten, target):
    change = with_a_change_in_place(target, "conv2d")
    found = parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))
    assert any("left out" in line for line in found.history)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (declared("flatten", sizes=[{"as_int": 2}, {"as_int": 3}, {"as_int": 4}]),
         r"flatten.*its arguments give the sizes \[12\]; the program declares \[3, 4\]"),
        (declared("p_last_bias", dtype=13), "stored as float32 of the shape .* declares bfloat16"),
        (declared("p_last_bias", sizes=[{"as_int": 1}, {"as_int": 4}]),
         r"'last.bias' is stored as float32 of the shape \(4,\); the program declares float32"),
        (graph_change(lambda graph: graph["nodes"].reverse()), "before it is computed"),
        (graph_change(lambda graph: graph["nodes"].append(graph["nodes"][2])),
         "computes 'relu' more than once"),
        (graph_change(lambda graph: graph["outputs"][0]["as_tensor"].update(name="relu")),
         r"outputs of the graph \(relu\) are not those that the program declares \(linear\)"),
        (graph_change(lambda graph: graph["inputs"].pop()), "inputs of the graph"),
    ],
)  # fmt: skip
def test_a_graph_that_contradicts_itself_is_refused(program, rewritten, change, message):
    with pytest.raises(ParseError, match=message):
        parse(rewritten(program, lambda members: edited(members, "models/model.json", change)))


def test_a_name_for_a_weight_and_a_constant_is_refused(program, rewritten):
    def change(members):
        (weights,) = (name for name in members if name.endswith(CONFIG))
        (path,) = (name for name in members if name.endswith("weights/weight_0"))
        constants = weights.replace("weights", "constants")
        members[constants] = members[weights]
        for name in [name for name in members if name.startswith(path[: -len("weight_0")])]:
            members[name.replace("/weights/", "/constants/")] = members[name]

    with pytest.raises(ParseError, match="twice, as a weight and as a constant"):
        parse(rewritten(program, change))
