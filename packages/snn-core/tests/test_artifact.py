import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snn_core import artifact
from snn_core.errors import ArtifactError, DataError
from snn_core.evaluation.forward import predict
from snn_core.ir import InputData, Linear, QuantizedReLU, ReLU
from snn_core.reading import parse_json, read_member
from snn_core.reading.budget import bytes_left, open_budget
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

FINGERPRINT = "5be439886e8b794002034248681bb71d3d40054ff73ddd7a8124355a4bd3d64d"

OLD = Path(__file__).parent / "files" / "format1.snn"


def network():
    """Return a network with everything that an artifact has to keep."""
    rng = np.random.default_rng(0)
    builder = NetworkBuilder((6, 5, 2)).zero_padding(((1, 0), (0, 2)))
    builder.conv2d(
        rng.normal(size=(3, 2, 1, 4)),
        groups=2,
        strides=(1, 2),
        threshold=[0.5, 1, 2, 3],
        v_init=[0.25],
    )
    first = builder.last
    builder.depthwise_conv2d(rng.normal(size=(1, 1, 4, 1)), activation=ReLU(max_value=6.0))
    builder.add([first, builder.last], weight_nc=np.ones((2, 4)), activation=Linear())
    builder.concatenate([first, builder.last]).max_pooling((2, 2), method="pre_spike_max")
    weight_io = rng.normal(size=(builder.flatten().shape[0], 3))
    builder.dense(weight_io, bias_o=[1, 2, 3], bias_t_c=np.ones((4, 1), np.float32))
    made = builder.build(readout="membrane")
    data = InputData(
        uint8_scale=0.5, decided_by="user", low=-1.0, high=2.0, classes=("a", "b", "c")
    )
    data = replace(data, mean=0.25)
    made = made.replace(input_data=data)
    return made.replace(note="made by hand", scale_facs={first: np.float32([1, 2, 3, 4])})


def saved(tmp_path):
    path = tmp_path / "model.snn"
    artifact.save(network(), path)
    return path


def test_everything_survives(tmp_path):
    settings = Settings.of(
        {"simulation": {"duration": 7}, "output": {"log_vars": ["mem", "input"]}}
    )
    path, expected = tmp_path / "model.snn", network()
    expected = expected.replace(settings=settings)
    artifact.save(expected, path, provenance={"source": "hand"})
    found = artifact.load_artifact(path)
    assert found.network.settings == settings
    assert found.provenance == {"source": "hand"}
    assert found.network.history == expected.history
    assert found.network.readout == "membrane"
    assert found.network.input_data == expected.input_data
    for name, scale in expected.scale_facs.items():
        np.testing.assert_array_equal(found.network.scale_facs[name], scale)
    for layer, other in zip(expected, found.network, strict=True):
        assert type(layer) is type(other)
        for field in layer.__dataclass_fields__:
            first, second = getattr(layer, field), getattr(other, field)
            if isinstance(first, np.ndarray):
                np.testing.assert_array_equal(first, second)
                assert second.dtype == np.float32
            else:
                assert first == second, field


def test_a_network_that_was_not_converted_has_no_settings(tmp_path):
    assert network().settings is None
    assert artifact.load(saved(tmp_path)).settings is None


def test_equal_networks_give_equal_bytes_whenever_they_are_written(monkeypatch):
    first = artifact.dumps(network())
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert artifact.dumps(network()) == first


def test_the_first_format_is_read_for_ever():
    """Written when format 1 was new: relu([1, 2] @ [[1, -1], [0.5, 0.25]] + [0, 1])."""
    stored = artifact.load_artifact(OLD)
    assert predict(stored.network, np.array([[1, 2]], np.float32)).tolist() == [[2, 0.5]]
    assert stored.network.history == ("made by hand for the tests",)
    assert stored.network.settings.num_steps == 32
    assert json.loads(zipfile.ZipFile(OLD).read("manifest.json"))["version"] == 1


def test_the_second_format_is_read_for_ever():
    """Written when format 2 was new: as above, with a bias in the first two steps."""
    stored = artifact.load_artifact(OLD.with_name("format2.snn"))
    assert predict(stored.network, np.array([[1, 2]], np.float32)).tolist() == [[2, 0.5]]
    assert stored.network.output.bias_t_c.tolist() == [[0.5, -1.0], [0.25, 0.0]]


def test_the_third_format_is_read_for_ever():
    """Written when format 3 was new: as above, for raw 8-bit values, and with names of classes."""
    stored = artifact.load_artifact(OLD.with_name("format3.snn"))
    assert predict(stored.network, np.array([[1, 2]], np.uint8)).tolist() == [[2, 0.5]]
    assert stored.network.input_data == InputData(
        uint8_scale=1.0, decided_by="user", low=0.0, high=2.0, mean=0.75, classes=("yes", "no")
    )


