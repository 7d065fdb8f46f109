"""Every form and argument of PyTorch's operators is used or refused, never overlooked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_zoo import Function

from snn_core.errors import UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing import parse
from snn_core.parsing.torch.arguments import forms_of
from snn_core.parsing.torch.memory import SHARING
from snn_core.parsing.torch.ops import EMITTERS

IMAGE, FEATURES = (2, 6, 6), (4,)
ATEN = torch.ops.aten

# Float32 sums in another order; whatever is overlooked changes whole numbers.
TOLERANCE = 1e-5


def model(function, shape):
    """Return a network of a function of the samples and a classifier."""
    torch.manual_seed(0)
    net = Function(lambda net, x: net.last(function(x).flatten(1)), last=nn.LazyLinear(3)).eval()
    with torch.no_grad():
        net(torch.zeros(2, *shape))
    return net


def samples(shape):
    """Return numbers of both signs that are not whole."""
    return torch.rand(6, *shape, generator=torch.Generator().manual_seed(1)) * 20 - 8


def require_same(function, shape):
    net, x = model(function, shape), samples(shape)
    with torch.no_grad():
        expected = net(x.clone()).numpy()  # a copy, which the network may write to
    found = predict(parse(net, input_shape=shape), np.moveaxis(x.numpy(), 1, -1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def require_refused(function, shape, message):
    with pytest.raises(UnsupportedError) as caught:
        parse(model(function, shape), input_shape=shape)
    assert any(message in line for line in caught.value.problems), caught.value.problems


FOUR = torch.tensor([1.5, 2.0, -3.0, 4.0])
KERNEL = torch.arange(18.0).reshape(2, 1, 3, 3) - 7
NARROW, BOTH = KERNEL[..., :2].clone(), torch.cat([KERNEL, -KERNEL], 1)
WEIGHT, BIAS = torch.arange(12.0).reshape(4, 3) - 5, torch.tensor([1.0, -2.0, 3.0])


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: torch.add(x, FOUR, alpha=3), FEATURES),
        (lambda x: torch.sub(x, FOUR, alpha=3), FEATURES),
        (lambda x: torch.add(x, x.relu(), alpha=-2), FEATURES),
        (lambda x: torch.rsub(x, x.relu(), alpha=2), FEATURES),
        (lambda x: x * torch.rsub(FOUR, torch.ones(4), alpha=2), FEATURES),
        (lambda x: x * torch.sub(FOUR, torch.ones(4), alpha=2), FEATURES),
        (lambda x: torch.addmm(BIAS, x, WEIGHT, beta=2, alpha=3), FEATURES),
        (lambda x: torch.addmm(BIAS, x, WEIGHT, beta=0, alpha=-1), FEATURES),
        (lambda x: x.sum((2, 3), dtype=torch.float64).float(), IMAGE),
        (lambda x: x.mean((2, 3), keepdim=True, dtype=torch.float64).float(), IMAGE),
        (lambda x: x.amax((2, 3), keepdim=True), IMAGE),
        (lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), IMAGE),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=3), IMAGE),
        (lambda x: F.max_pool2d(x.relu(), 4, 3, 1, ceil_mode=True), IMAGE),
        (lambda x: F.conv2d(x, NARROW, stride=(2, 1), padding=(1, 0),
                            dilation=(1, 2), groups=2), IMAGE),
        (lambda x: F.conv_transpose2d(x, KERNEL, None, 2, 1, 1, 2, 1), IMAGE),
        (lambda x: ATEN.convolution(x, BOTH, None, [1, 1], [1, 1], [1, 1],
                                    False, [0, 0], 1), IMAGE),
        (lambda x: F.batch_norm(x, torch.tensor([2.0, 3.0]), torch.tensor([1.0, 4.0]), momentum=0.7,
                                eps=0.5), IMAGE),
        (lambda x: F.dropout(x, 0.9, training=False), FEATURES),
        (lambda x: x.clone(memory_format=torch.channels_last), IMAGE),
        (lambda x: x.contiguous(memory_format=torch.channels_last), IMAGE),
        (lambda x: x.to(torch.float64, copy=True, non_blocking=True).to(torch.float32), FEATURES),
        (lambda x: x.double().type_as(x), FEATURES),
        (lambda x: x + torch.full((4,), 2, dtype=torch.int64), FEATURES),
        (lambda x: x * torch.tensor([1, 2, 3, 4]).to(torch.int16), FEATURES),
        (lambda x: x * torch.ones_like(x, dtype=torch.int8), FEATURES),
        (lambda x: x.swapaxes(2, 3), IMAGE),
        (lambda x: x.flatten(1, 2), IMAGE),
        (lambda x: x.unflatten(2, (-1, 3)), IMAGE),
        (lambda x: x.unsqueeze(-1).squeeze(-1), FEATURES),
        (lambda x: x.unsqueeze(2).squeeze((0, 2)), FEATURES),
        (lambda x: x.unsqueeze(2).unsqueeze(1).squeeze(), FEATURES),
        (lambda x: x.view(-1, 2, 36).reshape(x.shape[0], -1), IMAGE),
        (lambda x: torch.cat(x.chunk(4, 2)[::-1], 2), IMAGE),
        (lambda x: torch.cat(x.split(4, 3)[::-1], 3), IMAGE),
        (lambda x: torch.cat(x.split([1, 5], 2)[::-1], 2), IMAGE),
        (lambda x: x.expand(-1, 2, 6, 6), IMAGE),
        (lambda x: F.interpolate(x, scale_factor=2), IMAGE),
        (lambda x: F.interpolate(x, (12, 18)), IMAGE),
        (lambda x: F.interpolate(x, scale_factor=2, recompute_scale_factor=True), IMAGE),
        (lambda x: F.adaptive_avg_pool2d(x, (3, None)), IMAGE),
        (lambda x: F.pad(x, (1, -2, 0, 1)), IMAGE),
        (lambda x: x[:, :, 1:-1:2], IMAGE),
        (lambda x: torch.clamp(x, min=0.0, max=4.0), FEATURES),
        (lambda x: F.hardtanh(x, 0.0, 2.0), FEATURES),
    ],
)  # fmt: skip
def test_arguments_have_the_effect_that_they_have_in_pytorch(function, shape):
    require_same(function, shape)


@pytest.mark.parametrize(
    ("function", "shape", "message"),
    [
        (lambda x: x.sum(1, dtype=torch.int64).float(), IMAGE, "argument 'dtype' is not supported"),
        (lambda x: x.sum((2, 3), dtype=torch.uint8).float(), IMAGE, "'dtype' is not supported"),
        (lambda x: x.view(torch.int32).float(), FEATURES, "its form 'dtype' is not supported"),
        (lambda x: x.half().view(torch.bfloat16).float(), FEATURES, "its form 'dtype'"),
        (lambda x: ATEN.view_copy.dtype(x, torch.int32).float(), FEATURES, "its form 'dtype'"),
        (lambda x: x.to(torch.int32).float(), FEATURES, "casts activations to whole numbers"),
        (lambda x: x.type_as(torch.ones(1, dtype=torch.int64)).float(), FEATURES,
         "it computes in int64"),
        (lambda x: torch.div(x, 3.0, rounding_mode="floor"), FEATURES, "division that rounds"),
        (lambda x: torch.div(x, FOUR, rounding_mode="trunc"), FEATURES, "division that rounds"),
        (lambda x: torch.rsub(x, 5.0, alpha=2), FEATURES, "alpha=2"),
        (lambda x: x * FOUR.to(torch.int64), FEATURES, "constants that int64 cannot hold"),
        (lambda x: x * FOUR.to(torch.bool), FEATURES, "constants that bool cannot hold"),
        (lambda x: x + torch.full((4,), 2.5, dtype=torch.int64), FEATURES, "int64 cannot hold"),
        (lambda x: x + (torch.tensor([200], dtype=torch.uint8) + 100), FEATURES,
         "uint8 cannot hold"),
        (lambda x: x + (torch.ones(4) * 1e6).half(), FEATURES, "float16 cannot hold"),
        (lambda x: F.interpolate(x, scale_factor=2.1), IMAGE, "it scales by [2.1, 2.1]"),
        (lambda x: ATEN.upsample_nearest2d(x, [12, 12], 2.0, 2.1), IMAGE, "by [2.0, 2.1]"),
        (lambda x: torch.mul(x, 2.0, out=torch.empty_like(x)), FEATURES, "its form 'out'"),
    ],
)  # fmt: skip
def test_arguments_that_would_be_overlooked_are_refused_by_name(function, shape, message):
    require_refused(function, shape, message)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x.shape[0],
        lambda x: F.pad(x, (0, x.shape[0])),
        lambda x: torch.clamp(x, 0, x.shape[0]),
        lambda x: torch.add(x, x.relu(), alpha=x.shape[0]),
    ],
)
def test_arguments_that_depend_on_the_number_of_samples_are_refused(tmp_path, function):
    net = Function(lambda net, x: function(net.last(x)), last=nn.Linear(4, 3)).eval()
    shapes = ({0: torch.export.Dim("batch", min=2)},)
    program = torch.export.export(net, (torch.zeros(3, 4),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(UnsupportedError, match="computed, perhaps from the number of samples"):
        parse(tmp_path / "net.pt2")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x + 100).float(), "it computes in uint8"),
        (lambda x: (2 * x).float(), "it computes in uint8"),
        (lambda x: x.sum(1).float(), "it computes in int64"),
    ],
)
def test_what_wraps_around_in_bytes_is_refused(tmp_path, function, message):
    x = torch.zeros(2, *IMAGE, dtype=torch.uint8)
    net = Function(lambda net, x: net.last(function(x).flatten(1)), last=nn.LazyLinear(3)).eval()
    net(x)
    torch.export.save(torch.export.export(net, (x,)), tmp_path / "net.pt2")
    with pytest.raises(UnsupportedError, match=message):
        parse(tmp_path / "net.pt2")


def test_samples_of_whole_numbers_are_refused(tmp_path):
    x = torch.zeros(2, 4, dtype=torch.int64)
    net = Function(lambda net, x: net.last(x.float()), last=nn.Linear(4, 3)).eval()
    torch.export.save(torch.export.export(net, (x,)), tmp_path / "net.pt2")
    with pytest.raises(UnsupportedError, match="the input 'x' has the type int64; export for"):
        parse(tmp_path / "net.pt2")


def schemas():
    """Yield all forms, of the operators that are read, that take a tensor."""
    for kind in EMITTERS:
        operator = getattr(ATEN, kind)
        for overload in operator.overloads():
            schema = getattr(operator, overload)._schema
            if str(schema.arguments[0].type) in ("Tensor", "List[Tensor]"):
                yield kind, overload, schema


def test_the_forms_that_are_read_are_those_that_pytorch_has():
    for kind in EMITTERS:
        assert set(forms_of(kind)) <= set(getattr(ATEN, kind).overloads()), kind


def test_operators_that_return_the_memory_of_an_argument_are_known():
    """PyTorch's schemas say so of all but those that do it at inference alone."""
    told = {
        kind
        for kind, overload, schema in schemas()
        if overload in forms_of(kind) and not kind.endswith("_")
        for argument in schema.arguments
        if argument.alias_info is not None and not argument.alias_info.is_write
    }
    assert len(told) > 15
    found = set()
    for kind in EMITTERS:
        if not kind.endswith("_") and hasattr(ATEN, kind):
            x = torch.ones(1, 4, 4)
            for more in ([], [0.5, False], [[1, 4, 4]], [0], [torch.ones(1)], [torch.float32], [1]):
                try:
                    y = getattr(ATEN, kind)(x, *more)
                except (IndexError, RuntimeError, TypeError):
                    continue
                y = y[0] if isinstance(y, (tuple, list)) else y
                if y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr():
                    found.add(kind)
    assert found >= {"dropout", "_unsafe_view", "to", "squeeze"}
    assert told | found <= SHARING


