"""PyTorch networks of the zoo, exported to ONNX, compute what they compute in PyTorch."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch_zoo import NETWORKS, built

from snn_core.evaluation.forward import predict
from snn_core.parsing import parse

# As for the networks in memory; see test_torch_networks.py.
TOLERANCE = 1e-4

OPSETS = (11, 13, 15, 17, 19)
# The older exporter has no form for these, and leaves the divisor of the last out.
NOT_EXPORTED = (
    "adaptive pool of one cell",
    "adaptive pool of uneven windows",
    "adaptive pool of uneven windows to more cells",
    "adaptive max pool of uneven windows",
    "adaptive pool of uneven windows, 1d",
    "average pool with a divisor",
)
# The default exporter takes seconds for each.
NEWER = ("ResNet-50", "MobileNetV2", "adaptive pool of one cell")


def compared(model, name, module, x):
    with torch.no_grad():
        expected = module(x).numpy()
    expected = np.exp(expected) if name == "LeNet" else expected
    expected = np.moveaxis(expected, 1, -1) if expected.ndim > 2 else expected
    found = predict(parse(model), np.moveaxis(x.numpy(), 1, -1) if x.ndim > 2 else x.numpy())
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("place", "name"), list(enumerate(name for name in NETWORKS if name not in NOT_EXPORTED))
)
def test_an_exported_network_computes_what_it_computes_in_pytorch(place, name):
    module, x = built(name)
    file = io.BytesIO()
    torch.onnx.export(
        module,
        (x,),
        file,
        dynamo=False,
        opset_version=OPSETS[place % len(OPSETS)],
        input_names=["x"],
        # A fixed number of samples in every other one.
        dynamic_axes={"x": {0: "batch"}} if place % 2 else None,
    )
    compared(onnx.load_from_string(file.getvalue()), name, module, x)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("place", "name"), list(enumerate(NEWER)))
def test_an_export_by_the_default_exporter_computes_the_same(place, name):
    module, x = built(name)
    batch = ({0: "batch"},) if place % 2 else None
    program = torch.onnx.export(module, (x,), verbose=False, dynamic_shapes=batch)
    compared(program.model_proto, name, module, x)


class Pools(nn.Module):
    """Every way to leave the image that the default exporter writes in another form.

    Evenly spaced windows become cells gathered by constant indices where they overlap or repeat.
    """

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.overlapping = nn.AdaptiveAvgPool2d((3, 4))  # of 4 x 2 cells
        self.after = nn.Conv2d(4, 2, 2)
        self.one = nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(14, 5)

    def forward(self, x):
        y = self.conv(x).relu()
        z = self.after(self.overlapping(y))
        parts = [self.one(y).flatten(1), y.mean((2, 3)), y.mean(3).mean(2), self.one(z).flatten(1)]
        return self.last(torch.cat(parts, 1))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_adaptive_pooling_and_means_by_the_default_exporter_are_read_exactly():
    module, x = Pools().eval(), torch.rand(3, 3, 6, 4)
    program = torch.onnx.export(module, (x,), verbose=False)
    assert "GatherND" in {node.op_type for node in program.model_proto.graph.node}
    compared(program.model_proto, "pools", module, x)
