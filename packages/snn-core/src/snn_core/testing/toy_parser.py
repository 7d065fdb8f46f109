"""The smallest real parser: dense networks written down as JSON.

``docs/adding-a-parser.md`` goes through it, and the conformance kit for parsers is tested with it.
A file looks like this::

    {"inputs": 3, "layers": [
        {"name": "hidden", "type": "dense", "weight": [[1, 0.5], [0, -1], [2, 1]], "bias": [0, 1]},
        {"name": "rate", "type": "relu"}]}

``inputs`` may be null; the shape of the input then has to be given.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import OpenShapeError, ParseError, UnsupportedError
from snn_core.ir import ActivationLayer, Dense, Input, Layer, Network, ReLU
from snn_core.reading import read_json, while_reading
from snn_core.typing import Array, Shape

SUFFIX = ".toy"


class ToyParser:
    """Parser of ``.toy`` files."""

    name = "toy"
    reads = "toy models (.toy)"

    def accepts(self, source: Any) -> bool:
        """Return whether ``source`` is the path of a ``.toy`` file."""
        return isinstance(source, (str, PathLike)) and Path(source).suffix.lower() == SUFFIX

    def parse(self, source: Any, *, input_shape: Shape | None = None) -> Network:
        """Return the network of a file, in the source dialect."""
        model = self._model(Path(source))
        shape = (model["inputs"],) if model["inputs"] else input_shape
        if shape is None:
            raise OpenShapeError(f"{source} does not say how many inputs it has; give input_shape.")
        layers: list[Layer] = [Input(name="input", output_shape=shape)]
        problems: list[str] = []
        for entry in model["layers"]:
            if entry["type"] in ("dense", "relu"):
                layers.append(self._layer(entry, layers[-1]))
            else:
                problems.append(f"{entry['name']} ({entry['type']}): only dense and relu are known")
        if problems:
            raise UnsupportedError(problems, what="This toy model cannot be converted")
        return Network(layers=tuple(layers), history=(f"read {Path(source).name}: toy model",))

    def run(
        self, source: Any, x_b_l: Array, *, input_shape: Shape | None = None
    ) -> tuple[Array, str]:
        """Return the output of the model; a real parser asks its framework."""
        self.parse(source, input_shape=input_shape)  # refuses what must not be run
        y = np.asarray(x_b_l, np.float64)
        for entry in self._model(Path(source))["layers"]:
            dense = entry["type"] == "dense"
            y = y @ np.array(entry["weight"]) + entry["bias"] if dense else np.maximum(y, 0)
        return y.astype(np.float32), "toy 1.0"

    def _model(self, path: Path) -> Any:
        with while_reading(path, error=ParseError, advice="copy it again"):
            model = read_json(path)
            size, entries = model["inputs"], model["layers"]
            known = (size is None or (isinstance(size, int) and size > 0)) and all(
                isinstance(entry, dict) and {"name", "type"} <= set(entry) for entry in entries
            )
        if not known:
            raise ParseError(f"{path} does not list its inputs and layers; save it again.")
        return model

    def _layer(self, entry: Mapping[str, Any], before: Layer) -> Layer:
        """Return one layer, with everything about it checked."""
        name, kind = str(entry["name"]), str(entry["type"])
        common: dict[str, Any] = {"name": name, "inputs": (before.name,)}
        if kind == "relu":
            return ActivationLayer(**common, output_shape=before.output_shape, activation=ReLU())
        try:
            weight_io, bias_o = np.array(entry["weight"], "f4"), np.array(entry["bias"], "f4")
        except (LookupError, TypeError, ValueError) as error:
            raise ParseError(
                f"Layer {name!r} is damaged ({error}); save the model again."
            ) from error
        if not np.isfinite(weight_io).all() or not np.isfinite(bias_o).all():
            raise ParseError(f"Layer {name!r} holds values that are infinite or not a number.")
        if weight_io.shape != (before.output_shape[-1], bias_o.size) or bias_o.ndim != 1:
            raise ParseError(
                f"Layer {name!r} has weights of shape {weight_io.shape} and a bias of shape "
                f"{bias_o.shape} for {before.output_shape[-1]} inputs; save the model again."
            )
        return Dense(**common, output_shape=bias_o.shape, weight_io=weight_io, bias_o=bias_o)
