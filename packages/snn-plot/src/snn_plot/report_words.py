"""What the report says in words: its title, headline, notes, settings, origin and glossary."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from snn_core.errors import printable_line
from snn_core.operations import format_operations
from snn_core.reading import printable_tree
from snn_core.running.result import RunResult
from snn_core.settings import Settings, leaves, record_flag
from snn_core.simulation.statistics import wilson_interval
from snn_plot.finite import describe_rest
from snn_plot.graphs import advice
from snn_plot.measures import measure_of
from snn_plot.names import fit
from snn_plot.probes import read_probe, total_energy_j, unit
from snn_plot.recorded import RunView
from snn_plot.scene import CLASSES, probe_files
from snn_plot.style import thousands
from snn_plot.units import Units
from snn_plot.verdict import CLOSE, find_close_step, warnings_of

GLOSSARY: Mapping[str, str] = {
    "activation": "What a neuron of the analog network computes, in the unit of the rates that "
    "should stand for it.",
    "analog network": "The trained network as it was, computed with numbers instead of spikes.",
    "artifact": "The file model.snn: a converted network with the settings of its conversion.",
    "correlation r": "Pearson's correlation of rates and activations within one sample; 1 is "
    "perfect. In hidden layers, neurons that are silent in both networks are left out, and so are "
    "saturated ones.",
    "operations": "Of the spiking network: one for each synapse that a spike goes through, and one "
    "in each step for each neuron with a bias. Of the analog network: two for each synapse, to "
    "multiply and to add.",
    "potential": "What a neuron has added up and not yet answered with a spike.",
    "rate": "Spikes per step or per ms; what stands for an activation in the code "
    "temporal_mean_rate.",
    "read-out": "How the answer is found at the output: by counting its spikes (counts), or by its "
    "potentials (membrane).",
    "relay": "A layer without neurons: its weighted sums pass straight on within the same step.",
    "saturated": "Of a neuron: its activation is above what its largest possible rate stands for, "
    "so that it is cut off.",
    "scale": "The activation that one spike per ms stands for, of a layer or of a channel.",
    "spike code": "How spikes stand for numbers: by their rate, their time or as binary digits.",
    "step": "The unit of simulated time. A neuron spikes at most once in a step.",
    "threshold": "The potential at which a neuron spikes.",
    "Wilson interval": "The range in which the true share lies with 95 % probability, given the "
    "share of so many samples.",
}
"""Terms of the page, and what they mean."""


def model_name(description: Mapping[str, Any]) -> str:
    """Return what a run's network is called: its artifact, or what it was read from, or nothing.

    Parameters
    ----------
    description
        Of the run, as in ``run.json``.
    """
    model = description.get("model", {})
    name, origin = model.get("name", ""), model.get("origin", "")
    return PurePath(name).name or origin.partition(": ")[0]


def title(run: RunView) -> str:
    """Return the title of the page: the folder of the run, and what was run on what."""
    what = model_name(run.result.metadata) or f"{run.result.samples} samples"
    return f"{run.name}: {what} on {run.result.metadata['identity']['simulator']}"


def subtitle(run: RunView) -> list[str]:
    """Return what the network is, and how it was simulated."""
    result = run.result
    model, neurons = result.metadata.get("model", {}), result.metadata["num_neurons"][1:]
    parameters = model.get("parameters")
    network = [
        model.get("origin", ""),
        f"{len(neurons)} layers with neurons",
        f"{thousands(sum(neurons))} neurons",
        "" if parameters is None else f"{thousands(parameters)} parameters",
    ]
    how = [
        f"{result.samples} samples",
        str(run.settings["conversion"]["spike_code"]),
        f"{result.timesteps} steps of {run.dt_ms:g} ms",
    ]
    return [", ".join(filter(None, network)), ", ".join(how)]


def subject(run: RunView) -> str:
    """Return what the network is called in a sentence."""
    return model_name(run.result.metadata) or "The network"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting of a run.

    Parameters
    ----------
    name
        With its section: ``simulation.seed``.
    value, default
        As plain values; options of simulators have no known default.
    is_changed
        Whether it differs from the default.
    """

    name: str
    value: Any
    default: Any
    is_changed: bool


def list_settings(run: RunView) -> list[Setting]:
    """Return all settings of a run; those of simulators are named after their section."""
    tree = dict(run.settings)
    options = tree.pop("options", {})
    defaults = dict(leaves(Settings().to_tree()))
    return [
        Setting(
            name=printable_line(name),
            value=printable_tree(value),
            default=defaults.get(name),
            is_changed=name not in defaults or defaults[name] != value,
        )
        for name, value in leaves({**tree, **options})
    ]


def headline(run: RunView, *, units: Units) -> list[tuple[str, str, str]]:
    """Return the figures at the top of the page: what, value, remark."""
    result = run.result
    spiking = result.synaptic_operations_per_sample + result.neuron_operations_per_sample
    analog = float(result.ann_operations_per_sample)
    rows = [
        *_scores(result, units),
        ("Operations per sample", format_operations(spiking),
         f"analog: {format_operations(analog)} ({spiking / max(analog, 1):.2f} times as many)"),
        ("Mean firing rate", f"{result.mean_rate / units.step:.4f}",
         f"{units.firing_rate} and neuron"),
    ]  # fmt: skip
    energy = energy_per_sample_j(run)
    if energy is not None:
        rows.append(("Energy per sample", engineering(energy, "J"), "measured on hardware"))
    return rows


