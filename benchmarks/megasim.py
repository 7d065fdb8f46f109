"""MegaSim's engine: synaptic events per second, how time grows, start-up, decisions.

    python benchmarks/megasim.py [--steps 32] [--images 100] [--repeats 3] [--json megasim.json]

The network of examples/mnist receives Poisson spikes of the same seed on snn-megasim, under both
schedules, and on INIsim; the reference simulator takes INIsim's place where it is not installed.
Growth is the slope of a straight line through the logarithms of time and size: 1 means that twice
as many take twice as long. Times are processor times of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from snn_core.conversion import convert
from snn_core.data import load_dataset
from snn_core.settings import Settings
from snn_core.simulation.contract import AbstractSNN
from snn_core.simulation.reference import ReferenceSNN
from snn_megasim import SNN, MegaSimOptions
from snn_megasim.engine.engine import Engine
from snn_megasim.files import (
    EventList,
    FullyConnected,
    Instance,
    Matrix,
    Netlist,
    Neurons,
    Output,
    Schematic,
    Source,
    State,
    write_netlist,
)

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"


def decisions(snn: AbstractSNN, x_b_l: np.ndarray) -> np.ndarray:
    output_b_l_t = snn.run_batch(x_b_l).output_b_l_t
    is_read = snn.network.readout == "membrane"
    scores = output_b_l_t[..., -1] if is_read else output_b_l_t.sum(axis=-1)
    return scores.argmax(axis=-1)


def demo(steps: int, images: int, repeats: int) -> dict[str, object]:
    """Measure the demo under both schedules."""
    data, calibration = (load_dataset(MNIST / "data" / f"{n}.npz") for n in ("test", "calibration"))
    x_b_l, labels_b = np.asarray(data.x_b_l)[:images], np.asarray(data.labels_b)[:images]
    network = convert(MNIST / "model.keras", data=np.asarray(calibration.x_b_l))
    settings = Settings.of(
        {
            "simulation": {"duration": float(steps), "batch_size": images},
            "input": {"encoding": "poisson"},
        }
    )
    other, name = ReferenceSNN, "the reference"
    if find_spec("snn_inisim") and find_spec("tensorflow"):
        from snn_inisim import SNN as INISIM

        other, name = INISIM, "INIsim"
    expected = decisions(other(network, settings), x_b_l)
    rows: dict[str, object] = {
        "compared with": name,
        "accuracy there": accuracy(expected, labels_b),
    }
    for schedule in ("clocked", "asynchronous"):
        snn = SNN(network, settings, MegaSimOptions(schedule=schedule))
        snn.build()
        decisions(snn, x_b_l[:1])  # compiles
        best = np.inf
        for _ in range(repeats):
            start = time.process_time()
            found = decisions(snn, x_b_l)
            best = min(best, time.process_time() - start)
        number = snn._engine.synaptic_events
        rows[schedule] = {
            "seconds per image": best / images,
            "synaptic events per image": number / images,
            "million synaptic events per second": number / best / 1e6,
            "same decision": int((found == expected).sum()),
            "accuracy": accuracy(found, labels_b),
        }
        table = rows[schedule]
        print(f"demo, {schedule}: " + ", ".join(f"{k} {v:.4g}" for k, v in table.items()))
    print(f"  of {images} images; {name}: accuracy {rows['accuracy there']:.4g}")
    return rows


def accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    return float((found == labels).mean())


def random_netlist(neurons: int, fan_out: int, events: int) -> Netlist:
    """Return a row of neurons with as many synapses for each input, at random places."""
    rng = np.random.default_rng(0)
    inputs = 64
    weights = np.zeros((inputs, neurons), np.int64)
    for row in weights:
        row[rng.choice(neurons, fan_out, replace=False)] = rng.integers(1, 100, fan_out)
    module = FullyConnected(
        population_size=neurons,
        neurons=Neurons(THplus=2000, Reset_to_reminder=1),
        ports=(Matrix(Nx_array_pre=inputs, weights_io=weights),),
        output=Output(crop_xmin=0, crop_xmax=neurons, crop_ymin=0, crop_ymax=0),
    )
    stimulus = EventList(
        time_e=np.arange(events),
        x_e=rng.integers(0, inputs, events),
        y_e=np.zeros(events, np.int64),
        sign_e=np.ones(events, np.int64),
    )
    instance = Instance(
        module="module_fully_connected",
        inputs=("in",),
        output="out",
        parameters="out.prm",
        state="out.stt",
    )
    return Netlist(
        schematic=Schematic(sources=(Source(node="in", file="in.stim"),), instances=(instance,)),
        modules={"out.prm": module},
        states={"out.stt": State()},
        stimuli={"in.stim": stimulus},
    )


def seconds(netlist: Netlist, repeats: int) -> float:
    engine, best = Engine(netlist), np.inf
    for _ in range(repeats + 1):
        engine.start()
        start = time.process_time()
        engine.run()
        best = min(best, time.process_time() - start)
    return best


GROWTH = {
    "events": [(2000, 500, n) for n in (2_000, 4_000, 8_000, 16_000, 32_000)],
    "fan-out": [(8000, n, 5_000) for n in (250, 500, 1_000, 2_000, 4_000)],
    "neurons": [(n, 500, 8_000) for n in (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)],
}
"""What grows, to neurons, fan-out and events."""


def growth(repeats: int) -> dict[str, object]:
    rows: dict[str, object] = {}
    for place, (what, sizes) in zip((2, 1, 0), GROWTH.items(), strict=True):
        times = [seconds(random_netlist(*size), repeats) for size in sizes]
        numbers = [size[place] for size in sizes]
        slope = float(np.polyfit(np.log(numbers), np.log(times), 1)[0])
        rows[what] = {"sizes": numbers, "seconds": times, "slope": slope}
        shown = ", ".join(f"{n}: {1e3 * t:.2f} ms" for n, t in zip(numbers, times, strict=True))
        print(f"{what}: slope {slope:.2f} ({shown})")
    return rows


def start_up(repeats: int) -> float:
    """Return the processor seconds that `snn megasim run` takes for a network of nothing."""
    best = np.inf
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_netlist(random_netlist(4, 2, 10), folder)
        command = [sys.executable, "-m", "snn_core", "megasim", "run", str(folder), "--force"]
        for _ in range(repeats + 1):
            start = of_children()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            best = min(best, of_children() - start)
    print(f"start-up with a warm cache: {best:.2f} s for `snn megasim run` of 4 neurons")
    return best


def of_children() -> float:
    """Return the processor time of all child processes that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("megasim.json"))
    arguments = parser.parse_args()
    found = {
        "growth": growth(arguments.repeats),
        "start-up in s": start_up(arguments.repeats),
        "demo": demo(arguments.steps, arguments.images, arguments.repeats),
    }
    arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
