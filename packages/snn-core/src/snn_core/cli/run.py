"""``snn run``: simulate a converted network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from snn_core.artifact import load
from snn_core.cli import common, flags, verbosity
from snn_core.errors import printable_line
from snn_core.ir import Network
from snn_core.phases import StopSimulation
from snn_core.running.folder import RunFolder
from snn_core.running.result import RunResult
from snn_core.running.resuming import require_usable, stored_settings
from snn_core.running.run import run as simulate
from snn_core.settings import Settings
from snn_core.simulation import registry


@click.command()
@click.argument("artifact", type=flags.PATH)
@flags.simulator_option(
    "Name of the simulator; see `snn simulators`. If not given, that of the settings, which is "
    "inisim unless they say otherwise."
)
@click.option(
    "--data",
    required=True,
    type=flags.PATH,
    help="Test data: .npz with x and y, .npy, or a folder with images or recordings of each class.",
)
@click.option("-o", "--output", type=flags.PATH, help="Folder for the results.")
@flags.settings_options(
    timesteps="Number of steps.",
    samples="Simulate only N samples, which are taken from all classes in turn.",
)
@click.option(
    "--sample-range",
    type=flags.sample_range,
    metavar="FIRST:END",
    help="Simulate these samples instead: 100:200 are the samples 100 to 199.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a line for each sample as CSV.")
@flags.result_options
def run(
    *,
    artifact: Path,
    simulator: str | None,
    data: Path,
    output: Path | None,
    resume: bool,
    as_json: bool,
    as_csv: bool,
    **chosen: Any,
) -> None:
    """Simulate ARTIFACT, a converted network, on test data."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv both print the results; give one of them.")
    require_usable(output, resume=resume)
    with common.tell_phases():
        result, status = _run(artifact, simulator, data, output=output, resume=resume, **chosen)
    _describe_samples(result)
    common.print_result(result, as_json=as_json, as_csv=as_csv)
    if status:
        raise SystemExit(status)


def _run(
    artifact: Path,
    simulator: str | None,
    data: Path,
    *,
    output: Path | None,
    resume: bool,
    **chosen: Any,
) -> tuple[RunResult, int]:
    """Simulate an artifact with the settings that flags choose."""
    network = registry.without_free_texts(load(artifact))
    stored = stored_settings(output) if resume and output is not None else None
    settings = flags.chosen_settings(network.settings_for(stored), stage="run", **chosen)
    settings = network.settings_for(settings)
    simulator = simulator or settings.simulation.simulator
    if network.settings is not None:
        registry.require_options(network.settings, [simulator], path=artifact)
    return run_and_show(
        network,
        settings,
        name=str(artifact),
        simulator=simulator,
        data=data,
        output=output,
        resume=resume,
    )


def _describe_samples(result: RunResult) -> None:
    """Say on standard error how 8-bit samples entered and which classes there are."""
    entered = result.metadata["input"]
    if entered:
        common.note(f"input: {entered}")
    if result.classes:
        common.note(common.class_line(result.classes))


def run_and_show(
    network: Network,
    settings: Settings,
    *,
    name: str,
    simulator: str,
    data: Path,
    output: Path | None,
    resume: bool,
) -> tuple[RunResult, int]:
    """Simulate with a progress bar; Ctrl-C stops after the current step, and reading at once.

    Returns
    -------
    The result, and the exit status: 0 unless a signal stopped the run.
    """
    if verbosity.is_verbose():
        for line in settings.changes():
            common.note(f"setting: {line}")
    if resume and output is not None and RunFolder(output).is_empty:
        is_begun = RunFolder(output).is_described
        found = "no batch was finished" if is_begun else "nothing to resume"
        common.note(f"{printable_line(output)}: {found}; starts a new run")
    with common.interruptible() as stop:
        try:
            with common.progress_bar(simulator) as progress:
                result = simulate(
                    network,
                    simulator,
                    data=data,
                    settings=settings,
                    name=name,
                    output_dir=output,
                    resume=resume,
                    progress=progress,
                    stop=stop,
                )
        except StopSimulation:
            common.say("Stopped before the first batch was finished.")
            raise SystemExit(stop.status) from None
    for name, value in result.metadata.get("details", {}).items():
        common.note(f"{simulator}: {name}: {value}")
    if result.interrupted:
        kept = f"kept in {printable_line(output)}" if output else "not kept: no -o was given"
        common.say(f"Stopped after {result.samples} samples ({kept}).")
        if output:
            common.say(f"Go on with: {common.command_line('--resume')}")
    return result, stop.status if result.interrupted else 0
