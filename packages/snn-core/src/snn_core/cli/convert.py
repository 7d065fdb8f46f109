"""``snn convert``: from a trained model to an artifact, and on to a simulation if asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import click

import snn_core
from snn_core.artifact import FILE, dumps, save
from snn_core.cli import common, flags
from snn_core.cli.run import run_and_show
from snn_core.conversion import PRESETS, costs, preset
from snn_core.conversion import convert as convert_network
from snn_core.conversion.conversion import CHECKS
from snn_core.conversion.model import read_model
from snn_core.conversion.presets import MEANING
from snn_core.conversion.trial import Trial, try_out
from snn_core.data import Dataset, load_dataset
from snn_core.data.preparation import describe_entry
from snn_core.errors import DataError, ParseError, printable, printable_line
from snn_core.files import find_leftovers, hash_file, remove_leftovers, require_writable
from snn_core.ir import Network
from snn_core.parsing import Parsed
from snn_core.parsing.base import ModelName
from snn_core.parsing.exactness import Exactness, compare, compare_cheaply, require_exact
from snn_core.reading import FileStates
from snn_core.running.resuming import require_usable
from snn_core.settings import SPIKE_CODES, Settings
from snn_core.simulation import registry


@click.command()
@flags.source_argument
@click.option("-o", "--output", required=True, type=flags.PATH, help="Artifact to write, OUT.snn.")
@click.option(
    "--data",
    required=True,
    type=flags.PATH,
    help="Calibration data: .npz with x, or a folder of x_norm.npz, images or recordings.",
)
@click.option(
    "--preset",
    "preset_name",
    type=flags.Choice(sorted(PRESETS)),
    default="fast",
    show_default=True,
    help="Set of conversion settings. "
    + " ".join(f"{name}: {MEANING[name]}." for name in sorted(PRESETS)),
)
@click.option(
    "--spike-code",
    type=flags.Choice(SPIKE_CODES),
    help="How spikes stand for numbers; docs/spike-codes.md says what each costs. If not given, "
    "that of the settings, which is temporal_mean_rate unless they say otherwise.",
)
@click.option(
    "--percentile",
    type=click.FloatRange(0, 100, min_open=True),
    help="Scale layers by this percentile of their activations.",
)
@click.option(
    "--uint8-scale",
    type=flags.number,
    metavar="FACTOR",
    help="Factor for 8-bit integers, such as 1 or 1/255, in all data of the network. By default "
    "1/255, or 1 where the model rescales by itself.",
)
@click.option("--force", is_flag=True, help="Replace OUT.snn if it is there; other files never.")
@click.option(
    "--test", type=flags.PATH, help="Simulate afterwards, on these test data, with labels."
)
@flags.simulator_option("Simulator for that. If not given, that of the settings; see `snn run`.")
@click.option("--results", type=flags.PATH, help="Folder for the results of the simulation.")
@click.option(
    "--check",
    type=flags.Choice(CHECKS),
    default="auto",
    show_default=True,
    help="What to do if the network differs from the model, where its framework is installed; auto "
    "is an error, too, but starts no framework for files whose meaning is known from tests.",
)
@click.option(
    "--trial/--no-trial",
    default=True,
    show_default=True,
    help="Try the converted network out on a few calibration samples; takes seconds.",
)
@flags.model_options
@flags.settings_options(
    timesteps="Number of steps to convert for.", samples="Calibrate with N samples only."
)
@flags.result_options
def convert(
    *,
    source: str,
    output: Path,
    data: Path,
    preset_name: str,
    percentile: float | None,
    uint8_scale: float | None,
    simulator: str | None,
    force: bool,
    test: Path | None,
    results: Path | None,
    check: str,
    trial: bool,
    input_shape: tuple[int, ...] | None,
    weights: Path | None,
    resume: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Convert SOURCE into a spiking network.

    SOURCE is the file of a trained model, or the name of one that Python code defines, as
    package.module:attribute.
    """
    for option, value in (("--simulator", simulator), ("--results", results)):
        if value is not None and test is None:
            raise click.UsageError(f"{option} needs test data to simulate; give --test, too.")
    settings = flags.chosen_settings(preset(preset_name), stage="convert", **chosen)
    if percentile is not None:
        settings = settings.updated(
            {"normalization": {"method": "percentile", "percentile": percentile}}
        )
    if uint8_scale is not None:
        settings = settings.updated({"input": {"uint8_scale": uint8_scale}})
    simulator = simulator or settings.simulation.simulator
    if test is not None:
        registry.get(simulator)
    _require_room(output, results, force=force, resume=resume)
    with common.show_phases():
        model = flags.model_source(source, weights)
        with _unchanged(model):
            parsed = read_model(model, data, settings=settings.input, input_shape=input_shape)
            calibration = _load(data, parsed, settings)
            done = _convert(parsed, calibration, settings, check=check, trial=trial)
            provenance = _provenance(source, parsed, calibration, done.exactness)
        _write(done.network, output, force=force, resume=resume, provenance=provenance)
    if not as_json:
        _show(done, output, preset_name)
    elif test is None:
        click.echo(json.dumps(_figures(done, output)))
    status = 0
    if test is not None:
        with common.tell_phases():
            result, status = run_and_show(
                done.network,
                done.network.settings_for(),
                name=str(output),
                simulator=simulator,
                data=test,
                output=results,
                resume=resume,
            )
        if as_json:
            click.echo(json.dumps({**result.summary(), "conversion": _figures(done, output)}))
        else:
            common.print_result(result, as_json=False)
    if done.skipped and not as_json:
        click.echo(printable(f"Left out: {'; '.join(done.skipped)}."))
    if status:
        raise SystemExit(status)


