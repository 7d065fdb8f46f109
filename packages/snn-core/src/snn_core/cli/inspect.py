"""``snn inspect``: the layers of a model or an artifact, and what was done to it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from snn_core.artifact import Artifact, load_artifact
from snn_core.cli import common
from snn_core.errors import ArtifactError
from snn_core.ir import Layer, Network, Spiking
from snn_core.ir.connectivity import fanout
from snn_core.ir.shapes import count
from snn_core.operations import ann_operations, connectivity_statistics, format_operations
from snn_core.parsing import parse


@click.command()
@click.argument("file", type=common.PATH)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(*, file: Path, as_json: bool) -> None:
    """Show FILE, a converted network or a model that can be converted."""
    if not file.exists():
        raise ArtifactError(f"There is no file {file}; expected a .snn file or a model.")
    stored = load_artifact(file) if file.suffix == ".snn" else Artifact(network=parse(file))
    description = describe(stored)
    if as_json:
        click.echo(json.dumps(description))
    else:
        _show(description)


def describe(stored: Artifact) -> dict[str, Any]:
    """Return everything worth knowing about an artifact as plain values."""
    network = stored.network
    counted = connectivity_statistics(network)
    return {
        "input_shape": list(network.input.output_shape),
        "readout": network.readout,
        "layers": [_layer(network, layer) for layer in network.layers[1:]],
        "neurons": sum(counted.num_neurons[1:]),
        "synapses": counted.num_synapses,
        "ann_operations": ann_operations(network),
        "fanin": dict(zip(counted.names, counted.fanin, strict=True)),
        "history": list(network.history),
        "provenance": dict(stored.provenance),
        "settings": stored.settings.to_tree(),
    }


def _layer(network: Network, layer: Layer) -> dict[str, Any]:
    leaving = fanout(layer, network.input_shapes(layer.name))
    fires = network.has_neurons(layer)
    entry: dict[str, Any] = {
        "name": layer.name,
        "kind": layer.kind,
        "inputs": list(layer.inputs),
        "output_shape": list(layer.output_shape),
        "parameters": sum(array.size for name, array in layer.arrays.items() if _learned(name)),
        "neurons": count(layer.output_shape) if fires else 0,
        "connections": sum(int(part.sum()) for part in leaving),
    }
    if isinstance(layer, Spiking):
        entry["activation"] = type(layer.activation).__name__
        entry["threshold"] = _span(layer.threshold)
        entry["v_init"] = _span(layer.v_init)
        if layer.name in network.scale_facs:
            entry["scale"] = _span(network.scale_facs[layer.name])
    return entry


def _learned(name: str) -> bool:
    """Return whether an array holds what training found, rather than what conversion chose."""
    return name not in ("threshold", "v_init", "weight_c", "weight_nc")


def _span(values: Any) -> list[float]:
    """Return the smallest and largest value."""
    return [float(values.min()), float(values.max())]


def _show(description: dict[str, Any]) -> None:
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("layer", "function", "weights", "neurons", "synapses", "scale"):
        is_text = column in ("layer", "function")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=is_text)
    for layer in description["layers"]:
        scale = layer.get("scale")
        table.add_row(
            layer["name"],
            layer.get("activation", ""),
            _number(layer["parameters"]),
            _number(layer["neurons"]),
            _number(layer["connections"]),
            "" if scale is None else _interval(scale),
        )
    console.print(table)
    console.print(
        f"input {'×'.join(map(str, description['input_shape']))}, "
        f"{_number(description['neurons'])} neurons, "
        f"{_number(description['synapses'])} synapses between them, "
        f"{format_operations(float(description['ann_operations']))} in the analog network, "
        f"read-out: {description['readout']}"
    )
    provenance = [f"{name}: {value}" for name, value in description["provenance"].items()]
    for title, lines in (("provenance", provenance), ("history", description["history"])):
        # Lines may be long and may hold brackets: no markup, no wrapping.
        for line in [f"\n{title}", *(f"  {line}" for line in lines)] if lines else []:
            console.print(line, markup=False, soft_wrap=True)


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ") if value else ""


def _interval(span: list[float]) -> str:
    low, high = span
    return f"{low:.3g}" if math.isclose(low, high) else f"{low:.2g}–{high:.2g}"