def test_operators_that_write_to_their_arguments_are_told_by_their_names():
    for kind, overload, schema in schemas():
        writes = [a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write]
        known = kind.endswith("_") or not writes or overload not in forms_of(kind)
        assert known or "norm" in kind, schema


def in_place(change):
    """Return a function that changes a tensor of its own and returns it."""

    def function(x):
        y = x + 1.0
        change(y)
        return y

    return function


def read_after_its_base(x):
    y = x + 1.0
    view = y.view(-1, 72)
    y.mul_(5.0)
    return view


def two_ways(x):
    y = x + 1.0
    parts = y.chunk(2, 2)
    return torch.cat([parts[0].relu_(), y], 2)


class Counting(nn.Module):
    """A buffer changes from call to call."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)
        self.register_buffer("scale", torch.ones(3))

    def forward(self, x):
        return self.last(x) * self.scale.mul_(2.0)


@pytest.mark.parametrize(
    "function",
    [
        in_place(lambda y: y[:, :1].mul_(5.0)),
        in_place(lambda y: y[:, 0].fill_(0.0)),
        in_place(lambda y: y[:, 0].copy_(y[:, 1])),
        in_place(lambda y: y.view(-1, 72).mul_(5.0)),
        in_place(lambda y: y.reshape(-1, 72).relu_()),
        in_place(lambda y: y.flatten(1).add_(5.0)),
        in_place(lambda y: y.unflatten(2, (2, 3)).add_(5.0)),
        in_place(lambda y: y.transpose(2, 3).mul_(5.0)),
        in_place(lambda y: y.permute(0, 2, 3, 1).mul_(5.0)),
        in_place(lambda y: y.swapaxes(2, 3).mul_(5.0)),
        in_place(lambda y: y.unsqueeze(1).clamp_(0.0, 2.0)),
        in_place(lambda y: y.unsqueeze(1).squeeze(1).mul_(5.0)),
        in_place(lambda y: y.chunk(2, 1)[0].relu_()),
        in_place(lambda y: y.split([1, 5], 2)[1].relu_()),
        in_place(lambda y: y.detach().relu_()),
        in_place(lambda y: y.diagonal(0, 2, 3).zero_()),
        in_place(lambda y: y.unfold(2, 2, 2).zero_()),
        in_place(lambda y: F.dropout(y, 0.5, training=False).mul_(5.0)),
        in_place(lambda y: torch.mul(y[:, :1], 2.0, out=y[:, 1:])),
        read_after_its_base,
        two_ways,
    ],
)
def test_a_change_in_place_that_is_read_under_another_name_is_refused(function):
    require_refused(function, IMAGE, "in place, which may lie in the same memory as")


def test_an_operator_that_is_refused_anyway_is_named_once():
    """Its activation changes in place what is read again."""
    function = in_place(lambda y: y.view(-1, 72).tanh_().relu())
    with pytest.raises(UnsupportedError) as caught:
        parse(model(lambda x: F.leaky_relu_(function(x)), IMAGE), input_shape=IMAGE)
    kinds = ["(tanh_): it changes", "(leaky_relu_): spike rates"]
    lines = caught.value.problems
    assert len(lines) == len(kinds)
    assert all(kind in line for kind, line in zip(kinds, lines, strict=True))


def test_a_buffer_that_changes_from_call_to_call_is_refused():
    with pytest.raises(UnsupportedError, match="keeps numbers from call to call"):
        parse(Counting(), input_shape=(4,))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.relu((x + 1.0).flatten(1), inplace=True),
        lambda x: F.relu_(x + 1.0).mul_(2.0).sub_(3.0),
        lambda x: F.dropout((x + 1.0).flatten(1), 0.5, training=False, inplace=True),
        lambda x: (x + 1.0).view(-1, 72).relu_().view(-1, 2, 6, 6),
        lambda x: (x + 1.0).split(3, 2)[1].relu_(),
        in_place(lambda y: y.relu_()),
        in_place(lambda y: y.add_(y.relu())),
        in_place(lambda y: y.contiguous().mul_(5.0)),
        in_place(lambda y: nn.Identity()(y).mul_(5.0)),
        in_place(lambda y: y.clone().mul_(5.0)),
        in_place(lambda y: y.detach_()),
        in_place(lambda y: F.feature_alpha_dropout(y, 0.5, training=False).mul_(5.0)),
        lambda x: x.mul_(2.0) + 1.0,
        lambda x: x * torch.tensor([[[1.0]], [[2.0]]]).mul_(3.0),
    ],
)
def test_a_change_in_place_that_nobody_else_sees_is_read(function):
    require_same(function, IMAGE)


def test_decomposed_programs_change_nothing_in_place(tmp_path):
    """What the error advises: views that are changed become values of their own."""
    net = model(in_place(lambda y: y.view(-1, 72).relu_()), IMAGE)
    program = torch.export.export(net, (torch.zeros(2, *IMAGE),))
    torch.export.save(program.run_decompositions({}), tmp_path / "net.pt2")
    x = samples(IMAGE)
    with torch.no_grad():
        expected = net(x).numpy()
    found = predict(parse(tmp_path / "net.pt2"), np.moveaxis(x.numpy(), 1, -1))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
