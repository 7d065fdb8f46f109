"""Keras files written by hand, so that these tests need no Keras."""

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

Weights = Mapping[str, Sequence[Any]]


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
                    archive.writestr(name, content)
        return path

    return write


@pytest.fixture
def write_keras2(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of ``.h5`` files as Keras 2 wrote them.

    Its weights map paths such as ``dense/dense/kernel:0`` to arrays.
    """

    def write(model: Any, weights: Mapping[str, Any]) -> Path:
        path = tmp_path / "model.h5"
        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = b"2.15.0"
            file.attrs["backend"] = b"tensorflow"
            file.attrs["model_config"] = json.dumps(model).encode()
            group = file.create_group("model_weights")
            for name, values in weights.items():
                group[name] = np.asarray(values, np.float32)
        return path

    return write
