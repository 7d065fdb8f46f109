"""PyTorch models from files and by name, and running them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch_zoo import NETWORKS, built

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing import parse, read
from snn_core.parsing.base import ModelName
from snn_core.parsing.exactness import TOLERANCE, compare
from snn_core.parsing.torch.checkpoints import load_weights
from snn_core.parsing.torch.module import TorchParser

SOURCE = """
import torch
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))

def finished():
    torch.manual_seed(1)
    return Net()

net = finished()
number = 3

def of_width(width):
    return Net()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the working folder with a module ``my_nets`` in it."""
    (tmp_path / "my_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "my_nets", raising=False)
    return tmp_path


def samples(*shape):
    return torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))


def channels_last(x):
    return np.moveaxis(x.numpy(), 1, -1)


def same(network, module, x):
    with torch.no_grad():
        np.testing.assert_allclose(
            predict(network, channels_last(x)), module.eval()(x).numpy(), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed batch", "any batch"])
@pytest.mark.parametrize("name", ["U-Net", "channel shuffle", "LeNet"])
def test_a_saved_program_is_read_as_the_module_in_memory(tmp_path, name, dynamic):
    module, x = built(name)
    path = tmp_path / "net.pt2"
    shapes = ({0: torch.export.Dim("batch", min=2)},) if dynamic else None
    torch.export.save(torch.export.export(module, (x,), dynamic_shapes=shapes), path)
    found, expected = parse(path), parse(module, input_shape=tuple(x.shape[1:]))
    last = np.moveaxis(x.numpy(), 1, -1)
    assert [layer.name for layer in found] == [layer.name for layer in expected]
    np.testing.assert_array_equal(predict(found, last), predict(expected, last))


@pytest.mark.parametrize(
    "name", ["ResNet-50", "1-D CNN", "tokens", "U-Net, transposed", "LeNet", "VGG"]
)
def test_a_program_decomposed_into_core_operators_is_read_too(tmp_path, name):
    module, x = built(name)
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, (x,)).run_decompositions(), path)
    last = np.moveaxis(x.numpy(), 1, -1)
    expected = predict(parse(module, input_shape=tuple(x.shape[1:])), last)
    np.testing.assert_allclose(predict(parse(path), last), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["my_nets:net", "my_nets:finished"])
def test_a_module_is_named_by_where_it_is_defined(folder, target):
    import my_nets

    same(parse(target, input_shape=(2, 6, 6)), my_nets.finished(), samples(2, 6, 6))


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict"])
def test_weights_of_a_file_are_loaded_into_a_named_class(folder, key):
    import my_nets

    torch.manual_seed(5)
    trained = my_nets.Net()
    weights = trained.state_dict()
    torch.save(weights if key is None else {key: weights, "epoch": 3}, "net.pth")
    source = ModelName("my_nets:Net", folder / "net.pth")
    same(parse_named(source), trained, samples(2, 6, 6))


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.", "_orig_mod.", "model.module."])
@pytest.mark.parametrize("key", [None, "state_dict"])
def test_a_prefix_of_all_names_is_stripped_and_named(folder, prefix, key):
    import my_nets

    torch.manual_seed(5)
    trained = my_nets.Net()
    weights = {prefix + name: values for name, values in trained.state_dict().items()}
    torch.save(weights if key is None else {key: weights, "epoch": 3}, "net.ckpt")
    network = parse_named(ModelName("my_nets:Net", folder / "net.ckpt"))
    same(network, trained, samples(2, 6, 6))
    assert f"stripped the prefix {prefix!r} from its weights" in network.history[0]


def test_a_data_parallel_checkpoint_is_read(folder):
    import my_nets

    torch.manual_seed(5)
    trained = my_nets.Net()
    torch.save(nn.DataParallel(trained).state_dict(), "net.pth")
    same(parse_named(ModelName("my_nets:Net", folder / "net.pth")), trained, samples(2, 6, 6))


def test_what_else_a_training_script_keeps_is_left_out(folder):
    import my_nets

    torch.manual_seed(5)
    trained = my_nets.Net()
    weights = {f"model.{name}": values for name, values in trained.state_dict().items()}
    torch.save({"state_dict": {"criterion.weight": torch.ones(4), **weights}}, "net.ckpt")
    same(parse_named(ModelName("my_nets:Net", folder / "net.ckpt")), trained, samples(2, 6, 6))


def test_two_copies_of_a_network_in_a_checkpoint_are_refused(folder):
    import my_nets

    state = my_nets.finished().state_dict()
    both = {f"{part}.{name}": values for part in ("ema", "model") for name, values in state.items()}
    torch.save({"state_dict": both}, "net.ckpt")
    with pytest.raises(ParseError, match=r"the network 2 times, behind the prefixes 'ema\.', 'mod"):
        parse_named(ModelName("my_nets:Net", folder / "net.ckpt"))


def test_old_checkpoints_lack_what_normalization_counts():
    module, other = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2))
    weights = {name: item for name, item in other.state_dict().items() if "tracked" not in name}
    assert load_weights(module, weights) == ""
    assert torch.equal(module[0].weight, other[0].weight)


def parse_named(source):
    return parse(source, input_shape=(2, 6, 6))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:net", "'no_such_module' cannot be imported"),
        ("my_nets:nothing", "'my_nets' has no 'nothing'"),
        ("my_nets:number", "int"),
        ("my_nets:of_width", "cannot be called without arguments"),
    ],
)
def test_a_name_that_leads_to_no_module_is_a_clear_error(folder, target, message):
    with pytest.raises(ParseError, match=message):
        parse_named(target)


def test_weights_that_do_not_fit_are_a_clear_error(folder):
    torch.save({"0.weight": torch.zeros(1)}, "net.pth")
    with pytest.raises(ParseError, match=r"net.pth does not fit to my_nets:Net"):
        parse_named(ModelName("my_nets:Net", folder / "net.pth"))


def test_a_checkpoint_without_its_network_is_refused_with_advice(folder):
    torch.save(nn.Linear(2, 2).state_dict(), "net.pth")
    with pytest.raises(ParseError, match=r"holds 2 arrays .* --weights net\.pth"):
        parse(folder / "net.pth")


def test_a_pickled_module_is_refused_without_running_it(folder):
    import my_nets

    torch.save(my_nets.net, "net.pt")
    with pytest.raises(ParseError, match=r"cannot be read as plain weights.*torch\.export\.save"):
        parse(folder / "net.pt")


def test_a_scripted_module_is_refused(folder):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), "net.pt")
    with pytest.raises(ParseError, match=r"torch\.export\.save"):
        parse(folder / "net.pt")


def test_a_module_needs_the_shape_of_its_input():
    with pytest.raises(ParseError, match="--input-shape 3,32,32"):
        parse(nn.Linear(2, 2))


def test_an_input_shape_that_does_not_fit_is_a_clear_error():
    with pytest.raises(ParseError, match=r"cannot export Conv2d for the input shape \(2, 9, 9\)"):
        parse(nn.Conv2d(3, 2, 3), input_shape=(2, 9, 9))


def test_a_failed_export_logs_nothing():
    code = """
