"""``snn run``: simulate a converted network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from snn_core.artifact import load
from snn_core.cli import common
from snn_core.ir import Network
from snn_core.running.result import RunResult
from snn_core.running.run import run as simulate
from snn_core.settings import Settings
from snn_core.simulation.contract import StopSimulation


@click.command()
@click.argument("artifact", type=common.PATH)
@click.option(
    "--simulator",
    help="Name of the simulator; see `snn simulators`. If not given, that of the settings, which "
    "is inisim unless they say otherwise.",
)
@click.option(
    "--data",
    required=True,
    type=common.PATH,
    help="Test data: .npz with x and y, or a folder with images or recordings of each class.",
)
@click.option("--timesteps", type=click.IntRange(min=1), help="Number of steps.")
@click.option("--settings", "settings_file", type=common.PATH, help="TOML or INI file.")
@click.option("-o", "--output", type=common.PATH, help="Folder for the results.")
@common.simulation_options("Simulate only N samples, which are taken from all classes in turn.")
def run(
    *,
    artifact: Path,
    simulator: str | None,
    data: Path,
    timesteps: int | None,
    settings_file: Path | None,
    output: Path | None,
    resume: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Simulate ARTIFACT, a converted network, on test data."""
    network = load(artifact)
    settings = common.read_settings(settings_file, network.settings_for())
    settings = common.with_flags(settings, stage="run", timesteps=timesteps, **flags)
    result, status = run_and_show(
        network,
        network.settings_for(settings),
        simulator=simulator or settings.simulation.simulator,
        data=data,
        output=output,
        resume=resume,
    )
    _describe_samples(result)
    common.print_result(result, as_json=as_json)
    if status:
        raise SystemExit(status)


def _describe_samples(result: RunResult) -> None:
    """Say on standard error how 8-bit samples entered and which classes there are."""
    entered = result.metadata["input"]
    if entered:
        click.echo(f"input: {entered}", err=True)
    if result.classes:
        click.echo(common.class_line(result.classes), err=True)


def run_and_show(
    network: Network,
    settings: Settings,
    *,
    simulator: str,
    data: Path,
    output: Path | None,
    resume: bool,
) -> tuple[RunResult, int]:
    """Simulate with a progress bar; Ctrl-C stops after the current step.

    Returns
    -------
    The result, and the exit status: 0 unless a signal stopped the run.
    """
    with common.interruptible() as stop, common.progress_bar(simulator) as progress:
        try:
            result = simulate(
                network,
                simulator,
                data=data,
                settings=settings,
                output_dir=output,
                resume=resume,
                progress=progress,
                stop=stop,
            )
        except StopSimulation:
            common.stderr_console().print("Stopped before the first batch was finished.")
            raise SystemExit(stop.status) from None
    for name, value in result.metadata.get("details", {}).items():
        common.stderr_console().print(f"{simulator}: {name}: {value}", markup=False)
    if result.interrupted:
        kept = f"kept in {output}; go on with --resume" if output else "not kept: no -o was given"
        common.stderr_console().print(f"Stopped after {result.samples} samples ({kept}).")
    return result, stop.status if result.interrupted else 0
