"""What the figures of a run are drawn from: the run, its units, its network, and what is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snn_core.artifact import fingerprint
from snn_core.errors import DataError
from snn_core.ir import Network
from snn_core.running.result import RunResult
from snn_core.typing import Array
from snn_plot.names import fit, letters
from snn_plot.recorded import LayerView, RunView
from snn_plot.units import STEPS, Units

PROBES = "probes"
"""Folder inside a result folder with tables of what the hardware measured."""

CLASSES = ("classification", "binary")
"""Tasks whose decisions are classes."""

ROOM = 68
"""Letters of a figure's uppermost line."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Source of all figures of a run: the run, the units, and the network if given.

    Parameters
    ----------
    network
        The network that was run; any other one is refused.
    network_name
        What to call it in an error.

    Raises
    ------
    DataError
        If the network is not that of the run.
    """

    run: RunView
    units: Units = STEPS
    network: Network | None = None
    network_name: str = ""

    def __post_init__(self) -> None:
        """Make sure that run and network belong together."""
        known = self.run.result.metadata["identity"].get("network_sha256", "")
        if self.network is None or not known:
            return
        found = fingerprint(self.network)
        if found != known:
            ran = self.run.result.metadata.get("model", {}).get("name") or "another network"
            given = self.network_name or self.network.origin or "another one"
            raise DataError(
                f"Found {given} as the network (SHA-256 {found[:8]}...); {self.run.name} is a run "
                f"of {ran} ({known[:8]}...). Give the network that was run."
            )

    @property
    def levels(self) -> Array | None:
        """Numbers that a spike train can stand for, in the unit shown; ``None`` if not known."""
        levels = self.run.levels
        return None if levels is None else self.units.rates(levels)

    @property
    def class_names(self) -> list[str] | None:
        """Names of all classes, or their numbers; ``None`` if outputs are no classes."""
        result = self.run.result
        if result.task != "classification":
            return None
        return [result.class_name(i) for i in range(self.run.layers[-1].neurons)]

    def subject(self, *, of_sample: bool) -> str:
        """Return what a figure is of: the run, and the sample with its classes."""
        said = f" · {describe_sample(self.run)}" if of_sample else ""
        return fit(self.run.name, ROOM - letters(said)) + said

    def classes_of(self, layer: LayerView) -> list[str] | None:
        """Return the names of a layer's neurons: of classes, if it is the output."""
        return self.class_names if layer.is_output else None


def describe_sample(run: RunView) -> str:
    """Return which sample is looked at closely, its class and what it was taken for."""
    result, index = run.result, run.sample
    said = [f"sample {result.sample_ids_b[index]}"]
    if result.task in CLASSES:
        if result.has_labels:
            said.append(f"class {fit(result.class_name(int(result.labels_b[index])), 16)}")
        predicted = result.class_name(int(result.decision_b[index]))
        said.append(f"predicted {fit(predicted, 16)}")
    return ", ".join(said)


def of_layers(run: RunView, attribute: str, *, hidden: bool = False) -> dict[str, Array]:
    """Return something that was recorded of layers, by label; of hidden ones alone if asked."""
    layers = [layer for layer in run.layers if not (hidden and layer.is_output)]
    values = {layer.name: getattr(layer, attribute) for layer in layers}
    return {name: np.asarray(array) for name, array in values.items() if array is not None}


def is_of_classes(result: RunResult) -> bool:
    """Return whether a run decided classes that are known."""
    return result.task in CLASSES and result.has_labels


def probe_files(run: RunView) -> list[Path]:
    """Return the probe files of a run."""
    if run.path is None:
        return []
    folder = run.path / PROBES
    return sorted(path for path in folder.glob("*.*") if path.suffix in (".csv", ".npz"))
