"""Keras models in memory, models that Python code defines, and what Keras is given to run."""

from __future__ import annotations

import inspect
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers as kl
from keras_zoo import IMAGE, MODELS, chain, head, lenet, randomized

from snn_core import convert, predict
from snn_core.artifact import load_artifact
from snn_core.cli import main
from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import BinarySigmoid, BinaryTanh, QuantizedReLU, ReLU
from snn_core.parsing import parse, read
from snn_core.parsing.base import ModelName, import_object
from snn_core.parsing.exactness import TOLERANCE, compare
from snn_core.parsing.keras.model import KerasParser

PARSERS = (KerasParser(),)
SEPARATE: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
)


def samples(shape: tuple[int, ...], *, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, 1, (6, *shape)).astype("f4")


def compared(source: Any, **kwargs: Any) -> Any:
    parsed = read(source, parsers=PARSERS, **kwargs)
    return compare(parsed, samples(parsed.network.input.output_shape))


@pytest.mark.parametrize("name", MODELS)
def test_models_in_memory_compute_what_keras_computes(name: str) -> None:
    found = compared(randomized(MODELS[name]()))
    assert found.is_within(TOLERANCE), found
    assert found.engine.startswith(f"keras {keras.__version__}")


def test_a_model_in_memory_is_converted(tmp_path: Path) -> None:
    model = randomized(lenet())
    x_b_l = samples(IMAGE)
    network = convert(model, x_b_l)
    assert "compared with keras" in network.history[-2]
    outputs = np.asarray(model(x_b_l, training=False))
    assert (predict(network, x_b_l).argmax(axis=1) == outputs.argmax(axis=1)).all()


def test_later_training_does_not_reach_a_parsed_network() -> None:
    model = randomized(lenet())
    network = parse(model, parsers=PARSERS)
    before = network.output.weight.copy()
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    assert (network.output.weight == before).all()


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(ParseError, match="no input shape; build it"):
        parse(keras.Sequential([kl.Dense(3)]), parsers=PARSERS)
    with pytest.raises(ParseError, match=r"no variable 'kernel'; build the model"):
        parse(keras.Sequential([kl.Dense(3)]), parsers=PARSERS, input_shape=(4,))


def test_a_subclassed_model_is_refused() -> None:
    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises((ParseError, UnsupportedError), match="functional"):
        parse(Own(), parsers=PARSERS)


def test_open_shapes_are_run_with_the_shape_that_was_given() -> None:
    model = randomized(
        chain(kl.Conv2D(2, 3), kl.GlobalAveragePooling2D(), kl.Dense(2), shape=(None, None, 3))
    )
    assert compared(model, input_shape=(8, 7, 3)).is_within(TOLERANCE)


# --- custom activations ------------------------------------------------------------------------


def binary_sigmoid(x: Any) -> Any:
    return keras.ops.round(keras.ops.hard_sigmoid(x))


@keras.saving.register_keras_serializable(package="mine")
def binary_tanh(x: Any) -> Any:
    return 2 * keras.ops.round(keras.ops.hard_sigmoid(x)) - 1


def quantized(x: Any) -> Any:
    return keras.ops.clip(keras.ops.round(keras.ops.relu(x) * 16) / 16, 0, 2 - 1 / 16)


quantized.__name__ = "relu_Q1.4"


class ClampedReLU:
    """An activation as snn_toolbox had it."""

    def __init__(self, threshold: float = 0.0, max_value: float | None = None) -> None:
        self.threshold, self.max_value = threshold, max_value

    def __call__(self, x: Any) -> Any:
        return keras.ops.clip(keras.ops.where(x < self.threshold, 0.0, x), 0, self.max_value)

    def get_config(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "max_value": self.max_value}


@keras.saving.register_keras_serializable(package="mine")
class LimitedReLU(kl.ReLU):
    pass


def custom() -> Any:
    return head(
        kl.Conv2D(4, 3, activation=binary_sigmoid),
        kl.Conv2D(4, 2, activation=quantized),
        kl.BatchNormalization(),
        kl.Activation(binary_tanh),
        kl.Conv2D(4, 2, activation=ClampedReLU(max_value=0.5)),
        kl.Conv2D(4, 2),
        LimitedReLU(max_value=0.75),
    )


