"""A network of the benchmarks on SpikingJelly, sinabs or snnTorch, with the same weights.

    python peer_frameworks.py NETWORK.npz FRAMEWORK BATCH,... REPEATS

`benchmarks/peers.py` writes the file and calls this in an environment of the framework, which needs
nothing of this repository. Layers are PyTorch's own; neurons those of the framework, which
integrate and fire with reset by subtraction. SpikingJelly and sinabs go through all steps of a
layer at once, as their users are told to; snnTorch goes step by step. One thread, no gradients.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib import metadata

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class SpikingJelly:
    """Neurons of SpikingJelly: input ``(T, B, ...)``."""

    package, folds = "spikingjelly", True

    def neurons(self, batch: int) -> nn.Module:
        """Return neurons of a layer."""
        from spikingjelly.activation_based import neuron

        return neuron.IFNode(v_threshold=1.0, v_reset=None, step_mode="m")

    def fire(self, neurons: nn.Module, drive: torch.Tensor, steps: int) -> torch.Tensor:
        """Return the spikes of all steps, time first."""
        neurons.reset()
        return neurons(drive.unflatten(0, (steps, -1))).flatten(0, 1)


class Sinabs:
    """Neurons of sinabs: input ``(B T, ...)``."""

    package, folds = "sinabs", True

    def neurons(self, batch: int) -> nn.Module:
        """Return neurons of a layer."""
        import sinabs.activation
        import sinabs.layers

        return sinabs.layers.IAFSqueeze(
            batch_size=batch,
            spike_threshold=torch.tensor(1.0),
            spike_fn=sinabs.activation.SingleSpike,
            min_v_mem=None,
        )

    def fire(self, neurons: nn.Module, drive: torch.Tensor, steps: int) -> torch.Tensor:
        """Return the spikes of all steps, time first."""
        neurons.reset_states()
        samples_first = drive.unflatten(0, (steps, -1)).transpose(0, 1).flatten(0, 1)
        spikes = neurons(samples_first).unflatten(0, (-1, steps))
        return spikes.transpose(0, 1).flatten(0, 1)


class SnnTorch:
    """Neurons of snnTorch: one step after the other."""

    package, folds = "snntorch", False

    def neurons(self, batch: int) -> nn.Module:
        """Return neurons of a layer; they fire above the threshold, not at it."""
        import snntorch

        return snntorch.Leaky(beta=1.0, reset_mechanism="subtract", reset_delay=False)

    def start(self, neurons: nn.Module) -> torch.Tensor:
        """Return the state before the first step."""
        return neurons.reset_mem()


FRAMEWORKS = {kind.package: kind for kind in (SpikingJelly, Sinabs, SnnTorch)}


class Peer:
    """A network on a framework.

    Parameters
    ----------
    arrays, layers
        Weights by name, and the layers in topological order, as `benchmarks/peers.py` writes them.
    framework
        Makes the neurons.
    batch, steps
        Number of samples and of steps.
    """

    def __init__(self, arrays: dict, layers: list, framework: object, *, batch: int, steps: int):
        self.layers, self.framework = layers, framework
        self.arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self.neurons = {e["name"]: framework.neurons(batch) for e in layers if e["fires"]}
        self.steps = steps

    @torch.no_grad()
    def run(self, x: torch.Tensor) -> torch.Tensor:
        """Return the number of spikes of each output."""
        if self.framework.folds:
            values = {"input": x.repeat(self.steps, *[1] * (x.ndim - 1))}
            for entry in self.layers:
                drive = self.drive(entry, values)
                values[entry["name"]] = (
                    self.framework.fire(self.neurons[entry["name"]], drive, self.steps)
                    if entry["fires"]
                    else drive
                )
            return values[self.layers[-1]["name"]].unflatten(0, (self.steps, -1)).sum(0)
        state = {name: self.framework.start(each) for name, each in self.neurons.items()}
        counts = 0
        for _ in range(self.steps):
            values = {"input": x}
            for entry in self.layers:
                name, drive = entry["name"], self.drive(entry, values)
                if entry["fires"]:
                    drive, state[name] = self.neurons[name](drive, state[name])
                values[name] = drive
            counts = counts + values[self.layers[-1]["name"]]
        return counts

    def drive(self, entry: dict, values: dict) -> torch.Tensor:
        """Return what a layer adds up."""
        inputs = [values[name] for name in entry["inputs"]]
        x, kind = inputs[0], entry["kind"]
        if kind == "Conv2D":
            weight, bias = (self.arrays[f"{entry['name']}/{key}"] for key in ("weight", "bias"))
            padded = functional.pad(x, entry["padding"])
            return functional.conv2d(padded, weight, bias, stride=entry["strides"])
        if kind == "Dense":
            weight, bias = (self.arrays[f"{entry['name']}/{key}"] for key in ("weight", "bias"))
            return functional.linear(x, weight, bias)
        if kind == "AveragePooling2D":
            return functional.avg_pool2d(x, entry["pool_size"])
        if kind == "Add":
            return inputs[0] + inputs[1]
        return x.permute(0, 2, 3, 1).flatten(1)  # channels last, as the weights expect it


def main() -> None:
    """Print, as JSON, the processor time of a run and the spikes of the output for each batch."""
    path, name, batches, repeats = sys.argv[1:]
    torch.set_num_threads(1)
    arrays = dict(np.load(path))
    spec = json.loads(str(arrays.pop("spec")))
    samples, steps = torch.from_numpy(arrays.pop("samples")), spec["steps"]
    found = {"version": metadata.version(name), "torch": torch.__version__, "batches": {}}
    for batch in map(int, batches.split(",")):
        peer = Peer(arrays, spec["layers"], FRAMEWORKS[name](), batch=batch, steps=steps)
        x = samples[:batch]
        counts = peer.run(x)
        times = []
        for _ in range(int(repeats)):
            calls, start = 0, time.process_time()
            while calls == 0 or time.process_time() - start < 0.1:
                peer.run(x)
                calls += 1
            times.append((time.process_time() - start) / calls)
        found["batches"][batch] = {
            "seconds": statistics.median(times),
            "counts": counts.to(torch.int64).tolist(),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
