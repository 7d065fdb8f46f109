"""The readers that are fuzzed, each with valid files to start from."""

from __future__ import annotations

import importlib
import io
import json
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fuzzing.keras_seeds import keras_models

ROOT = Path(__file__).parents[2]
FILES = ROOT / "packages" / "snn-core" / "tests" / "files"
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Reader:
    """A family of readers.

    Parameters
    ----------
    seeds
        Returns valid files: name to content.
    read
        Reads a file at a path.
    """

    seeds: Callable[[], Mapping[str, bytes]]
    read: Callable[[Path], object]


def from_tests(folder: str, module: str) -> Any:
    """Return a module beside the tests of a package."""
    path = str(ROOT / "packages" / folder)
    sys.path.insert(0, path)
    try:
        return importlib.import_module(module)
    finally:
        sys.path.remove(path)


def network() -> Any:
    """Return a small converted network."""
    from snn_core.conversion import convert, preset
    from snn_core.testing.builder import NetworkBuilder

    builder = NetworkBuilder((6,)).dense(RNG.normal(0.1, 0.5, (6, 4)))
    samples = RNG.random((20, 6), np.float32)
    return convert(
        builder.dense(RNG.normal(0, 0.5, (4, 3))).build(), samples, settings=preset("fast")
    )


def artifacts() -> dict[str, bytes]:
    """Return artifacts of every version."""
    from snn_core import artifact

    found = {path.name: path.read_bytes() for path in FILES.glob("*.snn")}
    return {**found, "new.snn": artifact.dumps(network())}


def read_artifact(path: Path) -> None:
    """Read an artifact, show it, and simulate it for two steps."""
    from snn_core.artifact import load_artifact
    from snn_core.cli.inspect import describe
    from snn_core.simulation.reference import ReferenceSNN

    found = load_artifact(path)
    json.dumps(describe(found))
    if (x_b_l := sample_of(found.network)) is not None:
        dt = found.network.settings_for().simulation.dt
        ReferenceSNN(found.network, {"simulation": {"duration": 2 * dt}}).run_batch(x_b_l)


def sample_of(network: Any) -> Any:
    """Return a sample for a network that is quick to compute; ``None`` for others."""
    cells = sum(int(np.prod(layer.output_shape)) for layer in network)
    return np.full((1, *network.input.output_shape), 0.5, np.float32) if cells < 10_000 else None


def onnx_models() -> dict[str, bytes]:
    """Return ONNX models of every operator that is read, in one operator set each."""
    zoo = from_tests("snn-core/tests_frontends", "onnx_zoo")
    return {
        f"{number}.onnx": zoo.built(name, opsets[-1])[0].SerializeToString()
        for number, (name, (_, _, opsets)) in enumerate(zoo.GRAPHS.items())
    }


def torch_models() -> dict[str, bytes]:
    """Return exported PyTorch programs."""
    return {path.name: path.read_bytes() for path in FILES.glob("*.pt2")}


def read_model(path: Path) -> None:
    """Read a model of any framework, and compute with it."""
    from snn_core.evaluation.forward import predict
    from snn_core.parsing import parse
    from snn_core.passes import run_structural

    found = parse(path)
    if (x_b_l := sample_of(found)) is not None:
        predict(run_structural(found), x_b_l)


def data_sets() -> dict[str, bytes]:
    """Return samples in arrays."""
    found = {}
    for name, save in (("plain.npz", np.savez), ("small.npz", np.savez_compressed)):
        file = io.BytesIO()
        save(file, x=RNG.random((5, 4), np.float32), y=np.arange(5) % 3, classes=["a", "b", "c"])
        found[name] = file.getvalue()
    return found


def recordings() -> dict[str, bytes]:
    """Return events in every format."""
    x, y, t, p = (np.array(a) for a in ([3, 127, 0], [5, 0, 127], [10, 11, 500], [1, 0, 1]))
    events = list(zip(x, y, t, p, strict=True))
    plain = b"".join(struct.pack(">Hi", (y << 8) | (x << 1) | p, t) for x, y, t, p in events)
    wide = b"".join(struct.pack(">Ii", (y << 8) | (x << 1) | p, t) for x, y, t, p in events)
    packed = struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, 3, 3, 3) + b"".join(
        struct.pack("<Ii", (x << 17) | (y << 2) | (p << 1) | 1, t) for x, y, t, p in events
    )
    found = {
        "one.aedat": b"#!AER-DAT1.0\r\n" + plain,
        "two.aedat": b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n" + wide,
        "three.aedat": b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"
        + packed,
    }
    version_4 = from_tests("snn-core/tests/data/events", "test_aedat").version_4
    for name in ("none", "lz4", "zstd"):
        found[f"four-{name}.aedat4"] = version_4([(10, 3, 5, 1), (11, 127, 0, 0)], name)
    file = io.BytesIO()
    np.savez(file, x=x, y=y, t=t, p=p)
    found["events.npz"] = file.getvalue()
    file = io.BytesIO()
    np.save(file, np.array(events, [("x", "<u2"), ("y", "<u2"), ("t", "<u8"), ("p", "?")]))
    found["events.npy"] = file.getvalue()
    file = io.BytesIO()
    with h5py.File(file, "w") as target:
        for name, column in zip("xytp", (x, y, t, p), strict=True):
            target[f"events/{name}"] = column
    found["events.h5"] = file.getvalue()
    return found


def read_data(path: Path) -> None:
    """Read samples, all of them."""
    from snn_core.data import load_dataset

    np.asarray(load_dataset(path).x_b_l)


