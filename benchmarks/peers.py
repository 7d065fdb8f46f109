"""INIsim's event engine against SpikingJelly, sinabs and snnTorch on the processor.

    python benchmarks/peers.py --peer spikingjelly=PYTHON --peer sinabs=PYTHON
                               --peer snntorch=PYTHON [--nets mlp,lenet,vgg] [--batches 1,32]
                               [--rates 0.08] [--json FILE]

``PYTHON`` is the interpreter of an environment with the framework and PyTorch: sinabs and
SpikingJelly want different versions of a package that neither needs here. All simulate the same
network with the same weights in one thread, one after the other. Times are those of the processor,
medians of the repetitions. INIsim's include counting spikes and operations of every layer; peers
return the spikes of the output. Weights are dyadic: a neuron that does the same spikes the same, so
numbers of output spikes are compared and must be equal for SpikingJelly and sinabs; neurons of
snnTorch fire above the threshold only. Calls with the same FILE add their cells to those that are
there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import parts
from engine_networks import NETWORKS, make, samples
from engines import repetitions, seconds

from snn_core.evaluation.operators import image_paddings
from snn_core.ir import AveragePooling2D, Conv2D, Layer, Network, Weighted
from snn_core.settings import Settings
from snn_inisim import SNN, INIsimOptions

CHILD = Path(__file__).with_name("peer_frameworks.py")
STRICT = ("snntorch",)
"""Frameworks whose neurons fire above the threshold only."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", required=True, metavar="NAME=PYTHON")
    parser.add_argument("--nets", default="mlp,lenet,vgg", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--rates", default="0.08", help="mean spikes per neuron and step")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file that figures are added to")
    arguments = parser.parse_args()
    parts.check(arguments.json)
    peers = dict(peer.split("=", 1) for peer in arguments.peer)
    print(f"{platform.processor() or platform.machine()}, {arguments.steps} steps, one thread")
    print("network     rate  batch | us per sample and step: event, then peers (ratio to event)")
    for name in arguments.nets.split(","):
        for rate in map(float, arguments.rates.split(",")):
            parts.merge(arguments.json, measure(name, rate, peers, arguments))


def measure(
    name: str, rate: float, peers: dict[str, str], arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return a row for each batch size of a network."""
    network = make(name, rate=rate)
    batches = [int(batch) for batch in arguments.batches.split(",")]
    x_b_l = samples(network, max(batches))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.npz"
        export(network, x_b_l, path, steps=arguments.steps)
        for peer, python in peers.items():
            command = [python, CHILD, path, peer, arguments.batches, str(arguments.repeats)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            found[peer] = json.loads(done.stdout.splitlines()[-1])
    return [
        {
            "asked_rate": rate,
            **row(name, network, x_b_l[:batch], found, arguments.steps, arguments.repeats),
        }
        for batch in batches
    ]


def row(
    name: str, network: Network, x_b_l: np.ndarray, found: dict[str, Any], steps: int, repeats: int
) -> dict[str, Any]:
    """Measure the event engine on one batch, compare spikes, and print the row."""
    batch = len(x_b_l)
    settings = Settings.of({"simulation": {"duration": float(steps), "batch_size": batch}})
    snn = SNN(network, settings, INIsimOptions(engine="event", threads=1))
    counts = dict(snn.run_batch(x_b_l).spikecounts_n_b_l)
    often = repetitions(lambda: snn.run_batch(x_b_l))
    times = sorted(seconds(lambda: snn.run_batch(x_b_l), often) for _ in range(repeats))
    made = {"event": times[repeats // 2]}
    for peer, each in found.items():
        result = each["batches"][str(batch)]
        made[peer] = result["seconds"]
        if peer not in STRICT and (counts[network.output.name] != result["counts"]).any():
            sys.exit(f"{name}: the spikes of {peer} differ")
    rate = float(np.mean([c.mean() for c in counts.values()]) / steps)
    unit = 1e6 / (batch * steps)
    cells = [f"event {made['event'] * unit:.1f}"]
    cells += [
        f"{n} {made[n] * unit:.1f} ({made[n] / made['event']:.1f})" for n in made if n != "event"
    ]
    print(f"{name:10} {rate:5.1%} {batch:6} | {'  '.join(cells)}", flush=True)
    versions = {peer: [each["version"], each["torch"]] for peer, each in found.items()}
    return {
        "network": name,
        "batch": batch,
        "rate": rate,
        "steps": steps,
        "seconds": made,
        "versions": versions,
    }


def export(network: Network, x_b_l: np.ndarray, path: Path, *, steps: int) -> None:
    """Write a network as PyTorch's layers take it: channels first."""
    names = {network.input.name: "input"}
    arrays: dict[str, np.ndarray] = {"samples": _channels_first(x_b_l)}
    layers = []
    for layer in network.layers[1:]:
        names[layer.name] = name = layer.name
        layers.append(
            {
                "name": name,
                "kind": layer.kind,
                "inputs": [names[source] for source in layer.inputs],
                "fires": network.has_neurons(layer),
                **_geometry(network, layer),
            }
        )
        if isinstance(layer, Weighted):
            axes = (3, 2, 0, 1) if isinstance(layer, Conv2D) else (1, 0)
            arrays[f"{name}/weight"] = np.ascontiguousarray(layer.weight.transpose(axes))
            arrays[f"{name}/bias"] = layer.bias_o
    spec = json.dumps({"steps": steps, "layers": layers})
    np.savez(path, spec=spec, **{n: np.asarray(a, np.float32) for n, a in arrays.items()})


def _geometry(network: Network, layer: Layer) -> dict[str, Any]:
    if isinstance(layer, Conv2D):
        sizes = network.input_shapes(layer.name)[0][:2]
        paddings = image_paddings(layer, layer.weight.shape[:2], layer.dilation, sizes)
        (top, bottom), (left, right) = paddings
        return {"padding": [left, right, top, bottom], "strides": list(layer.strides)}
    return {"pool_size": list(layer.pool_size)} if isinstance(layer, AveragePooling2D) else {}


def _channels_first(x_b_l: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x_b_l, -1, 1)) if x_b_l.ndim == 4 else x_b_l


if __name__ == "__main__":
    main()
