"""Keras models to start from: every kind of layer, with every setting that a file has for it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

RNG = np.random.default_rng(0)

IMAGE, SEQUENCE, VECTOR = (6, 5, 2), (6, 2), (6,)

FLOAT = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
         "registered_name": None}  # fmt: skip

LAST = {"data_format": "channels_last"}

Entry = dict[str, Any]
Shapes = Sequence[tuple[int, ...]]


def layer(kind: str, name: str = "", module: str = "keras.layers", **config: Any) -> Entry:
    """Return a layer as Keras 3 serializes it."""
    name = name or kind.lower()
    return {"module": module, "class_name": kind, "registered_name": None, "name": name,
            "config": {"name": name, "trainable": True, "dtype": FLOAT, **config}}  # fmt: skip


def _operation(kind: str, **config: Any) -> Entry:
    return {"module": "keras.src.ops.numpy", "class_name": kind, "registered_name": kind,
            "config": {"name": "odd", **config}}  # fmt: skip


def _input(shape: Sequence[int], dtype: str = "float32") -> Entry:
    config = {"batch_shape": [None, *shape], "dtype": dtype, "sparse": False, "ragged": False}
    return layer("InputLayer", "x", **config)


def _windows(rank: int, kernel: str, **config: Any) -> dict[str, Any]:
    """Return the settings of layers that move a window over sequences or images."""
    return {kernel: [2] * rank, "strides": [1] * rank, "padding": "same", **LAST, **config}


def _filters(rank: int, **config: Any) -> dict[str, Any]:
    more = {"dilation_rate": [1] * rank, "activation": "relu", "use_bias": True}
    return {**_windows(rank, "kernel_size"), **more, **config}


def _with_weights(rank: int) -> list[tuple[Entry, Shapes]]:
    """Return layers with weights for sequences (1) or images (2), and the shapes of the weights."""
    name, two, one = f"{rank}D", (2,) * rank, (1,) * rank
    return [
        (layer(f"Conv{name}", **_filters(rank, filters=4, groups=2)), [(*two, 1, 4), (4,)]),
        (layer(f"DepthwiseConv{name}", **_filters(rank, depth_multiplier=2)),
         [(*two, 2, 2), (4,)]),
        (layer(f"SeparableConv{name}", **_filters(rank, filters=3, depth_multiplier=2)),
         [(*two, 2, 2), (*one, 4, 3), (3,)]),
        (layer(f"Conv{name}Transpose",
               **_filters(rank, filters=3, strides=two, output_padding=[1] * rank)),
         [(*two, 3, 2), (3,)]),
    ]  # fmt: skip


def _of_windows(rank: int) -> list[Entry]:
    name = f"{rank}D"
    edges: list[Any] = [1, 0] if rank == 1 else [[1, 0], [0, 2]]
    # Keras lets images alone choose how they are resized, and where their channels lie.
    of_images = LAST if rank == 2 else {}
    resized = {"interpolation": "nearest", **LAST} if rank == 2 else {}
    return [
        layer(f"SpatialDropout{name}", rate=0.5, seed=None, **of_images),
        layer(f"ZeroPadding{name}", padding=edges, **LAST),
        layer(f"Cropping{name}", cropping=edges, **of_images),
        layer(f"UpSampling{name}", size=[2] * rank, **resized),
        layer(f"AveragePooling{name}", **_windows(rank, "pool_size")),
        layer(f"MaxPooling{name}", **_windows(rank, "pool_size")),
    ]


def _global(rank: int) -> list[Entry]:
    name = f"{rank}D"
    return [
        layer(f"GlobalMaxPooling{name}", keepdims=True, **LAST),
        layer(f"GlobalAveragePooling{name}", keepdims=False, **LAST),
    ]


ON_IMAGES = [
    layer("Rescaling", scale=0.5, offset=[0.5, -1.0]),
    layer("Normalization", axis=[-1], invert=False, mean=[0.5, 1.0], variance=[1.0, 2.0]),
    layer("RandomFlip", mode="horizontal_and_vertical", seed=None, **LAST),
    layer("Resizing", height=6, width=5, interpolation="bilinear", crop_to_aspect_ratio=False,
          **LAST),
    layer("CenterCrop", height=4, width=3, **LAST),
]  # fmt: skip
"""Layers that prepare images."""

ANYWHERE = [
    layer("ReLU", max_value=6.0, negative_slope=0.0, threshold=0.0),
    layer("Dropout", rate=0.5, seed=None, noise_shape=None),
    layer("Activation", activation="relu6"),
    layer("Reshape", target_shape=[5, -1, 3]),
    layer("Permute", dims=[2, 1, 3]),
    layer("Flatten", **LAST),
    layer("Softmax", axis=-1),
]
"""Layers without weights."""

_ARRAY = {"class_name": "__numpy__", "config": {"value": [1.5, -2.0], "dtype": "float32"}}
_SLICES = [
    {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": step}}
    for start, stop, step in ((None, None, None), (1, -1, 2))
]

OPERATIONS: Sequence[Sequence[tuple[Entry, tuple[Any, ...]]]] = [
    [
        (layer("Add"), (["x", "x"],)),
        (layer("Average"), (["x", "x", "x"],)),
        (layer("Subtract"), (["x", "x"],)),
        (layer("Concatenate", axis=-1), (["x", "x"],)),
    ],
    [
        (_operation("Multiply"), ("x", _ARRAY)),
        (_operation("Subtract"), (1.0, "x")),
        (_operation("TrueDivide"), ("x", 4)),
        (_operation("Negative"), ("x",)),
        (_operation("Cast", dtype="float32"), ("x",)),
        (_operation("Maximum"), ("x", 0.0)),
        (_operation("Clip", x_min=0.0, x_max=6.0), ("x",)),
        (_operation("Mean", axis=[1, 2], keepdims=False), ("x",)),
    ],
    [
        (_operation("MaxPool", **_windows(2, "pool_size")), ("x",)),
        (_operation("AveragePool", **_windows(2, "pool_size")), ("x",)),
        (_operation("Pad", pad_width=[[0, 0], [1, 0], [0, 2], [0, 0]], mode="constant"), ("x",)),
        (_operation("GetItem"), ("x", _SLICES)),
        (_operation("Sum", axis=-2, keepdims=True), ("x",)),
        (_operation("Max", axis=[1, 2], keepdims=False, initial=None), ("x",)),
    ],
    [
        (_operation("ExpandDims", axis=1), ("x",)),
        (_operation("Squeeze", axis=None), ("x",)),
        (_operation("Transpose", axes=[0, 2, 1, 3]), ("x",)),
        (_operation("Swapaxes", axis1=1, axis2=2), ("x",)),
        (_operation("Reshape", newshape=[-1, 5, 12]), ("x",)),
    ],
]
"""Operations and layers with what they are called with, one behind the other as ``"x"``."""


def keras_models() -> dict[str, bytes]:
    """Return models of Keras 3, one for each kind of layer, and of Keras 2."""
    found = dict(enumerate(_models()))
    return {**{f"{i}.keras": content for i, content in found.items()}, "a.h5": _keras2()}


def _models() -> list[bytes]:
    normalization = layer(
        "BatchNormalization", axis=[-1], momentum=0.99, epsilon=0.001, center=True, scale=True
    )
    dense = layer("Dense", units=3, activation="softmax", use_bias=True)
    first = {"data_format": "channels_first"}
    conv = layer("Conv2D", **_filters(2, filters=2, groups=1, **first)), [(2, 2, 2, 2), (2,)]
    return [
        _sequential(VECTOR, (dense, [(6, 3), (3,)])),
        _sequential(IMAGE, (normalization, [(2,)] * 4)),
        *(_sequential(SEQUENCE, entry) for entry in _with_weights(1)),
        *(_sequential(IMAGE, entry) for entry in _with_weights(2)),
        *(_sequential(SEQUENCE, _DENSE, *_plain(items)) for items in (_of_windows(1), _global(1))),
        *(_sequential(IMAGE, _DENSE, *_plain(items))
          for items in (_of_windows(2), _global(2), ANYWHERE)),
        _sequential(IMAGE, *_plain(ON_IMAGES), _DENSE),
        _sequential(IMAGE, *_plain([layer("Rescaling", scale=1 / 255)]), _DENSE, dtype="uint8"),
        _sequential((2, 6, 5), conv, *_plain([layer("Flatten", **first)])),
        *map(_functional, OPERATIONS),
        _nested(),
    ]  # fmt: skip


def _plain(entries: Sequence[Entry]) -> list[tuple[Entry, Shapes]]:
    return [(entry, ()) for entry in entries]


_DENSE = (layer("Dense", "dense", units=2, activation="relu", use_bias=False), [(2, 2)])
"""A layer with weights, which every network needs."""


def _sequential(
    shape: Sequence[int], *entries: tuple[Entry, Shapes], dtype: str = "float32"
) -> bytes:
    layers = [_input(shape, dtype), *(entry for entry, _ in entries)]
    model = layer("Sequential", "net", "keras", layers=layers, build_input_shape=[None, *shape])
    return _archive(model, {entry["class_name"]: shapes for entry, shapes in entries})


def _tensor(name: str, node: int = 0) -> Entry:
    config = {"shape": [None, *IMAGE], "dtype": "float32", "keras_history": [name, node, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def _call(entry: Entry, *args: Any) -> Entry:
    """Return a layer with its call; names among the arguments stand for tensors."""
    name = entry["config"]["name"]
    return {**entry, "name": name, "inbound_nodes": [{"args": [*args], "kwargs": {}}]}


def _model(name: str, layers: Sequence[Entry], output: Sequence[Any]) -> Entry:
    entries = [{**_input(IMAGE), "inbound_nodes": []}, *layers]
    return layer("Functional", name, "keras", layers=entries, input_layers=[["x", 0, 0]],
                 output_layers=[output])  # fmt: skip


def _fill(value: Any, tensor: Entry) -> Any:
    """Return an argument with the tensor in place of each ``"x"``."""
    if isinstance(value, list):
        return [_fill(item, tensor) for item in value]
    return tensor if value == "x" else value


def _functional(chain: Sequence[tuple[Entry, Sequence[Any]]]) -> bytes:
    before, layers = "dense", [_call(_DENSE[0], _tensor("x"))]
    for entry, args in chain:
        given = [_fill(arg, _tensor(before)) for arg in args]
        before = f"odd{len(layers)}"
        named = {**entry, "config": {**entry["config"], "name": before}}
        layers.append(_call(named, *given))
    return _archive(_model("net", layers, [before, 0, 0]), {"Dense": _DENSE[1]})


def _nested() -> bytes:
    """Return a model that calls another one twice."""
    inner = _model("inner", [_call(_DENSE[0], _tensor("x"))], ["dense", 0, 0])
    nodes = [{"args": [_tensor(name)], "kwargs": {"training": False, "mask": None}}
             for name in ("x", "inner")]  # fmt: skip
    outer = _model("net", [{**inner, "inbound_nodes": nodes}], ["inner", 2, 0])
    return _archive(outer, {"functional/layers/Dense": _DENSE[1]})


def _archive(model: Entry, weights: Mapping[str, Shapes]) -> bytes:
    from snn_core.parsing.keras.nodes import snake_case

    stored, archive = io.BytesIO(), io.BytesIO()
    with h5py.File(stored, "w") as file:
        for path, shapes in weights.items():
            outer, _, kind = path.rpartition("/")
            group = f"layers/{outer}/{snake_case(kind)}" if outer else f"layers/{snake_case(kind)}"
            for i, shape in enumerate(shapes):
                file[f"{group}/vars/{i}"] = RNG.random(shape, np.float32)
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("config.json", json.dumps(model))
        target.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
        target.writestr("model.weights.h5", stored.getvalue())
    return archive.getvalue()


def _keras2() -> bytes:
    dense = {"name": "d", "units": 3, "activation": "relu", "batch_input_shape": [None, 4]}
    old = {
        "class_name": "Sequential",
        "config": {"layers": [{"class_name": "Dense", "config": dense}]},
    }
    stored = io.BytesIO()
    with h5py.File(stored, "w") as file:
        file.attrs["model_config"] = json.dumps(old)
        file["model_weights/d/d/kernel:0"] = RNG.random((4, 3), np.float32)
        file["model_weights/d/d/bias:0"] = np.zeros(3, np.float32)
        file["model_weights"].attrs["layer_names"] = [b"d"]
        file["model_weights/d"].attrs["weight_names"] = [b"d/kernel:0", b"d/bias:0"]
    return stored.getvalue()
