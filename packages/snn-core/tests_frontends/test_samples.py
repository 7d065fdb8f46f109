"""What PyTorch models tell about their samples: whether they rescale, whether they were trained."""

import warnings

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from snn_core import convert, predict, run
from snn_core.errors import DataWarning
from snn_core.parsing import parse, read
from snn_core.passes.untrained import find_signs

SHAPE = (1, 8, 8)


class First(nn.Module):
    """A function of the input in front of a network."""

    def __init__(self, function, network):
        super().__init__()
        self.function, self.network = function, network

    def forward(self, x):
        return self.network(self.function(x))


def plain():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def convolutional(**settings):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, **settings), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8, **settings),
        nn.ReLU(), nn.Flatten(), nn.Linear(128, 10, **settings),
    )  # fmt: skip


def normalized():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8),
        nn.ReLU(), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


MODELS = [plain, convolutional, lambda: convolutional(bias=False), normalized]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x / 255,
        lambda x: x * (1 / 255),
        lambda x: x / 127.5 - 1,
        lambda x: (x - 127.5) / 127.5,
        lambda x: (x.float() / 255 - 0.5) / 0.25,
        lambda x: torch.flatten(x, 1).reshape(-1, 1, 8, 8) / 255,
        lambda x: x.clip(0, 255) / 127.5 - 1,
        lambda x: x.clamp(0, 255),
        lambda x: torch.relu(x) / 255,
        lambda x: torch.cat([x[:, :, :4] / 229, x[:, :, 4:] / 224], 2),
        lambda x: x / 255 + torch.relu(x / 255),
    ],
)
def test_a_model_that_rescales_takes_bytes_as_they_are(function):
    network = parse(First(function, plain()), input_shape=SHAPE)
    assert (network.input_data.uint8_scale, network.input_data.decided_by) == (1.0, "model")


@pytest.mark.parametrize("function", [lambda x: x, lambda x: 2 * x - 1, lambda x: (x - 0.5) / 0.25])
def test_other_models_divide_bytes_by_255(function):
    network = parse(First(function, plain()), input_shape=SHAPE)
    assert network.input_data.uint8_scale == 1 / 255


def test_a_program_for_bytes_takes_them_as_they_are(tmp_path):
    """Its declaration is enough; here nothing rescales."""
    model, x = First(lambda x: x.float(), plain()), torch.zeros(2, *SHAPE, dtype=torch.uint8)
    torch.export.save(torch.export.export(model, (x,)), tmp_path / "model.pt2")
    assert parse(tmp_path / "model.pt2").input_data.uint8_scale == 1
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
         helper.make_node("MatMul", ["f", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.ones((16, 3), np.float32), "w")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset), tmp_path / "model.onnx")
    network = parse(tmp_path / "model.onnx")
    assert network.input_data.uint8_scale == 1
    raw = np.full((2, 16), 10, np.uint8)
    np.testing.assert_array_equal(predict(network, raw), np.full((2, 3), 160))


def test_bytes_and_floats_give_the_answers_of_pytorch():
    """The network is not linear in the scale, so that one that is wrong shows."""
    model = First(lambda x: x / 255, nn.Sequential(nn.Linear(16, 1), nn.ReLU(), nn.Linear(1, 2)))
    with torch.no_grad():
        model.network[0].weight.fill_(1.0)
        model.network[0].bias.fill_(-8.0)
        model.network[2].weight.copy_(torch.tensor([[0.0], [1.0]]))
        model.network[2].bias.copy_(torch.tensor([0.0625, 0.0]))
    raw = np.random.default_rng(0).integers(0, 256, (200, 16), dtype=np.uint8)
    with torch.no_grad():
        labels_b = model(torch.from_numpy(raw).float()).argmax(1).numpy()
    assert 40 < labels_b.sum() < 160
    results = [
        run(
            convert(model, data, input_shape=(16,)),
            "reference",
            data=(x_b_l, labels_b),
            timesteps=64,
        )
        for data in (raw, raw.astype("f4"))
        for x_b_l in (raw, raw.astype("f4"), raw.astype("i8"))
    ]
    assert {result.ann_accuracy for result in results} == {1}
    for result in results[1:]:
        np.testing.assert_array_equal(result.decision_b_t, results[0].decision_b_t)


@pytest.mark.parametrize("make", MODELS)
def test_new_models_are_seen(make):
    for seed in range(5):
        torch.manual_seed(seed)
        assert find_signs(read(make(), input_shape=SHAPE).dialect)
        assert find_signs(read(First(lambda x: x / 255, make()), input_shape=SHAPE).dialect)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(
    ("optimizer", "rate", "steps"),
    [(torch.optim.SGD, 0.1, 1), (torch.optim.Adam, 1e-3, 1), (torch.optim.SGD, 0.01, 20)],
)
def test_models_trained_in_memory_are_left_alone(make, optimizer, rate, steps):
    """A single step of training is enough."""
    torch.manual_seed(0)
    model = make()
    x, y = torch.rand(64, *SHAPE), torch.randint(0, 10, (64,))
    chosen = optimizer(model.parameters(), lr=rate)
    for _ in range(steps):
        chosen.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        chosen.step()
    assert find_signs(read(model.eval(), input_shape=SHAPE).dialect) == ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        convert(model, x.numpy().transpose(0, 2, 3, 1), input_shape=SHAPE)


def test_converting_a_new_model_warns():
    with pytest.warns(DataWarning, match="look freshly initialised.* load them into the model"):
        convert(plain(), np.random.default_rng(0).random((9, 8, 8, 1)), input_shape=SHAPE)