def read_recording(path: Path) -> None:
    """Read a folder with one recording, and make a frame of it."""
    from snn_core.settings import InputSettings

    _read_folder_with(path, InputSettings(chip_size=(128, 128)))


def _read_folder_with(path: Path, settings: Any = None) -> None:
    from snn_core.data import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "a"
        inner.mkdir()
        (inner / path.name).write_bytes(path.read_bytes())
        np.asarray(load_dataset(folder, settings=settings).x_b_l)


def images() -> dict[str, bytes]:
    """Return an image in every format."""
    from PIL import Image

    picture = Image.fromarray(RNG.integers(0, 255, (6, 6, 3), np.uint8))
    found = {}
    for form, name in (("PNG", "png"), ("JPEG", "jpg"), ("BMP", "bmp"), ("TIFF", "tif"),
                       ("WEBP", "webp"), ("GIF", "gif")):  # fmt: skip
        file = io.BytesIO()
        picture.save(file, form)
        found[f"a.{name}"] = file.getvalue()
    return found


def read_image(path: Path) -> None:
    """Read a folder with one image."""
    _read_folder_with(path)


def settings_files() -> dict[str, bytes]:
    """Return settings in both formats."""
    toml = b"""[simulation]\nduration = 20\ndt = 0.5\n[normalization]\nmethod = "percentile"
percentile = 99.9\n[input.datagen_kwargs]\nrescale = 0.5\n[cell]\nreset = "zero"\n"""
    ini = b"""[simulation]\nduration = 20\nbatch_size = 3\n[input]\nlabel_dict = {'a': 1, 'b': 0}
poisson_input = True\n[output]\nlog_vars = {'spiketrains'}\n"""
    return {"a.toml": toml, "a.ini": ini}


def read_settings(path: Path) -> None:
    """Read settings and write them again."""
    from snn_core.settings import Settings

    found = Settings.load(path, simulators=("reference",))
    json.dumps(found.to_tree())
    str(found.num_steps)


def results() -> dict[str, bytes]:
    """Return the files of a finished run."""
    from snn_core import run
    from snn_core.settings import Settings

    settings = Settings.of(
        {"simulation": {"duration": 8, "batch_size": 4}, "output": {"log_vars": ["all"]}}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        data = (RNG.random((8, 6), np.float32), RNG.integers(0, 3, 8))
        run(network(), "reference", data=data, settings=settings, output_dir=path)
        files = [item for item in path.rglob("*") if item.is_file()]
        found = {item.relative_to(path).as_posix(): item.read_bytes() for item in files}
    # With a digest, every change would be refused before anything of it is read.
    summary = json.loads(found["summary.json"])
    del summary["digest"]
    found["summary.json"] = json.dumps(summary).encode()
    RESULT.update(found)
    return found


RESULT: dict[str, bytes] = {}
"""The files of a whole run, around the one that is changed."""


@contextmanager
def folder_around(path: Path, files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield a folder of files, of which one is another one."""
    with tempfile.TemporaryDirectory() as folder:
        changed = {**files, path.name.replace("@", "/"): path.read_bytes()}
        for name, content in changed.items():
            target = Path(folder) / name
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(content)
        yield Path(folder)


def read_result(path: Path) -> None:
    """Read a result folder of which one file was changed, and summarise it."""
    from snn_core.running.result import RunFolder, RunResult

    with folder_around(path, RESULT) as folder:
        RunFolder(folder).summary()
        found = RunResult.load(folder)
        json.dumps(found.summary())
        for name in found.logs[0]:
            found.logged(name.partition("/")[0])


def tables() -> dict[str, bytes]:
    """Return tables of synapses."""
    from snn_core.simulation.synapses.tables import (
        CELLS,
        NEURONS,
        POOL,
        Connection,
        Population,
        Tables,
    )

    state = np.ones(4, np.float32)
    same = {"current_l": state, "threshold_l": state, "start_l": state}
    window = np.array([[0, 1], [2, 4], [3, 4], [0, 3]], np.int32)
    pre, post = (item.reshape(-1).astype(np.int32) for item in np.indices((4, 4)))
    link = {"shape": (4, 4), "pre": pre, "post": post}
    found = Tables("x", 4)
    found.populations = [
        Population(name="a", role=NEURONS, **same),
        Population(name="b/cells", role=CELLS, **same),
        Population(name="b", role=POOL, window_l_k=window, method="max", sign_l=state, **same),
    ]
    found.connections = [
        Connection(source="x", target="a", weight=np.ones(16, np.float32), **link),
        Connection(source="a", target="b/cells", weight=state, index=post.astype(np.int16), **link),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.npz"
        found.save(path, network_sha256="a")
        return {path.name: path.read_bytes()}


def read_tables(path: Path) -> None:
    """Read tables and use them."""
    from snn_core.simulation.synapses.tables import Tables

    found = Tables.load(path, network_sha256="a")
    for item in found.connections:
        item.drive(np.ones((1, item.shape[0]), np.float32))


CORE: Mapping[str, Reader] = {
    "artifacts": Reader(artifacts, read_artifact),
    "keras": Reader(keras_models, read_model),
    "onnx": Reader(onnx_models, read_model),
    "torch": Reader(torch_models, read_model),
    "arrays": Reader(data_sets, read_data),
    "recordings": Reader(recordings, read_recording),
    "images": Reader(images, read_image),
    "settings": Reader(settings_files, read_settings),
    "results": Reader(results, read_result),
    "tables": Reader(tables, read_tables),
}
"""Name of each family of snn-core to how it is read."""
