"""Keras files written by hand, so that these tests need no Keras, and data for them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import settings

# The same examples in every run, however slow the machine is.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

Weights = Mapping[str, Sequence[Any]]
Rewrite = Callable[[Path, Callable[[dict[str, bytes]], object]], Path]


@pytest.fixture
def rewritten() -> Rewrite:
    """Return a function that rewrites a zip archive; ``change`` gets its members by name."""

    def rewrite(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path

    return rewrite


@pytest.fixture
def write_archive(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of ``.keras`` archives.

    Its weights map groups such as ``layers/dense`` to the layer's arrays.
    """

    def write(model: Any, weights: Weights, *, leave_out: str = "") -> Path:
        data = io.BytesIO()
        with h5py.File(data, "w") as file:
            for group, arrays in weights.items():
                variables = file.create_group(f"{group}/vars")
                for i, values in enumerate(arrays):
                    variables[str(i)] = np.asarray(values, np.float32)
        members = {
            "metadata.json": json.dumps({"keras_version": "3.9.9"}).encode(),
            "config.json": model if isinstance(model, bytes) else json.dumps(model).encode(),
            "model.weights.h5": data.getvalue(),
        }
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                if name != leave_out:
                    archive.writestr(zipfile.ZipInfo(name), content)  # without the time of day
        return path

    return write


@pytest.fixture
def write_keras2(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of ``.h5`` files as Keras 2 wrote them.

    Its weights map paths such as ``dense/dense/kernel:0`` to arrays, in the order of the model.
    ``lists`` are other lists of layers (under an empty name) or of the variables of a layer.
    """

    def write(
        model: Any, weights: Mapping[str, Any], lists: Mapping[str, Sequence[str]] | None = None
    ) -> Path:
        path = tmp_path / "model.h5"
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = b"2.15.0"
            file.attrs["backend"] = b"tensorflow"
            file.attrs["model_config"] = json.dumps(model).encode()
            group = file.create_group("model_weights")
            listed: dict[str, list[str]] = {}
            for name, values in weights.items():
                group[name] = np.asarray(values, np.float32)
                outer, _, inner = name.partition("/")
                listed.setdefault(outer, []).append(inner)
            for outer, names in {"": list(listed), **listed, **(lists or {})}.items():
                place = group[outer] if outer else group
                place.attrs["weight_names" if outer else "layer_names"] = list(names)
        return path

    return write


def _layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


@pytest.fixture
def classifier(write_archive: Callable[..., Path]) -> Callable[..., Path]:
    """Return a writer of a small image classifier as a ``.keras`` file.

    Layers can be put behind its hidden one, its input rescaled, and its weights spoilt.
    """

    def write(
        *,
        hidden: Sequence[dict[str, Any]] = (),
        first: Mapping[str, Any] | None = None,
        spoil: bool = False,
    ) -> Path:
        rng = np.random.default_rng(0)
        kernel, weight = rng.normal(0.1, 0.4, (3, 3, 1, 3)), rng.normal(0, 0.3, (48, 4))
        if spoil:
            kernel[0, 0] = np.nan
        layers = [
            _layer("InputLayer", "start", batch_shape=[None, 6, 6, 1]),
            *([] if first is None else [_layer("Rescaling", "rescale", **first)]),
            _layer("Conv2D", "conv", filters=3, kernel_size=[3, 3], activation="relu"),
            *hidden,
            _layer("Flatten", "flatten"),
            _layer("Dense", "scores", units=4, activation="softmax"),
        ]
        model = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
        weights = {
            "layers/conv2d": [kernel, np.array([0.1, 0, -0.1])],
            "layers/dense": [weight, np.zeros(4)],
        }
        return write_archive(model, weights)

    return write


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of data for the classifier; arrays can be replaced, or left out by None."""

    def write(name: str = "data.npz", *, count: int = 20, **arrays: Any) -> Path:
        rng = np.random.default_rng(1)
        found = {
            "x": rng.random((count, 6, 6, 1)).astype(np.float32),
            "y": rng.integers(0, 4, count),
            **arrays,
        }
        path = tmp_path / name
        np.savez(path, **{key: value for key, value in found.items() if value is not None})
        return path

    return write
