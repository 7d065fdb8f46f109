"""Every ONNX graph of the zoo computes in the neutral form what onnxruntime computes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx_zoo import GRAPHS, built

from snn_core.evaluation.forward import predict
from snn_core.parsing import parse

# Float32 sums in another order differ by about 1e-6 relative per layer; 1e-4 leaves room for the
# deepest networks and still shows any wrong weight.
TOLERANCE = 1e-4


def channels_last(x):
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def outputs(model, x):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(None, {"x": x[i : i + 1]})[0] for i in range(len(x))])


@pytest.mark.parametrize(
    ("name", "opset"), [(name, opset) for name in GRAPHS for opset in GRAPHS[name][2]]
)
def test_a_graph_computes_what_it_computes_in_onnxruntime(name, opset):
    model, x = built(name, opset)
    expected = channels_last(outputs(model, x))
    channels_last_source = name == "channels last"
    found = predict(parse(model), x if channels_last_source else channels_last(x))
    assert found.shape == expected.shape
    assert np.abs(expected - expected[:1]).max() > 0.01, "the samples make no difference"
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
