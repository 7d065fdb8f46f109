"""Small files that would take gigabytes or minutes: refused by the command, in bounded memory."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

resource = pytest.importorskip("resource")

MEMORY = 2**30
"""Bytes of the heap that the command may take. Libraries reserve address space that they never use,
so that is not what is limited."""

SECONDS = 10
"""Of the processor."""


def limited():
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


@pytest.fixture
def refused():
    """Return a function that runs ``snn`` with little memory and time; it has to refuse."""

    def call(*arguments):
        command = [sys.executable, "-m", "snn_core", *map(str, arguments)]
        environment = {**os.environ, "SNN_MEMORY_LIMIT": "256M", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            preexec_fn=limited,
            env=environment,
        )
        assert done.returncode == 2, done.stderr[-2000:]
        assert "Traceback" not in done.stderr
        return " ".join(done.stderr.split())

    return call


def zeros(path: Path, members: dict[str, int]) -> Path:
    """Write an archive whose members unpack to many zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, size in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                for _ in range(size >> 20):
                    member.write(bytes(2**20))
    assert path.stat().st_size < size / 50
    return path


MUCH = 2**29
"""Bytes; twice what a file may take."""


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("bomb.snn", "manifest.json"),
        ("bomb.keras", "config.json"),
        ("bomb.pt2", "bomb/models/model.json"),
    ],
)
def test_an_archive_that_unpacks_to_much(refused, tmp_path, name, member):
    message = refused("inspect", zeros(tmp_path / name, {member: MUCH}))
    assert name in message
    assert "would take 512 MiB in memory" in message
    assert "SNN_MEMORY_LIMIT" in message


def test_an_archive_whose_member_hides_its_size(refused, tmp_path):
    path = zeros(tmp_path / "bomb.snn", {"manifest.json": MUCH})
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<I", 1000)
    path.write_bytes(content)
    assert "bomb.snn" in refused("inspect", path)