@pytest.mark.parametrize("name", ["format1.snn", "format2.snn"])
def test_networks_of_older_formats_divide_bytes_by_255(name):
    network = artifact.load(OLD.with_name(name))
    assert network.input_data == InputData()
    x_b_l = np.array([[255, 51]], np.uint8)
    np.testing.assert_array_equal(predict(network, x_b_l), predict(network, x_b_l / 255))


def test_the_fingerprint_tells_networks_apart_that_take_bytes_in_another_way():
    raw = network().replace(input_data=InputData(uint8_scale=1.0, decided_by="model"))
    plain = network().replace(input_data=InputData())
    seen = network().replace(input_data=InputData(low=0.0, high=1.0, mean=0.5, classes=("a",)))
    assert artifact.fingerprint(raw) != artifact.fingerprint(plain)
    assert artifact.fingerprint(seen) == artifact.fingerprint(plain)


def test_a_network_of_the_first_format_is_written_in_the_present_one(tmp_path):
    old = artifact.load(OLD)
    assert old.output.bias_t_c is None
    old.save(tmp_path / "new.snn")
    manifest = json.loads(zipfile.ZipFile(tmp_path / "new.snn").read("manifest.json"))
    assert manifest["version"] == artifact.VERSION
    assert not any("bias_t_c" in layer for layer in manifest["layers"])
    x_b_l = np.array([[1, 2]], np.float32)
    assert (predict(artifact.load(tmp_path / "new.snn"), x_b_l) == predict(old, x_b_l)).all()


def edited(**changes):
    """Return a change that sets entries of the manifest."""

    def change(members):
        manifest = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps({**manifest, **changes}).encode()

    return change


def edited_layer(index, **changes):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        manifest["layers"][index].update(changes)
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def with_array(array):
    def change(members):
        buffer = io.BytesIO()
        np.save(buffer, array)
        members[next(name for name in members if name.endswith("weight_io.npy"))] = (
            buffer.getvalue()
        )

    return change


def with_layer_array(name, values):
    """Return a change that puts an array into a field of the convolution."""

    def change(members):
        manifest = json.loads(members["manifest.json"])
        layer = manifest["layers"][2]
        del members[layer[name]["array"]]
        layer[name] = {"array": "arrays/new.npy"}
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(values, np.float32))
        members["manifest.json"] = json.dumps(manifest).encode()
        members["arrays/new.npy"] = buffer.getvalue()

    return change


def with_plain_value(name, value):
    """Return a change that puts a value into a field of the convolution that holds an array."""

    def change(members):
        manifest = json.loads(members["manifest.json"])
        del members[manifest["layers"][2][name]["array"]]
        manifest["layers"][2][name] = value
        members["manifest.json"] = json.dumps(manifest).encode()

    return change


