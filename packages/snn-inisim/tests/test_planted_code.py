"""Code that is planted in Keras models does not run, neither on reading nor on comparing."""

from __future__ import annotations

import base64
import json
import marshal
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from snn_core.errors import SNNError
from snn_core.parsing import read
from snn_core.parsing.exactness import compare
from snn_core.parsing.keras.run import run_file

X = np.random.default_rng(0).random((4, 4)).astype(np.float32)


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """Return the path of a file that payloads create, as the module ``planted`` does on import."""
    path = tmp_path / "executed"
    touch = f"__import__('pathlib').Path({str(path)!r}).touch()"
    source = f"{touch}\nclass Dense:\n    pass\ndef relu(x):\n    {touch}\n"
    (tmp_path / "planted.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    return path


@pytest.fixture(params=[".keras", ".h5"])
def model(tmp_path, request):
    """Return the path of a model of two dense layers."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    whole = keras.Sequential(
        [keras.Input((4,)), layers.Dense(5, activation="relu", name="a"), layers.Dense(3, name="b")]
    )
    path = tmp_path / f"model{request.param}"
    whole.save(path)
    return path


def edit(path: Path, change: Any) -> None:
    """Change the configuration in a file, and what trains it."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            change(config, config["config"]["layers"])
            file.attrs["model_config"] = json.dumps(config)
            file.attrs["training_config"] = json.dumps(config.get("compile_config", {}))
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config, config["config"]["layers"])
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def bytecode(marker: Path) -> str:
    """Return a function as Keras stores lambdas: marshalled, in base 64."""
    code = compile(f"lambda x: open({str(marker)!r}, 'w') and x", "planted", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


def lambdas(marker: Path) -> dict[str, Any]:
    stored = {"code": bytecode(marker), "defaults": None, "closure": None}
    return {
        "marshalled": {"class_name": "__lambda__", "config": stored},
        "marshalled in a list": [bytecode(marker), None, None],
        "pickled": base64.b64encode(pickle.dumps(Payload(marker))).decode(),
    }


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def named(kind: str, module: str, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": kind}


SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}

FUNCTION = {
    "module": "planted", "class_name": "function", "config": "relu", "registered_name": "relu"
}  # fmt: skip


@pytest.mark.parametrize("form", ["marshalled", "marshalled in a list", "pickled"])
def test_a_lambda_layer_is_refused_without_running_it(model, marker, form):
    function = lambdas(marker)[form]
    config = {"name": "code", "function": function, "function_type": "lambda", "module": "planted"}

    def change(_, layers):
        layers.append({"class_name": "Lambda", "config": config})
        if model.suffix == ".keras":
            layers[-1] |= {"module": "keras.layers", "registered_name": None}

    edit(model, change)
    with pytest.raises(SNNError, match=r"code \(Lambda\)"):
        read(model)
    with pytest.raises(SNNError, match="Lambda, which is not loaded"):
        run_file(model, X)
    assert not marker.exists()


@pytest.mark.parametrize(
    "planted",
    [named("system", "os", command="true"), named("Dense", "planted", units=3, name="code"),
     {**named("Dense", "keras.layers", units=3, name="code"), "module": "planted"},
     {**named("system", "keras.layers", name="code"), "registered_name": "os>system"}],
)  # fmt: skip
def test_a_layer_of_a_foreign_module_is_refused_without_importing_it(model, marker, planted):
    edit(model, lambda _, layers: layers.append(planted))
    with pytest.raises(SNNError):
        run_file(model, X)
    if planted["class_name"] != "Dense":
        with pytest.raises(SNNError):
            read(model)
    assert not marker.exists()


@pytest.mark.parametrize("planted", [SYSTEM, FUNCTION, named("Dense", "planted")])
@pytest.mark.parametrize(
    "place", ["kernel_initializer", "bias_regularizer", "kernel_constraint", "quantization_config"]
)
def test_code_that_does_not_matter_is_left_out_of_what_keras_gets(model, marker, planted, place):
    edit(model, lambda _, layers: layers[-1]["config"].update({place: planted}))
    found = compare(read(model), X)
    assert found.compared, str(found)
    assert found.is_within(1e-5)
    assert not marker.exists()


@pytest.mark.parametrize("planted", [SYSTEM, FUNCTION])
def test_code_for_training_is_left_out_of_what_keras_gets(model, marker, planted):
    edit(model, lambda config, _: config.update(compile_config={"optimizer": planted}))
    assert compare(read(model), X).compared
    assert not marker.exists()


@pytest.mark.parametrize("place", ["activation", "dtype"])
@pytest.mark.parametrize("planted", [SYSTEM, FUNCTION, "os.system"])
def test_code_that_would_matter_is_not_run(model, marker, planted, place):
    edit(model, lambda _, layers: layers[-1]["config"].update({place: planted}))
    with suppress(SNNError):  # where the layer's type of numbers is no text, it does not matter
        compare(read(model), X)
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["external link", "soft link", "virtual"])
def test_keras_gets_no_links_to_other_files(model, tmp_path, kind):
    """Keras would read another file's weights, and the comparison would tell what is in them."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["kernel"] = np.full((5, 3), 7.0, np.float32)
    weights = model
    if model.suffix == ".keras":
        with zipfile.ZipFile(model) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        weights = tmp_path / "weights.h5"
        weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        found: list[str] = []
        file.visititems(
            lambda name, item: (
                found.append(name)
                if isinstance(item, h5py.Dataset) and item.shape == (5, 3)
                else None
            )
        )
        place = found[0]
        del file[place]
        if kind == "virtual":
            layout = h5py.VirtualLayout((5, 3), "f4")
            layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "kernel", shape=(5, 3))
            file.create_virtual_dataset(place, layout)
        else:
            file["away"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/kernel")
            link = h5py.SoftLink("/away")
            file[place] = file.get("away", getlink=True) if kind == "external link" else link
    if model.suffix == ".keras":
        members["model.weights.h5"] = weights.read_bytes()
        with zipfile.ZipFile(model, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    with pytest.raises(SNNError):
        read(model)
    with pytest.raises(Exception, match=r"another file|\(5, 3\)|kernel|weights|variable") as caught:
        run_file(model, X)
    assert "7." not in str(caught.value)