@pytest.mark.parametrize("item", ["{},", '"\x7f",'])
@pytest.mark.parametrize("name", ["bomb.snn", "bomb.keras"])
def test_json_whose_objects_take_much_more_than_its_text(refused, tmp_path, name, item):
    path, member = tmp_path / name, {"bomb.snn": "manifest.json", "bomb.keras": "config.json"}[name]
    head = '{"format": "snn-artifact", "version": 3, "layers": ['
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, head + item * (30_000_000 // len(item)) + "{}]}")
    assert path.stat().st_size < 2**17
    message = refused("inspect", path)
    assert f"{member} has" in message or "would take" in message


@pytest.mark.parametrize("item", ["{},", "0,"])
def test_a_result_of_many_details(refused, artifact, images, tmp_path, item):
    text = f'{{"format_version": 2, "details": {{"a": [{item * (30_000_000 // len(item))}0]}}}}'
    (tmp_path / "run.json").write_text(text)
    message = refused("run", artifact, "--data", images(), "--resume", "-o", tmp_path)
    assert "run.json has" in message or "would take" in message


def test_samples_that_unpack_to_much(refused, artifact, tmp_path):
    head = io.BytesIO()
    described = {"descr": "<f4", "fortran_order": False, "shape": (MUCH // 4,)}
    np.lib.format.write_array_header_1_0(head, described)
    path = tmp_path / "bomb.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(head.getvalue())
        for _ in range(MUCH >> 20):
            member.write(bytes(2**20))
    out = tmp_path / "out"
    message = refused("run", artifact, "--simulator", "reference", "--data", path, "-o", out)
    assert "would take" in message


@pytest.mark.parametrize(
    ("form", "descr", "size"),
    [
        ("npy", "|V0", 2**62),
        ("npy", "|S0", 10**12),
        ("npy", "<f4", 10**12),
        ("x of npz", "|V0", 2**62),
        ("y of npz", "<U0", 2**62),
        ("classes of npz", "<U0", 2**62),
    ],
)
def test_an_array_that_declares_what_it_does_not_hold(
    refused, artifact, tmp_path, descr, size, form
):
    head = io.BytesIO()
    described = {"descr": descr, "fortran_order": False, "shape": (size,)}
    np.lib.format.write_array_header_1_0(head, described)
    member, _, suffix = form.rpartition(" of ")
    path = tmp_path / f"bomb.{suffix}"
    if suffix == "npy":
        path.write_bytes(head.getvalue())
    else:
        np.savez(path, **{name: [[1.0]] for name in {"x", "y"} - {member}})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{member}.npy", head.getvalue())
    out = tmp_path / "out"
    message = refused("run", artifact, "--simulator", "reference", "--data", path, "-o", out)
    assert f"bomb.{suffix} cannot be read" in message


def test_names_of_classes_that_become_gigabytes(refused, artifact, tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, x=np.ones((2, 36)), y=[0, 1], classes=np.zeros(2**24, "S1"))
    assert path.stat().st_size < 2**16
    out = tmp_path / "out"
    message = refused("run", artifact, "--simulator", "reference", "--data", path, "-o", out)
    assert "bomb.npz: the names of the classes would take" in message


def keras(folder: Path, fill, units: int = 2**26) -> Path:
    """Write a model of one dense layer, with what a function puts for its weights."""
    layers = [
        {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 4]}},
        {"class_name": "Dense", "config": {"name": "d", "units": units, "activation": "relu"}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        fill(file)
    with zipfile.ZipFile(folder / "bomb.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
        archive.writestr("model.weights.h5", weights.getvalue())
    assert (folder / "bomb.keras").stat().st_size < 2**22
    return folder / "bomb.keras"


def test_weights_that_unpack_to_gigabytes(refused, tmp_path):
    def fill(file):
        layer = file.create_group("layers/dense/vars")
        data = layer.create_dataset("0", (4, 2**26), "f4", chunks=(1, 2**20), compression="gzip")
        packed = zlib.compress(bytes(2**22), 9)
        for row, column in np.ndindex(4, 64):
            data.id.write_direct_chunk((row, column << 20), packed)
        layer["1"] = np.zeros(3)

    assert "would take 1 GiB in memory" in refused("inspect", keras(tmp_path, fill))


def test_a_chunk_of_some_bytes_that_declares_gigabytes(refused, tmp_path):
    def fill(file):
        layer = file.create_group("layers/dense/vars")
        data = layer.create_dataset("0", (4, 2**26), "f4", chunks=(4, 2**25), compression="gzip")
        data.id.write_direct_chunk((0, 0), zlib.compress(bytes(60)))
        layer["1"] = np.zeros(3)

    assert "declares 1073741824 bytes and holds" in refused("inspect", keras(tmp_path, fill))


def test_groups_that_fan_out(refused, tmp_path):
    def fill(file):
        group = file.create_group("layers")
        for _ in range(60):
            group["b"] = inner = group.create_group("a")
            group = inner

    assert "'d' (Dense)" in refused("inspect", keras(tmp_path, fill, units=3))


@pytest.mark.skipif(sys.platform != "linux", reason="texts are not limited elsewhere")
def test_a_text_that_declares_gigabytes(refused, tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "x" * 1237
        file.create_group("model_weights")
    content = path.read_bytes().replace(struct.pack("<I", 1237), struct.pack("<I", 2**30))
    path.write_bytes(content)
    message = refused("inspect", path)
    assert "bomb.h5: its texts are damaged or would take too much memory" in message
    assert "SNN_MEMORY_LIMIT" in message


def write_onnx(folder: Path, onnx, nodes, constants, shape: list[int | None]) -> Path:
    """Write a model from x, of a shape, to y with three outputs; return its path."""
    helper = onnx.helper
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, [None, 3])],
        [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    path = folder / "bomb.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    "kind", ["Concat", "Mul", "Tile", "Expand", "ConstantOfShape", "Gather", "Range"]
)
def test_constants_that_double(refused, tmp_path, kind):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    constants = {"c0": np.ones((2, 1, 1024), np.float32), "w": np.ones((4, 3), np.float32)}
    nodes = []
    for i in range(40):
        name, inputs, more = f"c{i + 1}", [f"c{i}", f"c{i}"], {}
        if kind == "Concat":
            more["axis"] = 0
        elif kind == "Mul":  # grows by broadcasting
            constants[f"k{i}"] = np.ones((2, *[1] * (i + 3)), np.float32)
            inputs = [f"c{i}", f"k{i}"]
        elif kind in ("Tile", "Expand", "ConstantOfShape"):
            constants[f"k{i}"] = np.array(
                [2**40 if kind != "Tile" else 2, 1, 1024 if kind != "Tile" else 1]
            )
            inputs = [f"c{i}", f"k{i}"] if kind != "ConstantOfShape" else [f"k{i}"]
        elif kind == "Gather":
            constants["k"] = np.zeros((2, 2), np.int64)
            inputs = [f"c{i}", "k"]
        elif kind == "Range":
            constants |= {"a": np.array(0), "b": np.array(2**50), "d": np.array(1)}
            inputs = ["a", "b", "d"]
        nodes.append(helper.make_node(kind, inputs, [name], **more))
    nodes += [
        helper.make_node("ReduceSum", ["c40"], ["s"], keepdims=0),
        helper.make_node("Mul", ["w", "s"], ["v"]),
        helper.make_node("MatMul", ["x", "v"], ["y"]),
    ]
    path = write_onnx(tmp_path, onnx, nodes, constants, [None, 4])
    assert path.stat().st_size < 2**17
    message = refused("inspect", path)
    assert "would take" in message or "cannot be converted" in message


PROGRAM = Path(__file__).parents[1] / "files" / "torch-2.9.pt2"


def edited_program(folder: Path, ending: str, change) -> Path:
    """Write the program of the tests with one of its JSON members changed."""
    with zipfile.ZipFile(PROGRAM) as source:
        members = {name: source.read(name) for name in source.namelist()}
    (name,) = (name for name in members if name.endswith(ending))
    content = json.loads(members[name])
    change(content)
    members[name] = json.dumps(content).encode()
    path = folder / "bomb.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    assert path.stat().st_size < 2**20
    return path


@pytest.mark.parametrize("size", [16_000, 10**6, 2**40], ids=["1 GiB", "4 TB", "2^82 bytes"])
@pytest.mark.parametrize("kind", [7, 13], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("strides", [(0, 0), (0, 1)], ids=["one value", "one row"])
def test_a_tensor_that_repeats_its_values(refused, tmp_path, size, kind, strides):
    columns = size if strides[1] == 0 else 3

    def change(config):
        meta = config["config"]["conv.bias"]["tensor_meta"]
        meta["sizes"] = [{"as_int": size * size // columns}, {"as_int": columns}]
        meta["strides"] = [{"as_int": stride} for stride in strides]
        meta["dtype"] = kind

    path = edited_program(tmp_path, "weights_config.json", change)
    message = refused("inspect", path)
    assert "The tensor 'conv.bias' would take" in message or "needs" in message


def images_network(folder: Path, name: str, config: dict) -> Path:
    """Write a Keras model of a flattened image after one layer, without its weights."""
    image = {"name": "x", "batch_shape": [None, 4, 4, 1]}
    layers = [
        {"class_name": "InputLayer", "config": image},
        {"class_name": name, "config": {"name": "large", **config}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "relu"}},
    ]
    path = folder / "bomb.keras"
    weights = io.BytesIO()
    h5py.File(weights, "w").close()
    with zipfile.ZipFile(path, "w") as archive:
        config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.12.0"}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return path


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("ZeroPadding2D", {"padding": [[8000, 8000], [8000, 8000]]}),
        ("ZeroPadding2D", {"padding": [[10**9, 10**9], [0, 0]]}),
        ("UpSampling2D", {"size": [4000, 4000], "interpolation": "nearest"}),
    ],
)
def test_images_that_padding_or_repetition_makes_large(refused, tmp_path, name, config):
    assert "would take" in refused("inspect", images_network(tmp_path, name, config))


@pytest.mark.parametrize("kind", ["Pad", "Resize", "MaxPool", "GlobalAveragePool"])
def test_onnx_images_that_become_large(refused, tmp_path, kind):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    constants = {"w": np.ones((3, 3), np.float32)}
    if kind == "Pad":
        constants["p"] = np.array([0, 0, 8000, 8000, 0, 0, 8000, 8000])
        nodes = [helper.make_node("Pad", ["x", "p"], ["large"])]
    elif kind == "Resize":
        constants["s"] = np.array([1, 1, 2**30, 1], np.float32)
        how = {"mode": "nearest", "nearest_mode": "floor"}
        how["coordinate_transformation_mode"] = "asymmetric"
        nodes = [helper.make_node("Resize", ["x", "", "s"], ["large"], **how)]
    elif kind == "GlobalAveragePool":  # no table of its cells is made
        constants["p"] = np.array([0, 0, 8000, 8000, 0, 0, 8000, 8000])
        constants["w"] = np.ones((1, 3), np.float32)
        nodes = [helper.make_node("Pad", ["x", "p"], ["padded"])]
        nodes += [helper.make_node(kind, ["padded"], ["large"])]
    else:  # every cell of a large image, then few of them
        constants["p"] = np.array([0, 0, 8000, 8000, 0, 0, 8000, 8000])
        nodes = [helper.make_node("Pad", ["x", "p"], ["padded"])]
        more = {"kernel_shape": [1, 1], "strides": [15_000, 15_000]}
        nodes += [helper.make_node("MaxPool", ["padded"], ["few"], **more)]
        nodes += [helper.make_node("Pad", ["few", "p"], ["large"])]
    nodes += [
        helper.make_node("Flatten", ["large"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    path = write_onnx(tmp_path, onnx, nodes, constants, [None, 1, 4, 4])
    assert "would take" in refused("inspect", path)


@pytest.mark.parametrize("form", ["doubling", "calling itself"])
def test_functions_that_call_each_other(refused, tmp_path, form):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = []
    for i in range(40):
        last = i + 1 if i < 39 or form == "calling itself" else None
        kind = f"F{(last or 0) % 40}" if last is not None else "Relu"
        domain = "own" if last is not None else ""
        body = [
            helper.make_node(kind, ["a"], ["m"], domain=domain),
            helper.make_node(kind, ["m"], ["b"], domain=domain),
        ]
        functions.append(helper.make_function("own", f"F{i}", ["a"], ["b"], body, imports))
    graph = helper.make_graph(
        [helper.make_node("F0", ["x"], ["y"], domain="own")], "net",
        [helper.make_tensor_value_info("x", 1, [None, 4])],
        [helper.make_tensor_value_info("y", 1, [None, 4])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=imports, functions=functions)
    path = tmp_path / "bomb.onnx"
    path.write_bytes(model.SerializeToString())
    message = refused("inspect", path)
    assert (f"have {2**40} nodes" if form == "doubling" else "calls itself") in message


def png(width: int, height: int) -> bytes:
    """Return an image of one colour, one bit a pixel."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data))
        )  # fmt: skip

    lines = zlib.compress(bytes((width + 7) // 8 + 1) * height, 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [13_000, 40_000])
def test_an_image_of_many_pixels(refused, artifact, tmp_path, side):
    pytest.importorskip("PIL")
    (tmp_path / "images" / "0").mkdir(parents=True)
    path = tmp_path / "images" / "0" / "bomb.png"
    path.write_bytes(png(side, side))
    assert path.stat().st_size < 2**20
    message = refused(
        "run", artifact, "--simulator", "reference", "--data", tmp_path / "images",
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert "bomb.png" in message


def test_a_recording_whose_packets_unpack_to_gigabytes(refused, artifact, tmp_path):
    zstandard = pytest.importorskip("zstandard")
    packet = zstandard.compress(bytes(MUCH), 1)
    header = struct.pack("<I", 32) + b"IOHE" + struct.pack("<HHHHi", 8, 8, 4, 0, 8)
    header += struct.pack("<i", 3)
    header = struct.pack("<I", len(header)) + header
    content = b"#!AER-DAT4.0\r\n" + header
    for number in range(8):
        content += struct.pack("<ii", number, len(packet)) + packet
    path = tmp_path / "bomb.aedat4"
    path.write_bytes(content)
    assert len(content) < 2**20
    message = refused(
        "run", artifact, "--simulator", "reference", "--data", path, "-o", tmp_path / "out"
    )
    assert "bomb.aedat4" in message


@pytest.mark.parametrize("suffix", ["toml", "ini", "json"])
def test_settings_nested_deep(refused, artifact, images, tmp_path, suffix):
    path = tmp_path / f"settings.{suffix}"
    text = "[" * 30_000
    path.write_text(
        {"ini": f"[input]\nlabel_dict = {text}", "toml": f"a = {text}"}.get(suffix, text)
    )
    refused(
        "run", artifact, "--simulator", "reference", "--data", images(), "--settings", path,
        "-o", tmp_path / "out",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("keys.toml", ".".join(["a"] * 30_000) + " = 1\n"),
        ("tables.toml", "\n".join(f"[a{n}{'.b' * 15}]" for n in range(3000))),
        ("blanks.ini", "[input]\n" + ("a" + " " * 32_000 + "b\n") * 4),
        ("lines.ini", "[input]\n" + "a\n" * 8000),
        ("lists.ini", "[input]\nencoding = [\n" + (" " + "[]," * 10_000 + "\n") * 4 + " ]\n"),
    ],
)
def test_settings_that_take_much_to_read(refused, artifact, images, tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    message = refused(
        "run", artifact, "--simulator", "reference", "--data", images(), "--settings", path,
        "-o", tmp_path / "out",
    )  # fmt: skip
    assert name in message
    assert len(message) < 1500


def test_settings_in_an_artifact_that_are_impossible_in_many_ways(refused, artifact, rewritten):
    """Each of them is described by a kilobyte."""

    def change(members):
        manifest = json.loads(members["manifest.json"])
        manifest["settings"]["cell"]["clamp_indices"] = dict.fromkeys(map(str, range(10**6)), -1)
        members["manifest.json"] = json.dumps(manifest).encode()

    message = refused("inspect", rewritten(artifact, change))
    assert "its settings would take" in message or "manifest.json would take" in message
