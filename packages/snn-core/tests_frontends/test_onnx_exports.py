"""PyTorch networks of the zoo, exported to ONNX, compute what they compute in PyTorch."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import torch
from torch_zoo import NETWORKS, built

from snn_core.evaluate import predict
from snn_core.parsing import parse

# As for the networks in memory; see test_torch_networks.py.
TOLERANCE = 1e-4

OPSETS = (11, 13, 15, 17, 19)
# The older exporter has no form for this one.
NOT_EXPORTED = ("adaptive pool of one cell",)
# The newer exporter takes seconds for each.
NEWER = ("MobileNetV2", "U-Net", "1-D CNN")


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
@pytest.mark.parametrize("name", NEWER)
def test_an_export_by_the_newer_exporter_computes_the_same(name):
    module, x = built(name)
    program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
    compared(program.model_proto, name, module, x)