def without_array(members):
    del members[next(name for name in members if name.endswith(".npy"))]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edited(version=4), "format version 4; this snn-core reads up to 3. Bring your clone"),
        (edited(version="1"), "format version '1'; expected a number"),
        (edited(format="zip"), "does not say 'snn-artifact'"),
        (edited(readout="vote"), "Unknown readout 'vote'"),
        (edited(layers=[]), "do not fit together"),
        (edited(input_data={"uint8_scale": 0}), "uint8_scale is 0; expected a number above 0"),
        (edited(input_data={"uint8_scale": 10**400}), "uint8_scale is 1000"),
        (edited(input_data={"low": "0"}), "low is '0'; expected a number"),
        (edited(input_data={"high": float("nan")}), "high is nan; expected a number"),
        (edited(input_data={"decided_by": "me"}), "decided_by is 'me'"),
        (edited(input_data={"classes": [1]}), r"classes is \[1\]; expected names"),
        (edited(input_data={"surprise": 1}), "surprise"),
        (edited(input_data=[]), "cannot be read"),
        (edited(input_data={"low": 5, "high": -5}), "5, None and -5; expected numbers that do not"),
        (edited(input_data={"low": 0, "mean": -1.0}), "0, -1.0 and None; expected numbers that"),
        (edited(input_data={"mean": 2, "high": 1.0}), "None, 2 and 1.0; expected numbers that"),
        (edited(surprise=1), r"unknown keys \['surprise'\]; update snn-core"),
        (edited(version=1), r"format version 1, and \['bias_t_c'\] of version 2"),
        (edited(version=2), r"format version 2, and \['input_data'\] of version 3"),
        (edited(settings={"cell": {"v_thresh": -1}}), "settings in .* are not valid"),
        (edited_layer(1, kind="os.system"), "unknown kind 'os.system'"),
        (edited_layer(1, surprise=1), r"unknown fields \['surprise'\]"),
        (edited_layer(2, strides=[2, 2]), "do not fit together"),
        (edited_layer(0, output_shape=[2] * 32), "a sample in all layers would take"),
        (edited_layer(0, output_shape=[2**31 - 1] * 10**5), "output_shape = .* at most 32"),
        (edited_layer(2, inputs=["01Conv2D_5x3x4"] * 2), "do not fit together"),
        (edited_layer(1, name="\ud800"), "expected printable characters"),
        (edited(provenance=5), "found provenance = 5, expected an object"),
        (edited(history="read it"), "found history = 'read it', expected a list of texts"),
        (edited(version=True), "format version True; expected a number"),
        (edited(scale_facs={"x": {"array": "x"}}), "lacks the array"),
        (without_array, "lacks the array"),
        (lambda m: m.update({"../escape.py": b""}), "outside its manifest: ../escape.py"),
        (lambda m: m.update({"manifest.json": b"{"}), "manifest.json is no JSON"),
        (lambda m: m.pop("manifest.json"), "holds no manifest.json"),
        (with_array(np.zeros((2, 2), np.float64)), "is no float32 array"),
        (with_array(np.zeros((2, 2), np.float32)), "do not fit together"),
    ],
)
def test_files_that_were_tampered_with_are_refused(rewritten, tmp_path, change, message):
    with pytest.raises(ArtifactError, match=message):
        artifact.load(rewritten(saved(tmp_path), change))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_shape": [5.0, 3, 4]}, "expected a whole number"),
        ({"output_shape": [True, 3, 4]}, "expected a whole number"),
        ({"output_shape": [5, 0, 4]}, "expected at least 1"),
        ({"strides": [0, 1]}, "expected at least 1"),
        ({"strides": [-1, -1]}, "expected at least 1"),
        ({"strides": [1, 1, 1]}, "found strides = "),
        ({"strides": [2**40, 1]}, "expected less than 2147483648"),
        ({"strides": {"activation": "ReLU"}}, "expected a list"),
        ({"dilation": [0, 0]}, "expected at least 1"),
        ({"padding": "full"}, "expected valid or same"),
        ({"padding": [[0.0, 0], [0, 0]]}, "expected a whole number"),
        ({"groups": 1.0}, "expected a whole number"),
        ({"activation": "ReLU"}, "expected an activation"),
        ({"activation": {"activation": "ReLU", "max_value": -1.0}}, "expected a number from 0"),
        ({"activation": {"activation": "ReLU", "max_value": float("nan")}}, "expected a number"),
        ({"activation": {"activation": "ReLU", "max_value": [1.0, 2, 3, "4"]}}, "expected a num"),
        (
            {"activation": {"activation": "QuantizedReLU", "step": 0.0, "max_value": 1.0}},
            "step = 0",
        ),
    ],
)
def test_fields_of_another_type_or_range_are_refused(rewritten, tmp_path, changes, message):
    with pytest.raises(ArtifactError, match=rf"02Conv2D_5x3x4.*{message}"):
        artifact.load(rewritten(saved(tmp_path), edited_layer(2, **changes)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_layer_array("threshold", -1), "threshold = -1.0; expected numbers from 1e-30 to 1e"),
        (with_layer_array("threshold", 0), "found threshold = 0.0"),
        (with_layer_array("threshold", np.inf), "found threshold = inf"),
        (with_layer_array("threshold", np.ones((5, 1, 1))), "one for each of 4 channels"),
        (with_layer_array("threshold", np.ones((5, 3, 4))), "one for each of 4 channels"),
        (with_layer_array("v_init", np.nan), "v_init = nan; expected numbers from -1e.30 to 1e.30"),
        (with_layer_array("v_init", np.ones((3, 1))), "one for each of 4 channels"),
        (with_layer_array("bias_o", [-np.inf, 0, 0, 0]), "found bias_o = -inf"),
        (with_layer_array("bias_o", [1]), "one value for each of 4 channels"),
        (with_layer_array("bias_o", np.ones((5, 3, 4))), "expected a float32 array"),
        (with_layer_array("weight_hwio", np.full((3, 2, 1, 4), np.nan)), "found weight_hwio = nan"),
        (with_plain_value("threshold", 1), r"expected a float32 array \(\*c\)"),
        (with_plain_value("bias_o", [1, 1, 1, 1]), r"expected a float32 array \(o\)"),
    ],
)
def test_arrays_of_other_axes_or_values_are_refused(rewritten, tmp_path, change, message):
    with pytest.raises(ArtifactError, match=rf"02Conv2D_5x3x4.*{message}"):
        artifact.load(rewritten(saved(tmp_path), change))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.nan, "found scale_facs = nan"),
        (0, "found scale_facs = 0.0"),
        (-1, "found scale_facs = -1.0"),
        ([1, 2, 3], "one for each of 4 channels"),
        (np.ones((5, 3, 4)), "one for each of 4 channels"),
    ],
)
def test_scales_are_positive_numbers_of_channels(tmp_path, values, message):
    path = tmp_path / "model.snn"
    scales = {"02Conv2D_5x3x4": np.asarray(values, np.float32)}
    artifact.save(network().replace(scale_facs=scales), path)
    with pytest.raises(ArtifactError, match=message):
        artifact.load(path)