import logging
from torch import nn
from snn_core import parse
try:
    parse(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), input_shape=(5,))
except Exception as error:
    print(type(error).__name__)
logging.getLogger("mine").error("heard")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("ParseError\n", "heard\n")


def test_parsing_leaves_the_module_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout())
    module.train()
    module[1].eval()
    modes = [part.training for part in module.modules()]
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    parse(module, input_shape=(3, 6, 6))
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(value, weights[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("name", ["LeNet", "U-Net, transposed", "1-D CNN", "dense", "tokens"])
def test_the_parser_runs_the_source_in_the_axis_order_of_the_network(tmp_path, name):
    module, x = built(name)
    shape = NETWORKS[name][1]
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, (x[:2],)), path)
    last = np.moveaxis(x.numpy(), 1, -1)[:3]
    for source in (module, path):
        found, engine, _ = TorchParser().run(source, last, input_shape=shape)
        network = parse(source, input_shape=shape)
        np.testing.assert_allclose(predict(network, last), found, rtol=1e-4, atol=1e-5)
        assert engine == f"torch {torch.__version__}"


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-5), (torch.float16, 1e-2), (torch.bfloat16, 1e-1)],  # their rounding
)
@pytest.mark.parametrize("form", ["module", "file"])
def test_a_source_of_another_precision_is_compared_in_it(tmp_path, dtype, tolerance, form):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to(dtype)
    source, shape = module, (4,)
    if form == "file":
        source, shape = tmp_path / "net.pt2", None
        example = torch.zeros(2, 4, dtype=dtype)
        torch.export.save(torch.export.export(module, (example,)), source)
    found = compare(read(source, input_shape=shape), samples(4).numpy())
    assert found.compared, str(found)
    coarse = {torch.float16: "float16", torch.bfloat16: "bfloat16"}
    assert found.computed_in == coarse.get(dtype, "")
    assert found.relative < tolerance
    assert found.is_within(TOLERANCE)