def _scores(result: RunResult, units: Units) -> list[tuple[str, str, str]]:
    """Return how right the run is, as its task has it."""
    if result.task == "regression":
        apart = ("Difference", _number(result.difference), "from the analog network, rms")
        if not result.has_labels:
            return [apart]
        return [
            ("Mean squared error", _number(result.mse), f"analog: {_number(result.ann_mse)}"),
            ("R²", _number(result.r2, ".4f"), f"analog: {_number(result.ann_r2, '.4f')}"),
            apart,
        ]
    agreement = ("Same decision", f"{result.agreement:.2%}", "as the analog network")
    if not result.has_labels:
        return [agreement]
    close = (
        f"Within {100 * CLOSE:g} point of analog",
        _describe_close_step(result, units),
        "first time that it stays so",
    )
    if result.task == "multilabel":
        exact = f"analog: {result.ann_exact_match:.2%}"
        return [
            ("Labels right", f"{result.accuracy:.2%}", f"analog: {result.ann_accuracy:.2%}"),
            ("All labels right", f"{result.exact_match:.2%}", exact),
            agreement,
            close,
        ]
    return [
        ("Spiking accuracy", f"{result.accuracy:.2%}", _interval(result.accuracy, result.samples)),
        (
            "Analog accuracy",
            f"{result.ann_accuracy:.2%}",
            f"same decision for {result.agreement:.2%}",
        ),
        close,
    ]


def _number(value: float, form: str = ".4g") -> str:
    """Return a number as text; a ratio of far apart numbers has few digits, too."""
    if math.isnan(value):
        return "not defined"
    if math.isinf(value):
        return "infinite"
    return format(value, form if abs(value) < 1e6 else ".4g")


def _interval(share: float, samples: int) -> str:
    low, high = wilson_interval(share, samples)
    return f"95 % interval {float(low):.2%} to {float(high):.2%}, {samples} samples"


def _describe_close_step(result: RunResult, units: Units) -> str:
    step = find_close_step(result)
    if step is None:
        return "not reached"
    return f"{step * units.step:g} {units.time}"


def energy_per_sample_j(run: RunView) -> float | None:
    """Return the measured energy of a sample in joules, if the run's folder has a probe of it."""
    for probe in map(read_probe, probe_files(run)):
        kinds = {unit(name)[0] for name in probe.values}
        # Power over steps of unknown length is no energy.
        if "energy" in kinds or ("power" in kinds and probe.intervals_s is not None):
            return total_energy_j(probe) / run.result.samples
    return None


def engineering(value: float, unit: str) -> str:
    """Return a quantity with a prefix, for example ``3.20 µJ``."""
    for size, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def describe_sample(run: RunView) -> str:
    """Return which sample is looked at closely, and what is known of it."""
    result, index = run.result, run.sample
    text = f"sample {result.sample_ids_b[index]}"
    if not result.has_labels or result.task not in CLASSES:
        return text
    return f"{text}, class {result.class_name(int(result.labels_b[index]))}"


def decisions_title(run: RunView) -> str:
    """Return the title of the section that shows what was decided."""
    return "Outputs" if run.result.task == "regression" else "Confusion matrix"


def notes(run: RunView) -> list[str]:
    """Return remarks on what the page cannot show, and why."""
    wanted = ("spiketrains", "activations", "input")
    missing = [name for name in wanted if name not in run.recorded]
    said = [f"Warning of the run: {text}" for text in warnings_of(run.result)]
    if missing:
        names = record_flag(missing).removeprefix("--record ").replace(",", ", ")
        said.append(f"Not recorded: {names}; {advice(missing)}.")
    for what, values in (
        ("outputs", run.result.output_b_o),
        (f"values of the {measure_of(run.result).name} over time", measure_of(run.result).value_t),
    ):
        if describe_rest(values):
            said.append(
                f"Of the {what}, {describe_rest(values)}, as where potentials grow without end; "
                f"the charts leave them out."
            )
    if not run.result.has_labels:
        said.append("The data have no labels: outputs are compared with the analog network's.")
    if run.result.interrupted:
        said.append(
            f"The run was stopped: {run.result.samples} of "
            f"{run.result.metadata['identity']['samples']} samples."
        )
    return said


MOST_NAMED, ROOM_NAME = 1000, 60
"""Classes that are listed with their names, and letters of a name."""


def _list_classes(result: RunResult) -> str:
    """Return numbers and names of the classes."""
    named = [f"{i} {fit(name, ROOM_NAME)}" for i, name in enumerate(result.classes[:MOST_NAMED])]
    rest = len(result.classes) - len(named)
    return ", ".join([*named, f"and {thousands(rest)} more"] if rest else named)


def provenance(run: RunView) -> dict[str, Any]:
    """Return the origin of the numbers, as rows of a table."""
    metadata = run.result.metadata
    identity = metadata["identity"]
    versions: Mapping[str, Any] = metadata.get("versions", {})
    model: Mapping[str, Any] = metadata.get("model", {})
    details: Mapping[str, Any] = metadata.get("details", {})
    return {
        "network": model.get("name", ""),
        "read from": model.get("origin", ""),
        "simulator": f"{identity['simulator']} ({identity.get('simulator_version', 'unknown')})",
        **{f"{identity['simulator']}: {name}": value for name, value in details.items()},
        "data": metadata.get("data", ""),
        "input": metadata.get("input", ""),
        "classes": _list_classes(run.result),
        "SHA-256 of the network": identity.get("network_sha256", ""),
        "SHA-256 of the data": identity.get("data_sha256", ""),
        "synapses": metadata.get("num_synapses", ""),
        "hardware": metadata.get("hardware") or "none: simulated",
        "simulation time": f"{run.result.simulate_s:.2f} s "
        f"({run.result.us_per_sample_step:.1f} µs per sample and step)",
        **{f"version of {name}": value for name, value in versions.items()},
        "folder": run.name if run.path else "",
    }