def test_sizes_are_checked_before_anything_is_read(tmp_path, monkeypatch):
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as archive, open_budget():
        before = bytes_left()
        parse_json(read_member(archive, "manifest.json"), "manifest.json")
        manifest = before - bytes_left()
    for limit, part in ((manifest + 10, r"\.npy would take"), (10, r"json would take")):
        monkeypatch.setenv("SNN_MEMORY_LIMIT", str(limit))
        with pytest.raises(ArtifactError, match=f"{part}.* SNN_MEMORY_LIMIT"):
            artifact.load(path)


@pytest.mark.parametrize(
    ("version", "layer", "field"), [(1, 2, "bias_t_c"), (1, 6, "sign_c"), (2, 6, "sign_c")]
)
def test_fields_of_newer_versions_are_refused_in_older_ones(
    rewritten, tmp_path, version, layer, field
):
    def change(members):
        manifest = json.loads(members["manifest.json"])
        del manifest["input_data"]
        for entry in manifest["layers"]:
            if "bias_t_c" in entry:
                del members[entry.pop("bias_t_c")["array"]]
        manifest["layers"][layer][field] = {"array": "arrays/new.npy"}
        manifest["version"] = version
        members["manifest.json"] = json.dumps(manifest).encode()

    with pytest.raises(ArtifactError, match=rf"version {version}, and \['{field}'\] of version"):
        artifact.load(rewritten(saved(tmp_path), change))


@pytest.mark.parametrize("entry", [{"array": "arrays/x.npy", "shape": [1]}, {"array": 3}])
@pytest.mark.parametrize(
    "put",
    [
        lambda entry: edited_layer(2, threshold=entry),
        lambda entry: edited(scale_facs={"02Conv2D_5x3x4": entry}),
    ],
)
def test_arrays_are_named_and_nothing_more(rewritten, tmp_path, put, entry):
    with pytest.raises(ArtifactError, match="in place of an array, expected its name alone"):
        artifact.load(rewritten(saved(tmp_path), put(entry)))


@pytest.mark.parametrize("place", ['"readout":', '"kind":', '"uint8_scale":', '"note":'])
def test_keys_that_occur_twice_are_refused(rewritten, tmp_path, place):
    """Readers of JSON take either value, so that two of them may see two networks."""

    def change(members):
        text = members["manifest.json"].decode().replace(place, f"{place} 1, {place}", 1)
        members["manifest.json"] = text.encode()

    path = tmp_path / "model.snn"
    artifact.save(network(), path, provenance={"note": "of nobody"})
    with pytest.raises(ArtifactError, match=f"the key '{place[1:-2]}' occurs twice in an object"):
        artifact.load(rewritten(path, change))


