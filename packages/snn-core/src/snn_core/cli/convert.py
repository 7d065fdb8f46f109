"""``snn convert``: from a trained model to an artifact, and on to a simulation if asked."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

import click

import snn_core
from snn_core.artifact import FILE, dumps, save
from snn_core.cli import common
from snn_core.cli.run import run_and_show
from snn_core.codes import set_duration
from snn_core.conversion import PRESETS, costs, preset
from snn_core.conversion import convert as convert_network
from snn_core.data import Dataset, load_dataset
from snn_core.errors import DataError
from snn_core.files import hash_file, require_writable
from snn_core.ir import Network
from snn_core.ir.shapes import count
from snn_core.parsing import Parsed, read
from snn_core.parsing.base import ModelName
from snn_core.parsing.exactness import Exactness, ExactnessWarning, compare, require_exact
from snn_core.running.result import RunFolder
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
@click.option("--simulator", help="Simulate afterwards, on this simulator.")
@click.option("--force", is_flag=True, help="Replace OUT.snn if it is there; other files never.")
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
    simulator: str | None,
    force: bool,
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
    if simulator is not None:
        registry.get(simulator)
    _require_room(output, results, force=force, resume=resume)
    with common.stderr_console().status("Converting ..."):
        parsed = read(common.model_source(source, weights), input_shape=input_shape)
        calibration = load_dataset(data, part="calibration", settings=settings.input).fit_to(
            input_shape=parsed.network.input.output_shape,
            num_classes=count(parsed.network.output.output_shape),
        )
        exactness = _exactness(parsed, calibration, check=check)
        network = convert_network(parsed, calibration.x_b_l, settings=settings, check="off")
        if exactness.compared:
            network = network.replace(note=str(exactness))
        settings = set_duration(settings, network)
        provenance = _provenance(source, parsed, calibration, exactness)
        _write(
            network, output, force=force, resume=resume, settings=settings, provenance=provenance
        )
    if simulator is None and as_json:
        click.echo(json.dumps(_figures(network, output, exactness)))
    elif not as_json:
        click.echo(
            f"{output}: {len(network.spiking_layers)} layers with neurons, preset {preset_name}, "
            f"{settings.num_steps} steps"
        )
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


def _require_room(output: Path, results: Path | None, *, force: bool, resume: bool) -> None:
    """Make sure that everything can be written, before the long work."""
    require_writable(output, kind=FILE, overwrite=force or resume)
    if results is None:
        return
    if results.resolve() in (output.resolve(), *output.resolve().parents):
        raise DataError(
            f"The folder for results, {results}, would hold {output}; choose another one."
        )
    RunFolder(results).require_usable(resume=resume)


def _write(network: Network, output: Path, *, force: bool, resume: bool, **parts: Any) -> None:
    """Write the artifact. A run that goes on finds its own, which is the same again."""
    if resume and output.exists() and output.read_bytes() == dumps(network, **parts):
        return
    save(network, output, overwrite=force, **parts)


def _exactness(parsed: Parsed, calibration: Dataset, *, check: str) -> Exactness:
    """Compare a parsed network with its source on some of the calibration data."""
    if check == "off":
        return Exactness(reason="--check off")
    exactness = compare(parsed, calibration.x_b_l)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ExactnessWarning)
        require_exact(exactness, warn=check == "warn")
    for warning in caught:
        click.echo(f"Warning: {warning.message}", err=True)
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
        "lossy": costs(network),
        "history": list(network.history),
    }
