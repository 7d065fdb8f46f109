"""``snn convert``: from a trained model to an artifact, and on to a simulation if asked."""

from __future__ import annotations

import json
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import click

import snn_core
from snn_core.artifact import save
from snn_core.cli import common
from snn_core.cli.run import run_and_show
from snn_core.codes import set_duration
from snn_core.conversion import PRESETS, costs, preset
from snn_core.conversion import convert as convert_network
from snn_core.data import Dataset, load_dataset
from snn_core.files import hash_file, require_writable
from snn_core.ir import Network
from snn_core.parsing import Parsed, read
from snn_core.parsing.base import ModelName
from snn_core.parsing.exactness import Exactness, compare, require_exact
from snn_core.simulation import registry


@click.command()
@click.argument("source")
@click.option("-o", "--output", required=True, type=common.PATH, help="Artifact to write, OUT.snn.")
@click.option(
    "--data",
    required=True,
    type=common.PATH,
    help="Calibration data: .npz with x, or a folder of x_norm.npz, images or recordings.",
)
@click.option(
    "--preset",
    "preset_name",
    type=click.Choice(sorted(PRESETS)),
    default="fast",
    show_default=True,
    help="Set of conversion settings.",
)
@click.option("--timesteps", type=click.IntRange(min=1), help="Number of steps to convert for.")
@click.option(
    "--percentile",
    type=click.FloatRange(0, 100, min_open=True),
    help="Scale layers by this percentile of their activations.",
)
@click.option("--settings", "settings_file", type=common.PATH, help="TOML or INI file.")
@click.option(
    "--uint8-scale",
    type=common.number,
    metavar="FACTOR",
    help="Factor for 8-bit integers, such as 1 or 1/255, in all data of the network. By default "
    "1/255, or 1 where the model rescales by itself.",
)
@click.option("--simulator", help="Simulate afterwards, on this simulator.")
@click.option("--test", type=common.PATH, help="Test data for the simulation, with labels.")
@click.option("--results", type=common.PATH, help="Folder for the results of the simulation.")
@click.option(
    "--check",
    type=click.Choice(["error", "warn", "off"]),
    default="error",
    show_default=True,
    help="What to do if the network differs from the model, where its framework is installed.",
)
@common.model_options
@common.simulation_options
def convert(
    *,
    source: str,
    output: Path,
    data: Path,
    preset_name: str,
    timesteps: int | None,
    percentile: float | None,
    settings_file: Path | None,
    uint8_scale: float | None,
    simulator: str | None,
    test: Path | None,
    results: Path | None,
    check: str,
    input_shape: tuple[int, ...] | None,
    weights: Path | None,
    resume: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Convert SOURCE into a spiking network.

    SOURCE is the file of a trained model, or the name of one that Python code defines, as
    package.module:attribute.
    """
    if (simulator is None) != (test is None):
        raise click.UsageError("--simulator and --test belong together: give both or neither.")
    settings = common.read_settings(settings_file, preset(preset_name))
    settings = common.with_flags(settings, stage="convert", timesteps=timesteps, **flags)
    if percentile is not None:
        settings = settings.updated(
            {"normalization": {"method": "percentile", "percentile": percentile}}
        )
    if uint8_scale is not None:
        settings = settings.updated({"input": {"uint8_scale": uint8_scale}})
    if simulator is not None:
        registry.get(simulator)
    require_writable(output)
    with common.show_phases():
        parsed = read(common.model_source(source, weights), input_shape=input_shape)
        calibration = load_dataset(data, part="calibration", settings=settings.input).fit_to(
            input_shape=parsed.network.input.output_shape
        )
        exactness = _exactness(parsed, calibration, check=check)
        network = convert_network(parsed, calibration, settings=settings, check="off")
        if exactness.compared:
            network = network.replace(note=str(exactness))
        settings = set_duration(settings, network)
        provenance = _provenance(source, parsed, calibration, exactness)
        save(network, output, settings=settings, provenance=provenance)
    if simulator is None and as_json:
        click.echo(json.dumps(_figures(network, output, exactness)))
    elif not as_json:
        click.echo(
            f"{output}: {len(network.spiking_layers)} layers with neurons, preset {preset_name}, "
            f"{settings.num_steps} steps"
        )
        click.echo(f"input: values of {network.input_data.calibrated_range}; {network.input_data}")
        if network.input_data.classes:
            click.echo(common.class_line(network.input_data.classes))
        for line in costs(network):
            click.echo(line)
        click.echo(str(exactness), err=not exactness.compared)
    if simulator is None or test is None:
        return
    result = run_and_show(
        network, settings, simulator=simulator, data=test, output=results, resume=resume
    )
    common.print_result(result, as_json=as_json)
    if result.interrupted:
        raise SystemExit(common.INTERRUPTED)


def _exactness(parsed: Parsed, calibration: Dataset, *, check: str) -> Exactness:
    """Compare a parsed network with its source on some of the calibration data."""
    if check == "off":
        return Exactness(reason="--check off")
    exactness = compare(parsed, calibration.x_b_l)
    require_exact(exactness, warn=check == "warn")
    return exactness


def _provenance(
    source: str, parsed: Parsed, calibration: Dataset, exactness: Exactness
) -> dict[str, Any]:
    """Return where an artifact comes from."""
    found: dict[str, Any] = {
        "source": source if ":" in source else Path(source).name,
        "calibration_sha256": calibration.sha256,
        "calibration_samples": len(calibration),
        "exactness": str(exactness),
        "snn_core": snn_core.__version__,
    }
    if isinstance(parsed.source, (str, PathLike)):
        found["source_sha256"] = hash_file(Path(parsed.source))
    if isinstance(parsed.source, ModelName) and parsed.source.weights is not None:
        found["weights"] = parsed.source.weights.name
        found["weights_sha256"] = hash_file(parsed.source.weights)
    return found


def _figures(network: Network, output: Path, exactness: Exactness) -> dict[str, Any]:
    """Return what a conversion did as plain values."""
    known = {
        key: value
        for key, value in asdict(exactness).items()
        if exactness.compared or key in ("engine", "reason")
    }
    return {
        "artifact": str(output),
        "layers_with_neurons": len(network.spiking_layers),
        "readout": network.readout,
        "exactness": known,
        "input": asdict(network.input_data),
        "lossy": costs(network),
        "history": list(network.history),
    }
