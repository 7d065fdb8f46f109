"""The readers of other packages that are fuzzed, as far as the packages are there."""

from __future__ import annotations

import importlib
import io
import json
import tempfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.readers import (
    CORE,
    RESULT,
    Reader,
    folder_around,
    from_tests,
    results,
)

LOIHI, MEGASIM, PLOT = "snn_loihi", "snn_megasim", "snn_plot"


def probes() -> dict[str, bytes]:
    """Return measurements of chips."""
    table = b"# board 1\ntime_ms,total_mw,spiking_us\n0,1.5,3\n1,1.25,4\n2.5,1e-3,5\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.npz"
        np.savez(path, step=np.arange(4), power_mw=np.ones(4), label_a=np.arange(4))
        return {"probe.csv": table, "probe.npz": path.read_bytes()}


def read_probe(path: Path) -> None:
    """Read a probe."""
    importlib.import_module("snn_plot.probes").read_probe(path)


def draw_result(path: Path) -> None:
    """Draw the report and a figure of a result folder of which one file was changed."""
    view = importlib.import_module("snn_plot.recorded").view
    scene = importlib.import_module("snn_plot.scene").Scene
    with folder_around(path, RESULT) as folder:
        run = view(folder)
    importlib.import_module("snn_plot.report").report_html(run, unit="ms")
    makers = importlib.import_module("snn_plot.graphs").makers(scene(run=run))
    names = sorted(makers)
    # All take too long for one input.
    chosen = makers[names[zlib.crc32(path.read_bytes()) % len(names)]]()
    chosen.canvas.draw()


NETLIST: dict[str, bytes] = {}
"""The files of a whole netlist, around the one that is changed."""


def netlist() -> dict[str, bytes]:
    """Return the files of a network for MegaSim."""
    made = from_tests("snn-megasim/tests", "netlists")
    files = importlib.import_module("snn_megasim.files")
    stimulus = [(t, 1, 2, 1) for t in range(4)]
    whole = made.alone(made.array(made.kernel([[7]])), stimulus)
    with tempfile.TemporaryDirectory() as folder:
        files.write_netlist(whole, Path(folder))
        NETLIST.update({path.name: path.read_bytes() for path in Path(folder).iterdir()})
    return dict(NETLIST)


def read_netlist(path: Path) -> None:
    """Read a netlist of which one file was changed."""
    with folder_around(path, NETLIST) as folder:
        importlib.import_module("snn_megasim.files").read_netlist(folder)


def exported() -> dict[str, bytes]:
    """Return networks for Loihi."""
    loihi = importlib.import_module(LOIHI)
    export = importlib.import_module("snn_loihi.netx").export
    networks = importlib.import_module("snn_core.testing.laid_out").LAID_OUT
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("dense", "convolutions", "branches"):
            snn = loihi.SNN(networks[name]())
            snn.run_batch(np.zeros((1, *snn.network.input.output_shape), np.float32))
            export(snn.chip, snn.timing, Path(folder) / "net.h5", overwrite=True)
            found[f"{name}.h5"] = (Path(folder) / "net.h5").read_bytes()
    return found


def read_exported(path: Path) -> None:
    """Read an exported network."""
    importlib.import_module("snn_loihi.netx").read(path)


def options() -> dict[str, bytes]:
    """Return settings with the options of every simulator that is here."""
    text = b"[simulation]\nduration = 20\n"
    for name, kind in _option_types().items():
        values = {key: value for key, value in kind().model_dump().items() if value is not None}
        lines = [f"{key} = {_spell(value)}\n" for key, value in values.items()]
        text += f"[{name}]\n{''.join(lines)}".encode()
    return {"a.toml": text}


def _spell(value: object) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, Mapping):
        known = {key: item for key, item in value.items() if item is not None}
        return f"{{{', '.join(f'{key} = {_spell(item)}' for key, item in known.items())}}}"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _option_types() -> dict[str, type]:
    kinds = {"reference": "snn_core.simulation.reference:ReferenceSNN"}
    kinds |= {
        name: f"{package}:SNN" for name, package in (("loihi", LOIHI), ("megasim", MEGASIM))
        if find_spec(package)
    }  # fmt: skip
    found = {}
    for name, place in kinds.items():
        module, _, kind = place.partition(":")
        found[name] = getattr(importlib.import_module(module), kind).options_type
    return found


def read_options(path: Path) -> None:
    """Read settings, and build a simulator with each of their options."""
    from snn_core.errors import SettingsError
    from snn_core.settings import Settings

    kinds = _option_types()
    found = Settings.load(path, simulators=tuple(kinds))
    json.dumps(found.to_tree())
    for name, kind in kinds.items():
        with suppress(SettingsError):
            kind(**found.options.get(name, {}))


REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
    b"GET /run/run HTTP/1.1\r\nHost: localhost:1\r\nAccept: */*\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 3\r\n\r\nabc",
)


SERVER: list[Any] = []
"""The server of reports, once it is made, and the folder of its run."""


def requests() -> dict[str, bytes]:
    """Return requests to the server of reports, and start it for a folder with one run."""
    results()
    folder = tempfile.TemporaryDirectory()
    for name, content in RESULT.items():
        target = Path(folder.name) / "run" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    serve = importlib.import_module("snn_plot.serve")
    server = serve.RunsServer(folder.name)
    SERVER[:] = [server, folder]
    server.report("run", Path(folder.name) / "run")  # which it then keeps
    return {f"{number}.http": content for number, content in enumerate(REQUESTS)}


class _Wire:
    """What a handler takes for a connection."""

    def __init__(self, received: bytes) -> None:
        self._received, self.sent = received, b""

    def makefile(self, *_arguments: object) -> io.BytesIO:
        """Return a file of what was received."""
        return io.BytesIO(self._received)

    def settimeout(self, seconds: float) -> None:
        """Take a limit, which what is there already does not reach."""

    def sendall(self, content: bytes) -> None:
        """Keep what is sent."""
        self.sent += content


def answer(path: Path) -> None:
    """Have the server answer a request, whatever it is."""
    wire = _Wire(path.read_bytes())
    SERVER[0].RequestHandlerClass(wire, ("127.0.0.1", 1), SERVER[0])
    if b"page cannot be made" in wire.sent:
        raise AssertionError(wire.sent[-1000:])


def _existing(readers: Mapping[str, tuple[str, Reader]]) -> dict[str, Reader]:
    return {name: reader for name, (package, reader) in readers.items() if find_spec(package)}


READERS: Mapping[str, Reader] = {
    **CORE,
    "options": Reader(options, read_options),
    **_existing({
        "probes": (PLOT, Reader(probes, read_probe)),
        "reports": (PLOT, Reader(results, draw_result)),
        "requests": (PLOT, Reader(requests, answer)),
        "netlists": (MEGASIM, Reader(netlist, read_netlist)),
        "exported": (LOIHI, Reader(exported, read_exported)),
    }),
}  # fmt: skip
"""Name of each family to how it is read."""