@pytest.mark.parametrize("form", [".keras", ".h5", "memory"])
def test_custom_activations_compute_what_keras_computes(form: str, tmp_path: Path) -> None:
    model = randomized(custom())
    source: Any = model
    if form != "memory":
        source = tmp_path / f"model{form}"
        model.save(source)
    network = parse(source, parsers=PARSERS)
    activations = [layer.activation for layer in network.spiking_layers[:-1]]
    assert activations == [
        BinarySigmoid(),
        QuantizedReLU(step=1 / 16, max_value=2 - 1 / 16),
        BinaryTanh(),
        ReLU(max_value=0.5),
        ReLU(max_value=0.75),
    ]
    x_b_l = samples(IMAGE)
    expected = np.asarray(model(x_b_l, training=False))
    np.testing.assert_allclose(predict(network, x_b_l), expected, rtol=1e-4, atol=1e-5)
    assert compared(source).is_within(TOLERANCE)


@pytest.mark.parametrize("form", [".keras", ".h5", "memory"])
def test_a_class_named_like_one_of_keras_is_refused(form: str, tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable(package="mine")
    class Dense(kl.Dense):
        def call(self, x: Any) -> Any:
            return 2 * super().call(x)

    model = chain(Dense(3, name="twice"), kl.Dense(2), shape=(4,))
    source: Any = model
    if form != "memory":
        source = tmp_path / f"model{form}"
        model.save(source)
    with pytest.raises(UnsupportedError, match=r"twice \(mine>Dense\)"):
        parse(source, parsers=PARSERS)


# --- what Keras gets to run --------------------------------------------------------------------


def changed_config(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Rewrite the configuration in a file of Keras."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return path
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file that appears when a certain module is imported."""
    trace = tmp_path / "trace"
    (tmp_path / "evil_module.py").write_text(
        f"import pathlib\npathlib.Path({str(trace)!r}).touch()\nclass Dense: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return trace


def foreign(name: str) -> dict[str, Any]:
    return {"module": "evil_module", "class_name": name, "config": {}, "registered_name": name}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("key", ["kernel_initializer", "kernel_regularizer", "bias_constraint"])
def test_foreign_parts_that_do_not_matter_are_not_loaded(
    key: str, suffix: str, tmp_path: Path, evil: Path
) -> None:
    path = tmp_path / f"model{suffix}"
    randomized(lenet()).save(path)

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"][key] = foreign("Dense")

    assert compared(changed_config(path, change)).is_within(TOLERANCE)
    assert not evil.exists()
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_foreign_classes_are_not_loaded(suffix: str, tmp_path: Path, evil: Path) -> None:
    path = tmp_path / f"model{suffix}"
    randomized(lenet()).save(path)

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["module"] = "evil_module"

    with pytest.raises(UnsupportedError, match=r"\(evil_module>Conv2D\)"):
        compared(changed_config(path, change))
    assert not evil.exists()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_that_the_output_does_not_need_is_not_run_either(suffix: str, tmp_path: Path) -> None:
    start = keras.Input((4,))
    side = kl.Lambda(lambda x: x * 2, name="code")(start)
    whole = keras.Model(start, [kl.Dense(2)(start), side])
    path = tmp_path / f"model{suffix}"
    randomized(whole).save(path)

    def change(config: dict[str, Any]) -> None:
        outputs = config["config"]["output_layers"]
        config["config"]["output_layers"] = outputs[:1]

    found = compared(changed_config(path, change))
    assert "Lambda, which is not loaded" in found.reason


def test_a_wrong_reading_stops_the_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras loads another model than the one that was read: what a misreading looks like."""
    path, other = tmp_path / "model.keras", tmp_path / "other.keras"
    randomized(lenet()).save(path)
    randomized(lenet(), seed=5).save(other)
    parsed = read(path, parsers=PARSERS)
    path.write_bytes(other.read_bytes())
    with pytest.raises(ParseError, match="does not compute what the model computes"):
        convert(parsed, samples(IMAGE))


# --- models that Python code defines, and the command line ---------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the name of a module with a model and functions that make some."""
    (tmp_path / "my_networks.py").write_text(
        "import keras\n"
        "def make():\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, 'relu'),\n"
        "                             keras.layers.Dense(2)])\n"
        "model = make()\n"
        "def needs(x): return x\n"
        "number = 7\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "my_networks"
    sys.modules.pop("my_networks", None)


@pytest.mark.parametrize("attribute", ["model", "make"])
def test_a_model_is_named_by_its_module(module: str, attribute: str) -> None:
    assert compared(f"{module}:{attribute}").is_within(TOLERANCE)


def test_weights_are_loaded_into_a_named_model(module: str, tmp_path: Path) -> None:
    weights = tmp_path / "my.weights.h5"
    made = import_object(f"{module}:make")()
    randomized(made, seed=3).save_weights(weights)
    parsed = read(ModelName(f"{module}:make", weights), parsers=PARSERS)
    np.testing.assert_array_equal(parsed.network.output.weight, np.asarray(made.layers[-1].kernel))
    assert compare(parsed, samples((4,))).is_within(TOLERANCE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:model", "'no_such_module' cannot be imported"),
        ("my_networks:gone", "has no 'gone'"),
        ("my_networks:number", "object of <class 'int'>"),
        ("my_networks:needs", "cannot be called without arguments"),
    ],
)
def test_wrong_names_say_what_is_wrong(module: str, name: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(name, parsers=PARSERS)


def test_weights_of_another_model_are_refused(module: str, tmp_path: Path) -> None:
    weights = tmp_path / "other.weights.h5"
    lenet().save_weights(weights)
    with pytest.raises(ParseError, match="does not fit to my_networks:make"):
        parse(ModelName("my_networks:make", weights), parsers=PARSERS)
    with pytest.raises(ParseError, match=r"gone\.weights\.h5 does not exist"):
        parse(ModelName("my_networks:make", tmp_path / "gone.weights.h5"), parsers=PARSERS)


def snn(*arguments: object) -> Any:
    result = CliRunner(**SEPARATE).invoke(main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_commands_take_the_name_of_a_model(module: str, tmp_path: Path) -> None:
    data, out = tmp_path / "data.npz", tmp_path / "out.snn"
    np.savez(data, x=samples((4,)))
    done = snn("convert", f"{module}:model", "-o", out, "--data", data)
    assert done.exit_code == 0, done.stderr
    assert "compared with keras" in done.stdout
    assert "0 decision(s) differ" in done.stdout
    stored = load_artifact(out)
    assert stored.provenance["source"] == f"{module}:model"
    assert stored.provenance["exactness"].startswith("compared with keras")
    assert stored.provenance["exactness"] in stored.network.history
    found = json.loads(snn("inspect", f"{module}:model", "--json").stdout)
    assert [layer["fanin"] for layer in found["layers"]] == [4, 3]


def test_convert_reports_figures_as_json(tmp_path: Path) -> None:
    path, data, out = (tmp_path / name for name in ("model.keras", "data.npz", "out.snn"))
    randomized(lenet()).save(path)
    np.savez(data, x=samples(IMAGE))
    settings = tmp_path / "lossy.toml"
    settings.write_text('[cell]\nquantize_weights = "Q2.3"\n[conversion]\nsoftmax_to_relu = true\n')
    done = snn("convert", path, "-o", out, "--data", data, "--settings", settings, "--json")
    found = json.loads(done.stdout)
    assert found["exactness"]["relative"] < TOLERANCE
    assert found["exactness"]["samples"] == 6
    assert [line.split(":")[0] for line in found["lossy"]] == [
        "quantize_weights Q2.3",
        "softmax_to_relu",
    ]
    assert all("of the decisions on the calibration data" in line for line in found["lossy"])
    off = snn("convert", path, "-o", out, "--data", data, "--check", "off", "--json", "--force")
    assert json.loads(off.stdout)["exactness"] == {"engine": "", "reason": "--check off"}