def test_a_member_that_occurs_twice_is_refused(tmp_path):
    path = saved(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", archive.read("manifest.json"))
    with pytest.raises(ArtifactError, match="several members have the same name"):
        artifact.load(path)


@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b[:10], lambda b: b""])
def test_damaged_files_are_refused(tmp_path, damage):
    path = saved(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifact.load(path)


def test_values_per_channel_survive(tmp_path):
    builder = NetworkBuilder((2, 2, 2)).conv2d(
        np.ones((1, 1, 2, 2)), activation=ReLU(max_value=(1 / 3, 2.0))
    )
    builder.max_pooling((2, 2), sign_c=[1, -1])
    form = QuantizedReLU(step=(0.25, 0.1), max_value=(1.0, 0.7))
    expected = builder.conv2d(np.ones((1, 1, 2, 2)), activation=form).build()
    artifact.save(expected, tmp_path / "model.snn")
    found = artifact.load(tmp_path / "model.snn")
    assert [getattr(layer, "activation", None) for layer in found] == [
        getattr(layer, "activation", None) for layer in expected
    ]
    assert found.layers[2].sign_c.tolist() == [1, -1]
    assert artifact.fingerprint(found) == artifact.fingerprint(expected)


def test_bounds_for_other_channels_are_refused(tmp_path):
    builder = NetworkBuilder((2,)).dense(np.eye(2), activation=ReLU(max_value=(1.0, 2.0, 3.0)))
    artifact.save(builder.build(), tmp_path / "model.snn")
    with pytest.raises(ArtifactError, match="do not fit together"):
        artifact.load(tmp_path / "model.snn")


def test_a_flipped_byte_is_noticed(tmp_path):
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArtifactError):
        artifact.load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = saved(tmp_path)
    before = path.read_bytes()

    def fail(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(DataError, match="No space left on device"):
        artifact.save(network(), path, overwrite=True)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["model.snn"]


def test_an_artifact_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = saved(tmp_path)
    before = path.read_bytes()
    other = network().replace(readout="membrane")
    with pytest.raises(DataError, match=r"is there already.*--force \(overwrite=True\)"):
        other.save(path)
    assert path.read_bytes() == before
    other.save(path, overwrite=True)
    assert artifact.load(path).readout == "membrane"


def not_json(members):
    members["manifest.json"] = b"{"


def other_format(members):
    members["manifest.json"] = b'{"format": "other"}'


@pytest.mark.parametrize("change", [lambda members: members.clear(), not_json, other_format])
def test_a_zip_archive_of_others_is_never_replaced(tmp_path, rewritten, change):
    path = rewritten(saved(tmp_path), change)
    before = path.read_bytes()
    with pytest.raises(DataError, match=r"a file that is no \.snn file is there"):
        network().save(path, overwrite=True)
    assert path.read_bytes() == before


def test_an_artifact_of_any_version_may_be_replaced(tmp_path):
    path = tmp_path / "model.snn"
    path.write_bytes((Path(__file__).parent / "files" / "format1.snn").read_bytes())
    network().save(path, overwrite=True)
    assert json.loads(zipfile.ZipFile(path).read("manifest.json"))["version"] == artifact.VERSION


@pytest.mark.parametrize(
    ("share", "method"), [(1.0, zipfile.ZIP_STORED), (0.1, zipfile.ZIP_DEFLATED)]
)
def test_only_weights_that_shrink_are_compressed(tmp_path, share, method):
    """Compressing trained weights takes longer than all the rest, for 7% of their size."""
    rng = np.random.default_rng(0)
    weight_io = rng.normal(size=(300, 200)) * (rng.random((300, 200)) < share)
    builder = NetworkBuilder((300,))
    builder.dense(weight_io)
    made = builder.build()
    artifact.save(made, tmp_path / "model.snn")
    with zipfile.ZipFile(tmp_path / "model.snn") as archive:
        (info,) = (item for item in archive.infolist() if item.file_size > weight_io.size)
        assert info.compress_type == method
        assert archive.getinfo("manifest.json").compress_type == zipfile.ZIP_DEFLATED
    found = artifact.load(tmp_path / "model.snn")
    np.testing.assert_array_equal(found.output.weight, made.output.weight)
    assert (tmp_path / "model.snn").read_bytes() == artifact.dumps(made)


def test_a_fingerprint_names_what_a_network_computes(tmp_path):
    name = artifact.fingerprint(network())
    assert artifact.fingerprint(network().replace(note="another history")) == name
    assert artifact.fingerprint(artifact.load(saved(tmp_path))) == name
    assert artifact.fingerprint(network().replace(readout="counts")) != name
    output = network().output
    other = replace(output, v_init=np.float32(0.5))
    assert artifact.fingerprint(network().replace(other)) != name


def test_scales_have_a_fingerprint_of_their_own():
    first = network().replace(scale_facs={"a": np.float32([2.0])})
    other = network().replace(scale_facs={"a": np.float32([2.5])})
    named = network().replace(scale_facs={"b": np.float32([2.0])})
    assert artifact.fingerprint(first) == artifact.fingerprint(other) == artifact.fingerprint(named)
    names = [artifact.fingerprint_of_scales(net) for net in (first, other, named, network())]
    assert len(set(names)) == 4


def test_fingerprints_stay():
    """Tables of a network and stopped runs are found again by it, also after an update."""
    old = artifact.load(OLD.with_name("format2.snn"))
    assert artifact.fingerprint(old) == FINGERPRINT
