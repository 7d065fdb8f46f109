"""What cannot be converted is named in full, in one message."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from onnx_zoo import IMAGE, Net, ints, number
from torch import nn
from torch_zoo import Function, after_conv

from snn_core.errors import ParseError, UnsupportedError
from snn_core.parsing import parse


def problems(source, input_shape=None):
    with pytest.raises(UnsupportedError) as caught:
        parse(source, input_shape=input_shape)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def found(source, *parts, input_shape=(3, 12, 10)):
    """Check that there is exactly one problem for each part, which occurs in it, in order."""
    lines = problems(source, input_shape)
    assert len(lines) == len(parts), lines
    for line, part in zip(lines, parts, strict=True):
        assert part in line
    return lines


def test_all_offending_layers_of_a_pytorch_model_are_named_at_once():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.act1 = nn.Conv2d(3, 4, 3), nn.LeakyReLU()
            self.conv2, self.act2 = nn.Conv2d(4, 4, 3), nn.Tanh()
            self.norm, self.pool = nn.GroupNorm(2, 4), nn.MaxPool2d(2)
            self.act3, self.rnn = nn.Hardtanh(-1.0, 1.0), nn.LSTM(12, 5, batch_first=True)
            self.last = nn.Linear(20, 3)

        def forward(self, x):
            y = self.act2(self.conv2(self.act1(self.conv1(x))))
            y = self.act3(self.pool(self.norm(y)))
            y = F.interpolate(y, scale_factor=2, mode="bilinear")
            y, _ = self.rnn(F.adaptive_avg_pool2d(y, (4, 3)).flatten(2))
            y = torch.softmax(y, 2)
            return self.last(y.flatten(1))

    lines = problems(Net(), (3, 12, 10))
    kinds = ["act1 (leaky_relu)", "act2 (tanh)", "norm (group_norm)", "act3 (hardtanh)",
             "(upsample_bilinear2d)", "rnn (lstm)", "softmax (softmax)"]  # fmt: skip
    for kind in kinds:
        assert any(kind in line for line in lines), (kind, lines)
    assert len(lines) == len(kinds), lines


def test_what_the_passes_refuse_is_named_together_with_what_the_reader_refuses():
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Softmax(1), nn.Conv2d(4, 4, 2), nn.Tanh(), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 1), nn.Softmax(1), nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip
    first, *others = found(
        module, "3 (tanh)", "1 (ActivationLayer): softmax inside", "6 (ActivationLayer): softmax"
    )
    assert "use ReLU" in first
    # Without what only the reader sees, the rest stays.
    module[3] = nn.ReLU()
    assert list(problems(module, (3, 12, 10))) == others


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (F.leaky_relu, "leaky_relu): spike rates cannot follow"),
        (torch.sigmoid, "sigmoid inside the network; only the output can have it"),
        (torch.tanh, "tanh): spike rates cannot follow"),
        (F.gelu, "gelu): spike rates cannot follow"),
        (F.silu, "silu): spike rates cannot follow"),
        (lambda y: y * torch.relu(y), "mul): products of activations"),
        (lambda y: y.clamp(-1, 1), "clipping to [-1.0, 1.0]"),
        (lambda y: y.maximum(-y), "maximum): it compares tensors"),
        (lambda y: y.maximum(torch.tensor([0.0, 0.5] * 4)), "its bounds differ"),
        (lambda y: y.relu().max(1).values, "a maximum over channels"),
        (lambda y: y.min(2).values, "a minimum over cells"),
        (lambda y: y.relu().max(2).indices.float(), "it reads where a maximum is"),
        (lambda y: F.threshold(y, 0.5, 0.0), "a threshold other than 0"),
        (lambda y: torch.cumsum(y, 1), "cumsum): this operator is not supported"),
        (lambda y: y - y.mean(0, keepdim=True), "it works across samples"),
        (lambda y: y.flip(3), "flip): this operator is not supported"),
        (lambda y: F.pad(y, (1, 1), value=1.0), "padding with"),
        (lambda y: F.pad(y, (1, 1, 1, 1), mode="reflect"), "reflect"),
        (lambda y: F.interpolate(y, scale_factor=1.5), "only whole factors"),
        (lambda y: F.max_pool2d(y, 2, dilation=2), "dilated pooling"),
        (lambda y: F.local_response_norm(y, 2), "is not supported"),
        (F.instance_norm, "instance_norm): it normalizes each sample"),
        (lambda y: torch.where(y > 0, y, 0.5 * y), "where): this operator"),
        (lambda y: F.grid_sample(y, torch.zeros(y.shape[0], 4, 4, 2), align_corners=False),
         "grid_sample"),
    ],
)  # fmt: skip
def test_an_operator_without_a_spiking_form_is_refused(function, kind):
    module = after_conv(function).eval()
    with torch.no_grad():
        module(torch.zeros(2, 3, 12, 10))
    lines = problems(module, (3, 12, 10))
    assert any(kind in line for line in lines), lines


def test_what_follows_a_refused_layer_with_channels_last_is_not_refused_for_it():
    class Block(nn.Module):
        """Of ConvNeXt (Liu et al. 2022): channels are last between two permutations."""

        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.LayerNorm(3)
            self.wide, self.act, self.narrow = nn.Linear(3, 6), nn.GELU(), nn.Linear(6, 3)

        def forward(self, x):
            y = self.norm(self.conv(x).permute(0, 2, 3, 1))
            return x + self.narrow(self.act(self.wide(y))).permute(0, 3, 1, 2)

    module = nn.Sequential(Block(), nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(320, 3))
    found(module, "0.norm (layer_norm)", "0.act (gelu)")


def test_a_model_with_two_inputs_names_them_and_all_other_problems(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.act = nn.Linear(4, 3), nn.ELU()

        def forward(self, x, y):
            return self.act(self.a(x) + self.a(y))

    program = torch.export.export(Two(), (torch.zeros(2, 4), torch.zeros(2, 4)))
    torch.export.save(program, tmp_path / "net.pt2")
    found(tmp_path / "net.pt2", "the model has 2 inputs (x, y)", "act (elu)", input_shape=None)


def test_a_model_with_two_outputs_names_them_and_all_other_problems():
    module = Function(
        lambda net, x: (net.a(x), torch.tanh(net.a(x))), a=nn.Linear(4, 3)
    )  # fmt: skip
    found(module, "the model has 2 outputs", "tanh", input_shape=(4,))


def test_volumes_are_refused_together_with_all_other_problems():
    module = nn.Sequential(nn.Conv3d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(81, 3))
    lines = problems(module, (2, 4, 4, 4))
    assert "4 axes per sample" in lines[0]
    assert any("1 (tanh)" in line for line in lines)


def test_control_flow_that_depends_on_values_is_refused_with_the_layers_that_offend():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.act = nn.Linear(4, 3), nn.Tanh()

        def forward(self, x):
            y = self.act(self.a(x))
            return y if y.sum() > 0 else -y

    first, second = problems(Branching(), (4,))
    assert "branch" in first
    assert "Branching" in first
    assert second.startswith("act (Tanh): spike rates cannot follow")


def test_training_time_normalization_is_refused():
    class Always(nn.Module):
        def forward(self, x):
            return F.batch_norm(x, None, None, training=True)

    lines = problems(nn.Sequential(nn.Conv2d(3, 4, 3), Always(), nn.ReLU()), (3, 12, 10))
    assert any("call model.eval() and export again" in line for line in lines)


def test_weights_that_only_pytorch_can_compute_are_refused_in_files(tmp_path):
    part = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3))
    program = torch.export.export(nn.Sequential(part).eval(), (torch.zeros(2, 4),))
    torch.export.save(program, tmp_path / "net.pt2")
    lines = problems(tmp_path / "net.pt2")
    assert any("remove the parametrization before the export" in line for line in lines), lines


def test_weights_that_are_not_finite_are_named():
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        module[2].weight[0, 1] = float("nan")
    with pytest.raises(ParseError, match=r"Operator 2 \(linear\).*1 value\(s\) that are infinite"):
        parse(module, input_shape=(4,))


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("more", [[], [nn.ReLU, lambda: nn.Linear(0, 2)]])
def test_a_layer_of_nothing_is_refused(more):
    layers = [nn.Flatten(), nn.Linear(360, 0), *(make() for make in more)]
    with pytest.raises(ParseError, match=r"linear.*has the shape \(0,\), which holds nothing"):
        parse(nn.Sequential(*layers), input_shape=(3, 12, 10))


def test_complex_weights_are_refused(recwarn):
    module = nn.Linear(4, 3).to(torch.complex64)
    with pytest.raises(ParseError, match=r"'weight' has the data type .* expected real numbers"):
        parse(module, input_shape=(4,))
    assert not [item for item in recwarn.list if "imaginary" in str(item.message)]


# ONNX


def test_all_offending_nodes_of_an_onnx_model_are_named_at_once():
    net = Net(IMAGE, 17)
    x = net.node("LeakyRelu", net.conv())
    x = net.node("Sigmoid", net.conv(x, inputs=4))
    x = net.node("Clip", x, number(-1.0), number(1.0))
    x = net.node("LRN", x, size=3)
    x = net.node("MaxPool", x, kernel_shape=[2, 1])
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    x = net.node("Gemm", net.node("Softmax", x, axis=1), net.random(4, 3))
    lines = problems(net.model(x))
    kinds = ["LeakyRelu_1", "Clip", "LRN", "sigmoid inside", "softmax inside"]
    assert len(lines) == len(kinds), lines
    for kind, line in zip(kinds, lines, strict=True):
        assert kind in line


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda net: net.node("LSTM", net.node("Unsqueeze", "x", ints(0)), net.random(1, 20, 6),
                              net.random(1, 20, 5), hidden_size=5, outputs=3)[2],
         "only feed-forward networks"),
        (lambda net: net.node("Mul", "x", net.node("Relu", "x")), "products of activations"),
        (lambda net: net.node("MatMul", "x", net.node("Transpose", "x", perm=[1, 0])),
         "moves the axis of the samples"),
        (lambda net: net.node("Max", "x", net.node("Relu", "x")), "it compares tensors"),
        (lambda net: net.node("Erf", "x"), "spike rates cannot follow"),
        (lambda net: net.node("Einsum", "x", net.random(6, 3), equation="bi,io->bo"),
         "this operator is not supported"),
        (lambda net: net.node("ReduceMean", "x"), "that of the samples too"),
        (lambda net: net.node("Flatten", "x", axis=0), "mixes samples"),
        (lambda net: net.node("Gather", "x", ints(0), axis=0), "it works across samples"),
        (lambda net: net.node("GatherND", "x", ints(0).reshape(1, 1)), "only cells of an image"),
        (lambda net: net.node("Where", np.zeros((1, 6), bool), number(0.0), "x"),
         "adaptive pooling with windows of unequal sizes"),
        (lambda net: net.node("Cast", "x", to=TensorProto.INT32), "whole numbers"),
    ],
)  # fmt: skip
def test_a_node_without_a_spiking_form_is_refused(build, message):
    net = Net((6,), 13)
    lines = problems(net.model(build(net)))
    assert any(message in line for line in lines), lines


def test_what_the_passes_refuse_is_named_together_with_refused_nodes():
    net = Net(IMAGE, 17)
    x = net.node("Softmax", net.conv(), axis=1)
    x = net.node("HardSigmoid", net.conv(x, inputs=4))
    x = net.node("Softmax", net.conv(x, inputs=4, kernel=(1, 1)), axis=1)
    x = net.node("GlobalMaxPool", x)
    found(net.model(net.head(x, 4)), "HardSigmoid_3 (HardSigmoid)", "Softmax_1 (ActivationLayer)",
          "Softmax_5 (ActivationLayer)", input_shape=None)  # fmt: skip


def test_foreign_operators_are_named():
    net = Net((6,), 13)
    net.node("Gemm", "x", net.random(6, 3))
    net.nodes.append(helper.make_node("QuantTanh", ["gemm_0_0"], ["y"], "odd", domain="my.own"))
    net.nodes.append(helper.make_node("Tanh", ["y"], ["z"], "act"))
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 6])
    end = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(net.nodes, "graph", [entry], [end], net.initializers)
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("my.own", 1)]
    model = helper.make_model(graph, opset_imports=imports)
    found(model, "odd (my.own.QuantTanh): operators of the domain 'my.own'", "act (Tanh)",
          input_shape=None)  # fmt: skip


def test_an_onnx_model_with_two_inputs_names_them_and_all_other_problems():
    entries = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", 3, 4, 4]) for n in "xy"]
    end = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["b", 3, 4, 4])
    nodes = [
        helper.make_node("Add", ["x", "y"], ["s"], "sum"),
        helper.make_node("Tanh", ["s"], ["z"], "act"),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "graph", entries, [end]),
        opset_imports=[helper.make_opsetid("", 15)],
    )
    found(model, "the model has 2 inputs (x, y)", "act (Tanh)", input_shape=None)


def test_numbers_that_are_not_finite_are_named_in_onnx():
    net = Net((6,), 13)
    weight = net.random(6, 3)
    weight[0, 0] = np.inf
    with pytest.raises(ParseError, match=r"Gemm_0 \(Gemm\).*infinite"):
        parse(net.model(net.node("Gemm", "x", weight)))
