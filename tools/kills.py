"""Kill commands at random moments: `python tools/kills.py --kills 100`, where snn-core is.

Each `snn run` and `snn convert` is killed by SIGKILL after a random part of the time that it takes,
and goes on with `--resume`, where it may be killed again. In the end there have to be the same
bits as without kills. The exit status is 1 if there are others.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from snn_core import artifact
from snn_core.conversion import convert, preset
from snn_core.running.result import RunResult
from snn_core.testing.builder import NetworkBuilder

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

COMPARED = ("decision_b_t", "spikes_b_n", "synaptic_operations_b_t", "output_b_o")


def main() -> int:
    """Kill commands and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)  # noqa: S311 - moments, no secrets
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        prepare(work)
        counts = {"kills": 0, "after the end": 0, "runs": 0, "conversions": 0, "different": 0}
        whole = {}
        for kind in ("runs", "conversions"):
            start = time.monotonic()
            finish(kind, work, work / f"whole-{kind}")
            whole[kind] = time.monotonic() - start, bits(kind, work / f"whole-{kind}")
        while counts["kills"] < arguments.kills:
            kind = chance.choice(["runs", "runs", "conversions"])
            length_s, expected = whole[kind]
            folder = work / str(counts["kills"])
            for _ in range(chance.randint(1, 2)):
                is_late = kill_within(
                    chance.uniform(0, 1.1) * length_s, command(kind, folder), work
                )
                counts["kills"] += 1
                counts["after the end"] += is_late
            finish(kind, work, folder)
            counts[kind] += 1
            counts["different"] += bits(kind, folder) != expected
    sys.stdout.write(f"{json.dumps(counts)}\n")
    return int(counts["different"] > 0)


def prepare(work: Path) -> None:
    """Write data, a network and a model."""
    rng = np.random.default_rng(0)
    x, y = rng.random((400, 6)).astype(np.float32), rng.integers(0, 3, 400)
    np.savez(work / "data.npz", x=x, y=y)
    builder = NetworkBuilder((6,)).dense(rng.normal(0.1, 0.5, (6, 8)))
    network = convert(builder.dense(rng.normal(0, 0.5, (8, 3))).build(), x, settings=preset("seed"))
    artifact.save(network, work / "net.snn")
    model = Path(__file__).parents[1] / "packages/snn-core/tests/files/torch-2.14.pt2"
    (work / "model.pt2").write_bytes(model.read_bytes())
    np.savez(work / "images.npz", x=rng.random((50, 6, 6, 2), np.float32), y=np.arange(50) % 4)


def command(kind: str, folder: Path) -> list[str]:
    """Return a command that starts or goes on."""
    if kind == "runs":
        head = ["run", "net.snn", "--simulator", "reference", "--data", "data.npz", "-o", folder]
        more = ["--batch-size", 10, "--timesteps", 60]
    else:
        folder.mkdir(exist_ok=True)
        head = ["convert", "model.pt2", "--data", "images.npz", "-o", folder / "net.snn"]
        more = ["--test", "images.npz", "--results", folder / "results", "--batch-size", 5]
        more += ["--check", "off", "--no-trial"]
    return [sys.executable, "-m", "snn_core", *map(str, head + more), "--resume"]


def kill_within(seconds: float, arguments: list[str], work: Path) -> bool:
    """Kill a command after some time; return whether it had ended before."""
    with subprocess.Popen(arguments, cwd=work, **QUIET) as process:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    return True


def finish(kind: str, work: Path, folder: Path) -> None:
    """Let a command come to its end."""
    subprocess.run(command(kind, folder), check=True, cwd=work, **QUIET)


def bits(kind: str, folder: Path) -> tuple[bytes, ...]:
    """Return what has to be the same each time."""
    found = RunResult.load(folder if kind == "runs" else folder / "results")
    left = [path for path in folder.rglob(".*") if path.is_file()]
    parts = [np.asarray(getattr(found, name)).tobytes() for name in COMPARED]
    return (*parts, b"" if kind == "runs" else (folder / "net.snn").read_bytes(), bytes(len(left)))


if __name__ == "__main__":
    sys.exit(main())