@pytest.mark.parametrize(("scale", "compared"), [(255, True), (1, False)])
def test_a_program_of_8_bit_integers_is_compared_on_those_alone(tmp_path, scale, compared):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(4, 2)

        def forward(self, x):
            return self.last(x.float())

    torch.manual_seed(0)
    example = torch.zeros(2, 4, dtype=torch.uint8)
    torch.export.save(torch.export.export(Net(), (example,)), tmp_path / "net.pt2")
    x = samples(4).numpy() * scale
    found = compare(read(tmp_path / "net.pt2"), np.round(x) if compared else x)
    assert found.compared == compared
    assert found.is_within(1e-5) if compared else "8-bit integers" in found.reason


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_precisions_are_read_as_float32(dtype):
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).to(dtype)
    network = parse(module, input_shape=(4,))
    np.testing.assert_array_equal(
        network.layers[1].weight_io, module[0].weight.detach().float().numpy().T
    )


def test_a_squeeze_that_also_removes_the_samples_is_refused_with_advice(tmp_path):
    module = nn.Sequential(nn.Conv2d(3, 4, 6), Squeeze(), nn.Linear(4, 2))
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 6, 6),)), path)
    with pytest.raises(UnsupportedError, match=r"axis of the samples.*export for two samples"):
        parse(path)


class Squeeze(nn.Module):
    def forward(self, x):
        return x.squeeze()


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_normalization_that_was_decomposed_is_folded(tmp_path, dim):
    torch.manual_seed(0)
    first = nn.utils.weight_norm(nn.Linear(5, 4), dim=dim)
    module = nn.Sequential(first, nn.ReLU(), nn.Linear(4, 3)).eval()
    program = torch.export.export(module, (torch.rand(2, 5),)).run_decompositions()
    torch.export.save(program, tmp_path / "net.pt2")
    found = compare(read(tmp_path / "net.pt2"), np.random.default_rng(0).random((4, 5), np.float32))
    assert found.compared, str(found)
    assert found.is_within(TOLERANCE)


def test_normalization_that_was_decomposed_is_compared(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).eval()
    program = torch.export.export(module, (torch.rand(2, 5),)).run_decompositions()
    torch.export.save(program, tmp_path / "net.pt2")
    found = compare(read(tmp_path / "net.pt2"), np.random.default_rng(0).random((4, 5), np.float32))
    assert found.compared, str(found)
    assert found.is_within(TOLERANCE)


class Changing(nn.Module):
    """Writes into its input before it reads it again."""

    def __init__(self):
        super().__init__()
        self.linear, self.relu = nn.Linear(4, 4), nn.ReLU(inplace=True)

    def forward(self, x):
        return self.linear(self.relu(x)) + x


@pytest.mark.parametrize("decomposed", [False, True])
def test_a_program_that_writes_into_its_input_is_read(tmp_path, decomposed):
    torch.manual_seed(0)
    module = Changing().eval()
    program = torch.export.export(module, (torch.randn(2, 4),))
    path = tmp_path / "net.pt2"
    torch.export.save(program.run_decompositions({}) if decomposed else program, path)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x.copy())).numpy()
    np.testing.assert_allclose(predict(parse(path), x), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1,)])
def test_a_bias_of_addmm_is_the_same_for_all_samples(shape):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = (
                nn.Parameter(torch.randn(4, 3)),
                nn.Parameter(torch.randn(shape)),
            )

        def forward(self, x):
            return torch.addmm(self.bias, x, self.weight)

    torch.manual_seed(0)
    module, x = Net(), torch.randn(2, 4)
    found = predict(parse(module, input_shape=(4,)), x.numpy())
    np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=0, atol=1e-6)


def test_what_is_wrong_with_a_layer_is_said_with_the_file(tmp_path):
    module, path = nn.Sequential(nn.Linear(4, 2)), tmp_path / "net.pt2"
    with torch.no_grad():
        module[0].weight.fill_(torch.nan)
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(2, 4),)), path)
    with pytest.raises(ParseError, match=r"^[^ ]*net\.pt2: Operator 0 .linear.*not a number"):
        parse(path)