def _require_room(output: Path, results: Path | None, *, force: bool, resume: bool) -> None:
    """Make sure that everything can be written, before the long work."""
    require_writable(output, kind=FILE, overwrite=force or resume)
    if results is not None and results.resolve() in (output.resolve(), *output.resolve().parents):
        raise DataError(
            f"The folder for results, {results}, would hold {output}; choose another one."
        )
    require_usable(results, resume=resume)


def _write(network: Network, output: Path, *, force: bool, resume: bool, **parts: Any) -> None:
    """Write the artifact. A run that goes on finds its own, which is the same again.

    What a killed conversion left half-written beside it goes.
    """
    remove_leftovers(find_leftovers(output))
    if resume and output.exists() and output.read_bytes() == dumps(network, **parts):
        return
    save(network, output, overwrite=force, **parts)


@dataclass(frozen=True, kw_only=True)
class _Conversion:
    """A converted network, and what is known about it."""

    network: Network
    exactness: Exactness
    trial: Trial

    @property
    def skipped(self) -> list[str]:
        """What was left out, with the reasons."""
        found = [] if self.exactness.compared else [str(self.exactness)]
        return found if self.trial.simulated else [*found, str(self.trial)]


def _load(data: Path, parsed: Parsed, settings: Settings) -> Dataset:
    """Return the samples to calibrate with."""
    how = settings.input
    if how.uint8_scale is None:
        how = how.model_copy(update={"uint8_scale": parsed.network.input_data.uint8_scale})
    shape = parsed.network.input.output_shape
    found = load_dataset(data, part="calibration", settings=how, input_shape=shape).fit_to(
        input_shape=shape
    )
    number = settings.normalization.num_samples
    return found if number is None else found.select(number=min(number, len(found)))


def _convert(
    parsed: Parsed, calibration: Dataset, settings: Settings, *, check: str, trial: bool
) -> _Conversion:
    """Convert a network, compare it with its source, and try it out."""
    exactness = _exactness(parsed, calibration, check=check)
    network = convert_network(parsed, calibration, settings=settings, check="off", trial=False)
    if exactness.compared:
        network = network.replace(note=str(exactness))
    tried = Trial(reason="--no-trial")
    if trial:
        tried = try_out(network, calibration, source=parsed.network)
        tried.warn()
        network = network.replace(note=str(tried))
    return _Conversion(network=network, exactness=exactness, trial=tried)


def _show(done: _Conversion, output: Path, preset_name: str) -> None:
    """Print what a conversion did, except for what was left out."""
    click.echo(
        f"{printable_line(output)}: {len(done.network.spiking_layers)} layers with neurons, "
        f"preset {preset_name}, {done.network.settings_for().num_steps} steps"
    )
    input_data = done.network.input_data
    entry = describe_entry(input_data, done.network.settings_for().input)
    seen = f"values of {input_data.calibrated_range}"
    click.echo(f"input: {'; '.join(filter(None, (seen, entry)))}")
    if input_data.classes:
        click.echo(common.class_line(input_data.classes))
    for line in costs(done.network):
        click.echo(line)
    if done.exactness.compared:
        click.echo(str(done.exactness))
    if done.trial.simulated:
        click.echo(str(done.trial))


def _exactness(parsed: Parsed, calibration: Dataset, *, check: str) -> Exactness:
    """Compare a parsed network with its source on some of the calibration data."""
    if check == "off":
        return Exactness(reason="--check off")
    how = compare_cheaply if check == "auto" else compare
    exactness = how(parsed, calibration.x_b_l)
    require_exact(exactness, warn=check == "warn", demanded=check == "error")
    return exactness


@contextmanager
def _unchanged(model: str | ModelName) -> Iterator[None]:
    """Make sure that the files of a model, of which the hash is kept, stay as they were read."""
    files = [model.weights] if isinstance(model, ModelName) else [Path(model)]
    states = FileStates(error=ParseError)
    with ExitStack() as stack:
        for path in files:
            if path is not None and path.is_file():
                stack.enter_context(states.watch(path))
        yield


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


def _figures(done: _Conversion, output: Path) -> dict[str, Any]:
    """Return what a conversion did as plain values."""
    known = {
        key: value
        for key, value in asdict(done.exactness).items()
        if done.exactness.compared or key in ("engine", "reason")
    }
    tried = asdict(done.trial) if done.trial.simulated else {"reason": done.trial.reason}
    return {
        "artifact": str(output),
        "layers_with_neurons": len(done.network.spiking_layers),
        "readout": done.network.readout,
        "exactness": known,
        "input": asdict(done.network.input_data),
        "trial": tried,
        "skipped": done.skipped,
        "lossy": costs(done.network),
        "history": list(done.network.history),
    }
