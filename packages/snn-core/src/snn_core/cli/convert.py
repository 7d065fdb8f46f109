"""``snn convert``: from a trained model to an artifact, and on to a simulation if asked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click

import snn_core
from snn_core import registry
from snn_core.artifact import save
from snn_core.cli import common
from snn_core.cli.run import run_and_show
from snn_core.codes import timed
from snn_core.conversion import PRESETS, preset
from snn_core.conversion import convert as convert_network
from snn_core.dataset import load_dataset
from snn_core.files import require_writable
from snn_core.ir.shapes import count
from snn_core.parsing import parse
from snn_core.settings import Settings


@click.command()
@click.argument("source", type=common.PATH)
@click.option("-o", "--output", required=True, type=common.PATH, help="Artifact to write, OUT.snn.")
@click.option(
    "--data",
    required=True,
    type=common.PATH,
    help="Calibration data: .npz with x, or a folder with x_norm.npz.",
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
@click.option("--simulator", help="Simulate afterwards, on this simulator.")
@click.option("--test", type=common.PATH, help="Test data for the simulation.")
@click.option("--results", type=common.PATH, help="Folder for the results of the simulation.")
@common.simulation_options
def convert(
    *,
    source: Path,
    output: Path,
    data: Path,
    preset_name: str,
    timesteps: int | None,
    percentile: float | None,
    settings_file: Path | None,
    simulator: str | None,
    test: Path | None,
    results: Path | None,
    resume: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Convert SOURCE, a trained model, into a spiking network."""
    if (simulator is None) != (test is None):
        raise click.UsageError("--simulator and --test belong together: give both or neither.")
    settings = common.read_settings(settings_file, preset(preset_name))
    settings = common.with_flags(settings, timesteps=timesteps, **flags)
    settings = _normalization(settings, timesteps=timesteps, percentile=percentile)
    if simulator is not None:
        registry.get(simulator)
    require_writable(output)
    with common.err().status("Converting ..."):
        network = parse(source)
        calibration = load_dataset(data, part="calibration").fitted(
            input_shape=network.input.output_shape, num_classes=count(network.output.output_shape)
        )
        network = convert_network(network, calibration.x_b_l, settings=settings)
        settings = timed(settings, network)
        provenance = {
            "source": source.name,
            "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            "calibration_sha256": calibration.sha256,
            "calibration_samples": len(calibration),
            "snn_core": snn_core.__version__,
        }
        save(network, output, settings=settings, provenance=provenance)
    if not as_json:
        click.echo(
            f"{output}: {len(network.spiking_layers)} layers with neurons, preset {preset_name}, "
            f"{settings.num_steps} steps"
        )
    if simulator is None or test is None:
        return
    result = run_and_show(
        network, settings, simulator=simulator, data=test, output=results, resume=resume
    )
    common.print_result(result, as_json=as_json)
    if result.interrupted:
        raise SystemExit(common.INTERRUPTED)


def _normalization(
    settings: Settings, *, timesteps: int | None, percentile: float | None
) -> Settings:
    """Return settings whose scales follow the flags."""
    changes: dict[str, Any] = {}
    if timesteps is not None:
        changes["timesteps"] = timesteps
    if percentile is not None:
        changes |= {"method": "percentile", "percentile": percentile}
    return settings.updated({"normalization": changes})
