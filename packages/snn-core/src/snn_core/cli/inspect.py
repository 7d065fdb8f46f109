"""``snn inspect``: the layers of a model or an artifact, and what was done to it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from snn_core.artifact import Artifact, load_artifact
from snn_core.cli import common, flags
from snn_core.consoles import wide_console
from snn_core.data.preparation import describe_entry
from snn_core.errors import ArtifactError
from snn_core.ir import Layer, Network, Spiking
from snn_core.ir.connectivity import fanout
from snn_core.ir.shapes import count
from snn_core.operations import (
    ann_operations,
    connectivity_statistics,
    format_operations,
)
from snn_core.parsing import parse
from snn_core.reading import limit_memory
from snn_core.simulation import registry, targets
from snn_core.typing import Array

COLUMNS = (
    "layer",
    "shape",
    "function",
    "parameters",
    "neurons",
    "synapses",
    "fan-in",
    "fan-out",
    "scale",
)


@click.command()
@flags.source_argument
@flags.model_options
@click.option(
    "--target",
    metavar="CHIP",
    help="Show what a converted network takes on a chip, such as loihi1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def inspect(
    *,
    source: str,
    input_shape: tuple[int, ...] | None,
    weights: Path | None,
    target: str | None,
    as_json: bool,
) -> None:
    """Show SOURCE, a converted network or a model that can be converted.

    A model is a file, or the name of one that Python code defines, as package.module:attribute.
    """
    model = flags.model_source(source, weights)
    if isinstance(model, str) and not Path(model).exists():
        raise ArtifactError(f"There is no file {model}; expected a .snn file or a model.")
    if isinstance(model, str) and Path(model).suffix == ".snn":
        stored = load_artifact(model)
    elif target is not None:
        raise ArtifactError(
            f"{source} is no converted network; convert it to a .snn file first (snn convert)."
        )
    else:
        stored = Artifact(network=parse(model, input_shape=input_shape))
    if target is not None:
        network = registry.without_free_texts(stored.network)
        report = targets.get(target)(network, network.settings_for())
        if as_json:
            click.echo(json.dumps(report.data))
        else:
            _show_target(report)
        return
    with limit_memory(source, error=ArtifactError):
        description = describe(stored)
    if as_json:
        click.echo(json.dumps(description))
    else:
        _show(description)
        _show_input(stored.network)


def describe(stored: Artifact) -> dict[str, Any]:
    """Describe an artifact in plain values, as ``--json`` prints it."""
    network = stored.network
    counted = connectivity_statistics(network, limited=True)
    fanin, fanout_of = dict(zip(counted.names, counted.fanin, strict=True)), counted.fanout_of
    return {
        "input_shape": list(network.input.output_shape),
        "input": asdict(network.input_data),
        "readout": network.readout,
        "layers": [_layer(network, layer, fanin, fanout_of) for layer in network.layers[1:]],
        "neurons": sum(counted.num_neurons[1:]),
        "synapses": counted.num_synapses,
        "ann_operations": ann_operations(network),
        "fanin": fanin,
        "history": list(network.history),
        "provenance": dict(stored.provenance),
        "settings": network.settings_for().to_tree(),
    }


def _layer(
    network: Network, layer: Layer, fanin: Mapping[str, int], fanout_of: Mapping[str, Array]
) -> dict[str, Any]:
    leaving = fanout(layer, network.input_shapes(layer.name))
    fires = network.has_neurons(layer)
    entry: dict[str, Any] = {
        "name": layer.name,
        "kind": layer.kind,
        "inputs": list(layer.inputs),
        "output_shape": list(layer.output_shape),
        "parameters": layer.num_parameters,
        "neurons": count(layer.output_shape) if fires else 0,
        "connections": sum(int(part.sum()) for part in leaving),
    }
    if fires:
        entry["fanin"] = fanin[layer.name]
        entry["fanout"] = _span(fanout_of[layer.name])
    if isinstance(layer, Spiking):
        entry["activation"] = type(layer.activation).__name__
        entry["threshold"] = _span(layer.threshold)
        entry["v_init"] = _span(layer.v_init)
        if layer.name in network.scale_facs:
            entry["scale"] = _span(network.scale_facs[layer.name])
    return entry


def _span(values: Any) -> list[Any]:
    """Return the smallest and largest value."""
    return [values.min().item(), values.max().item()]


def _show_target(report: targets.TargetReport) -> None:
    console = wide_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(report.columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in report.rows:
        table.add_row(*row)
    console.print(table)
    for line in report.lines:
        console.print(line, markup=False, soft_wrap=True)


def _show(description: dict[str, Any]) -> None:
    console = wide_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in COLUMNS:
        is_text = column in ("layer", "shape", "function")
        table.add_column(column, justify="left" if is_text else "right", no_wrap=True)
    for layer in description["layers"]:
        scale = layer.get("scale")
        table.add_row(
            layer["name"],
            "×".join(map(str, layer["output_shape"])),
            layer.get("activation", ""),
            _number(layer["parameters"]),
            _number(layer["neurons"]),
            _number(layer["connections"]),
            _number(layer.get("fanin", 0)),
            _interval(layer["fanout"]) if "fanout" in layer else "",
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


def _show_input(network: Network) -> None:
    """Print how samples enter, what calibration saw, and which classes there are."""
    data = network.input_data
    entry = describe_entry(data, network.settings_for().input)
    seen = f"calibrated on values of {data.calibrated_range}" if data.calibrated_range else ""
    click.echo(f"\ninput\n  {', '.join(filter(None, (entry, seen)))}")
    if data.classes:
        click.echo(f"  {common.class_line(data.classes)}")


def _number(value: int) -> str:
    return f"{value:,}".replace(",", " ") if value else ""


def _interval(span: list[Any]) -> str:
    low, high = span
    if isinstance(low, int):
        return str(low) if low == high else f"{low}–{high}"
    return f"{low:.3g}" if math.isclose(low, high) else f"{low:.2g}–{high:.2g}"
