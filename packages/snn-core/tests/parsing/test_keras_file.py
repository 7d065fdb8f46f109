"""Keras files that are damaged, hostile or old, and the numbers that come out of good ones."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_core import parsing
from snn_core.errors import ParseError, SNNError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.files import hash_file
from snn_core.ir import BatchNormalization, Dense, ReLU
from snn_core.parsing.keras import file as keras_file
from snn_core.parsing.keras.model import KerasParser
from snn_core.reading import hdf5

Writer = Callable[..., Path]
Rewrite = Callable[..., Path]

KERNEL = [[1.0, -2.0], [0.5, 4.0], [-1.0, 0.25]]
BIAS = [0.5, -1.0]


def parse(path: Path) -> Network:
    """Return what the parser alone reads."""
    return KerasParser().parse(path)


def sequential(*layers: dict[str, Any], shape: Any = (None, 3)) -> dict[str, Any]:
    start = {"class_name": "InputLayer", "config": {"batch_shape": list(shape), "name": "start"}}
    return {"class_name": "Sequential", "config": {"name": "net", "layers": [start, *layers]}}


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


def dense_model() -> dict[str, Any]:
    return sequential(layer("Dense", "first", units=2, activation="relu", use_bias=True))


def test_dense_archive_computes_hand_made_numbers(write_archive: Writer) -> None:
    """relu([1, 2, -1] @ kernel + bias) = relu([1 + 1 + 1 + .5, -2 + 8 - .25 - 1])."""
    network = parse(write_archive(dense_model(), {"layers/dense": [KERNEL, BIAS]}))
    found = predict(network, np.array([[1, 2, -1], [-1, 0, 0]], np.float32))
    np.testing.assert_array_equal(found, [[3.5, 4.75], [0, 1]])
    assert network.history[0].startswith("read model.keras: .keras archive of Keras 3.9.9, sha256 ")


@pytest.mark.parametrize(
    ("inputs", "units", "message"),
    [(3, 0, r"has the shape \(0,\), which holds nothing"), (0, 2, r"input shape \(0,\)")],
)
def test_a_layer_or_an_input_of_nothing_is_refused(
    write_archive: Writer, inputs: int, units: int, message: str
) -> None:
    model = sequential(layer("Dense", "fc", units=units, use_bias=False), shape=(None, inputs))
    path = write_archive(model, {"layers/dense": [np.zeros((inputs, units), np.float32)]})
    with pytest.raises(ParseError, match=message):
        parse(path)


def test_an_input_of_very_many_axes_is_refused(write_archive: Writer) -> None:
    model = sequential(layer("Flatten", "flat"), shape=(None, *[2**62] * 10**5))
    with pytest.raises(ParseError, match="input has 100000 axes; expected at most 32"):
        parse(write_archive(model, {}))


@pytest.mark.parametrize("value", [3e38, -2e30])
def test_weights_beyond_what_an_artifact_may_hold_are_refused(
    write_archive: Writer, value: float
) -> None:
    path = write_archive(dense_model(), {"layers/dense": [[[value, 1.0]] * 3, BIAS]})
    with pytest.raises(ParseError, match=r"'first'.* its kernel holds numbers up to"):
        parse(path)


def test_layers_of_one_class_are_numbered_in_archives(write_archive: Writer) -> None:
    model = sequential(
        layer("Dense", "z", units=3, use_bias=False),
        layer("ReLU", "r"),
        layer("Dense", "a", units=2, use_bias=False),
    )
    weights = {"layers/dense": [np.eye(3) * 2], "layers/dense_1": [KERNEL]}
    network = parse(write_archive(model, weights))
    assert [item.name for item in network] == ["input", "z", "r", "a"]
    np.testing.assert_array_equal(network["z"].weight, np.eye(3) * 2)
    np.testing.assert_array_equal(network["a"].weight, KERNEL)


def test_layers_of_one_name_are_looked_up_in_linear_time(
    write_archive: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    child = hdf5.child
    monkeypatch.setattr(hdf5, "child", lambda *given: looked_up.append(given[1]) or child(*given))

    def number_for(layers: int) -> int:
        shared = [layer("Dense", "same", units=3, use_bias=False) for _ in range(layers)]
        path = write_archive(sequential(*shared), {"layers/dense": [np.eye(3)]})
        looked_up.clear()
        assert len(list(parse(path))) == layers + 1
        return len(looked_up)

    few, many = number_for(20), number_for(80)
    assert many < 5 * few


def test_batch_normalization_becomes_gain_and_offset(write_archive: Writer) -> None:
    """gain = 3 / sqrt(4 - 0 + 0) = 1.5, offset = 1 - 2 * 1.5 = -2; second channel likewise."""
    model = sequential(layer("BatchNormalization", "bn", axis=[1], epsilon=0.0), shape=(None, 2))
    arrays = [[3.0, -1.0], [1.0, 0.0], [2.0, 4.0], [4.0, 0.25]]
    (_, found) = parse(write_archive(model, {"layers/batch_normalization": arrays}))
    assert isinstance(found, BatchNormalization)
    np.testing.assert_array_equal(found.gain_c, [1.5, -2])
    np.testing.assert_array_equal(found.offset_c, [-2, 8])


def keras2_functional() -> dict[str, Any]:
    """Return a model that applies a nested model twice and adds both results.

    Keras 2 counts the calls of nested models from one.
    """
    inner = {
        "name": "inner",
        "layers": [
            {"class_name": "InputLayer", "name": "i", "inbound_nodes": [],
             "config": {"batch_input_shape": [None, 3], "name": "i"}},
            {"class_name": "Dense", "name": "d", "inbound_nodes": [[["i", 0, 0, {}]]],
             "config": {"name": "d", "units": 3, "activation": "linear", "use_bias": True}},
        ],
        "input_layers": [["i", 0, 0]],
        "output_layers": [["d", 0, 0]],
    }  # fmt: skip
    layers = [
        {"class_name": "InputLayer", "name": "start", "inbound_nodes": [],
         "config": {"batch_input_shape": [None, 3], "name": "start"}},
        {"class_name": "Functional", "name": "inner", "config": inner,
         "inbound_nodes": [[["start", 0, 0, {}]], [["inner", 1, 0, {}]]]},
        {"class_name": "Add", "name": "sum", "config": {"name": "sum"},
         "inbound_nodes": [[["inner", 1, 0, {}], ["inner", 2, 0, {}]]]},
        {"class_name": "Dense", "name": "out", "inbound_nodes": [[["sum", 0, 0, {}]]],
         "config": {"name": "out", "units": 2, "activation": "relu", "use_bias": False}},
        {"class_name": "Dense", "name": "unused", "inbound_nodes": [[["start", 0, 0, {}]]],
         "config": {"name": "unused", "units": 2, "activation": "tanh"}},
    ]  # fmt: skip
    return {
        "class_name": "Functional",
        "config": {
            "name": "outer",
            "layers": layers,
            "input_layers": [["start", 0, 0]],
            "output_layers": [["out", 0, 0]],
        },
    }


def test_keras2_file_with_nested_shared_model(write_keras2: Writer) -> None:
    """f(x) = 2x + 1 per value, so f(x) + f(f(x)) = 2x + 1 + 4x + 3 = 6x + 4."""
    path = write_keras2(
        keras2_functional(),
        {
            "inner/d/kernel:0": np.eye(3) * 2,
            "inner/d/bias:0": np.ones(3),
            "out/out/kernel:0": KERNEL,
        },
    )
    network = parse(path)
    x = np.array([[1, 2, -1]], np.float32)
    np.testing.assert_array_equal(predict(network, x), np.maximum((6 * x + 4) @ KERNEL, 0))
    assert network.history[0].startswith("read model.h5: HDF5 file of Keras 2.15.0, sha256 ")
    assert "unused" in network.history[1]
    assert [item.name for item in network] == ["input", "inner/d", "inner/d#2", "sum", "out"]


def test_keras2_sequential_as_a_list_with_the_shape_in_its_first_layer(
    write_keras2: Writer,
) -> None:
    model = {
        "class_name": "Sequential",
        "config": [
            layer("Dense", "d", units=2, activation="relu6", batch_input_shape=[None, 3]),
        ],
    }
    path = write_keras2(model, {"d/d_1/kernel:0": KERNEL, "d/d_1/bias:0": BIAS})
    (_, found) = parse(path)
    assert isinstance(found, Dense)
    assert found.activation == ReLU(max_value=6.0)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([KERNEL], r"'first' \(Dense\).*1 weight arrays.*expected 2"),
        ([np.transpose(KERNEL), BIAS], r"'first' \(Dense\).*\(2, 3\).*expected \(3, 2\)"),
        ([KERNEL, [np.nan, 0]], r"'first' \(Dense\).*bias holds 1 value"),
        ([np.full((3, 2), np.inf), BIAS], r"'first' \(Dense\).*kernel holds 6 value"),
    ],
)
def test_wrong_weights_name_their_layer(
    write_archive: Writer, arrays: list[Any], message: str
) -> None:
    path = write_archive(dense_model(), {"layers/dense": arrays})
    with pytest.raises(ParseError, match=message) as caught:
        parsing.parse(path)
    assert str(caught.value).count(str(path)) == 1


def test_missing_weights_name_their_layer(write_archive: Writer) -> None:
    with pytest.raises(ParseError, match=r"model.keras: Layer 'first' \(Dense\).*no weights"):
        parsing.parse(write_archive(dense_model(), {}))


def test_missing_weights_of_an_h5_file_name_it(write_keras2: Writer) -> None:
    model = sequential(layer("Dense", "first", units=2, use_bias=False))
    with pytest.raises(ParseError, match=r"model.h5: Layer 'first' \(Dense\).*no weights"):
        parsing.parse(write_keras2(model, {}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layers": []}, r"model.keras: The model configuration lists no layers"),
        ({"layers": [layer("Dense", "fc", units=1)]}, r"model.keras: The model has no input shape"),
    ],
)
def test_damage_in_a_configuration_names_the_file(
    write_archive: Writer, config: Any, message: str
) -> None:
    with pytest.raises(ParseError, match=message):
        parsing.parse(write_archive({"class_name": "Sequential", "config": config}, {}))


def test_a_negative_epsilon_is_told_from_a_negative_variance(write_archive: Writer) -> None:
    arrays = [np.ones(2), np.zeros(2), np.zeros(2), np.full(2, 0.5)]
    model = sequential(layer("BatchNormalization", "bn", axis=[1], epsilon=-1), shape=(None, 2))
    with pytest.raises(ParseError, match=r"its epsilon is -1.*; expected a small positive number"):
        parse(write_archive(model, {"layers/batch_normalization": arrays}))


@pytest.mark.parametrize(
    ("entry", "setting"),
    [
        (layer("Dense", "odd", units=True), "units"),
        (layer("Conv1D", "odd", filters=2, kernel_size=[True]), "kernel_size"),
        (layer("MaxPooling1D", "odd", pool_size=[True]), "pool_size"),
        (layer("UpSampling1D", "odd", size=True), "size"),
        (layer("ZeroPadding1D", "odd", padding=[True, False]), "padding"),
        (layer("Reshape", "odd", target_shape=[True, -1]), "target shape"),
        (layer("Reshape", "odd", target_shape=[-1.0]), "target shape"),
        (layer("Permute", "odd", dims=[2, True]), "dims"),
        (layer("Mean", "odd", axis=True), "axis"),
        (layer("BatchNormalization", "odd", epsilon=True), "epsilon"),
        (layer("Conv1DTranspose", "odd", filters=2, kernel_size=1, output_padding=[True]),
         "output padding"),
    ],
)  # fmt: skip
def test_true_and_false_are_no_numbers(
    write_archive: Writer, entry: dict[str, Any], setting: str
) -> None:
    weights = {
        "layers/batch_normalization": [np.ones(2), np.zeros(2), np.zeros(2), np.ones(2)],
        "layers/conv1d_transpose": [np.ones((1, 2, 2)), np.zeros(2)],
    }
    with pytest.raises(ParseError, match=f"Layer 'odd' .* its (setting ')?{setting}"):
        parse(write_archive(sequential(entry, shape=(None, 4, 2)), weights))


def test_an_input_shape_of_true_is_not_fixed(write_archive: Writer) -> None:
    with pytest.raises(ParseError, match="is not fixed"):
        parse(write_archive(sequential(layer("Flatten", "f"), shape=(None, True, 3)), {}))


def test_weights_of_another_layer_are_noticed(write_archive: Writer, rewritten: Rewrite) -> None:
    def rename(members: dict[str, bytes]) -> None:
        weights = io.BytesIO(members["model.weights.h5"])
        with h5py.File(weights, "a") as file:
            file["layers/dense/vars"].attrs["name"] = "second"
        members["model.weights.h5"] = weights.getvalue()

    path = write_archive(dense_model(), {"layers/dense": [KERNEL, BIAS]})
    with pytest.raises(ParseError, match="belong to the layer 'second'"):
        parse(rewritten(path, rename))


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_incomplete_archives_say_what_is_missing(write_archive: Writer, member: str) -> None:
    path = write_archive(dense_model(), {"layers/dense": [KERNEL, BIAS]}, leave_out=member)
    with pytest.raises(ParseError, match=f"holds no {member}"):
        parse(path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_damaged_configurations_are_parse_errors(write_archive: Writer, content: bytes) -> None:
    with pytest.raises(ParseError, match=r"config\.json"):
        parse(write_archive(content, {}))


def test_oversized_members_are_not_unpacked(
    write_archive: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_archive(dense_model(), {"layers/dense": [KERNEL, BIAS]})
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "100")
    with pytest.raises(ParseError, match=r"config.json would take .* 100 bytes for one file"):
        parse(path)


def test_weights_behind_external_links_are_not_followed(
    write_keras2: Writer, tmp_path: Path
) -> None:
    model = {
        "class_name": "Sequential",
        "config": {"layers": [layer("Dense", "d", units=2, batch_input_shape=[None, 3])]},
    }
    path = write_keras2(model, {"d/d/bias:0": BIAS}, {"d": ["d/kernel:0", "d/bias:0"]})
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.asarray(KERNEL, np.float32)
    with h5py.File(path, "a") as file:
        file["model_weights/d/d/kernel:0"] = h5py.ExternalLink("other.h5", "/kernel")
    with pytest.raises(ParseError, match="its kernel is missing from the file"):
        parse(path)


def test_foreign_bytes_under_a_keras_suffix_are_a_parse_error(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"not a model at all")
    with pytest.raises(ParseError, match=r"neither a \.keras archive nor an HDF5 file"):
        parse(path)


@pytest.mark.parametrize("magic", [b"", b"PK\3\4", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_model_is_refused_before_it_is_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: bytes
) -> None:
    """Six gigabytes of anything took 21 s."""
    path = tmp_path / "model.keras"
    with path.open("wb") as file:
        file.write(magic)
        file.truncate(2**40)  # takes no room on the disk
    monkeypatch.setattr(keras_file, "hash_file", lambda *_, **__: pytest.fail("hashed"))
    with pytest.raises(ParseError, match=r"neither a|cannot be read|would take"):
        parse(path)


def test_a_model_that_changes_while_it_is_read_is_refused(
    write_archive: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = write_archive(dense_model(), {"layers/dense": [KERNEL, BIAS]}), hash_file

    def change(found: Path, **more: Any) -> str:
        found.write_bytes(b"another model")
        return real(found, **more)

    monkeypatch.setattr(keras_file, "hash_file", change)
    with pytest.raises(ParseError, match=r"model\.keras changed after it was read"):
        parse(path)


def test_suffix_does_not_decide_between_the_formats(write_archive: Writer) -> None:
    path = write_archive(dense_model(), {"layers/dense": [KERNEL, BIAS]})
    assert len(parse(path.rename(path.with_suffix(".h5")))) == 2


@pytest.mark.parametrize(
    ("settings_", "reason"),
    [
        ({"activation": "gelu"}, "gelu"),
        ({"activation": {"class_name": "LeakyReLU", "config": {}}}, "LeakyReLU"),
        ({"activation": {"class_name": "function", "config": "relu"}}, "relu"),
        ({"dtype": {"class_name": "QuantizedDTypePolicy"}}, "quantizing"),
    ],
)
def test_settings_without_a_spiking_form_are_refused(
    write_archive: Writer, settings_: dict[str, Any], reason: str
) -> None:
    model = sequential(layer("Dense", "d", **{"units": 2, **settings_}))
    with pytest.raises(UnsupportedError, match=rf"d \(Dense\).*{reason}"):
        parse(write_archive(model, {"layers/dense": [KERNEL, BIAS]}))


def test_mixed_data_formats_are_refused(write_archive: Writer) -> None:
    model = sequential(
        layer("AveragePooling2D", "a", pool_size=2, data_format="channels_last"),
        layer("AveragePooling2D", "b", pool_size=2, data_format="channels_first"),
        shape=(None, 4, 4, 4),
    )
    with pytest.raises(UnsupportedError, match="a is channels_last, b is channels_first"):
        parse(write_archive(model, {}))


def test_cycles_are_parse_errors(write_keras2: Writer) -> None:
    model = keras2_functional()
    model["config"]["layers"][2]["inbound_nodes"][0].append(["out", 0, 0, {}])
    with pytest.raises(ParseError, match="not connected"):
        parse(write_keras2(model, {}))


JUNK = st.sampled_from(
    [None, True, -1, 0, 3, 2.5, "x", "Dense", "same", [], [1], [[1, 2]], {}, {"class_name": 3}]
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON structure."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items if isinstance(value, (dict, list)) else ():
        found.append((*path, key))
        if isinstance(item, (dict, list)):
            found += _places(item, (*path, key))
    return found


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_broken_configuration_is_a_clear_error(
    write_keras2: Writer, data: st.DataObject
) -> None:
    """Whatever one value of the configuration is replaced by, nothing but an SNNError comes out."""
    model = copy.deepcopy(keras2_functional())
    *path, last = data.draw(st.sampled_from(_places(model)))
    target = model
    for key in path:
        target = target[key]
    target[last] = data.draw(JUNK)
    weights = {"inner/d/kernel:0": np.eye(3), "inner/d/bias:0": np.ones(3), "out/kernel:0": KERNEL}
    try:
        network = parse(write_keras2(json.loads(json.dumps(model)), weights))
    except SNNError:
        return
    assert predict(network, np.ones((1, *network.input.output_shape), np.float32)).size
