"""Contents of the report as plain values that fit into a page: rounded, and few enough."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_core.operations import format_operations
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_core.simulation.statistics import wilson_interval
from snn_core.typing import Array
from snn_plot.accuracy import confusion
from snn_plot.activity import arrange
from snn_plot.graphs import advice
from snn_plot.measures import measure_of
from snn_plot.operations import cumulative_operations
from snn_plot.probes import read_probe, total_energy_j, unit
from snn_plot.recorded import LayerView, RunView
from snn_plot.scene import CLASSES, is_of_classes, probe_files
from snn_plot.style import evenly
from snn_plot.units import Units

MOST_DOTS = 1200
"""Neurons in one scatter plot."""

MOST_ROWS, MOST_SPIKES = 200, 200_000
"""Neurons in one raster, and spikes in the rasters of all layers together."""

MOST_CELLS = 120_000
"""Cells in the pictures of all layers together."""

MOST_STEPS = 2000
"""Points of a curve over time."""

CLOSE = 0.01
"""How close to the analog network's accuracy counts as reached."""


def report_data(run: RunView, *, units: Units) -> dict[str, Any]:
    """Return everything the page's script draws from."""
    result = run.result
    cells = max(400, MOST_CELLS // max(2 * len(run.layers), 1))
    spikes = max(1000, MOST_SPIKES // max(len(run.layers), 1))
    steps = evenly(result.timesteps, MOST_STEPS)
    return {
        "time": {"label": units.time_label, "rate": units.rate,
                 "level": float(units.rates(np.array([1 / result.timesteps]))[0]),
                 "t": round_values(units.times(result.timesteps)[steps])},
        "accuracy": _accuracy(result, steps, k=int(run.settings["simulation"]["top_k"])),
        "operations": _operations(result, steps),
        "layers": [_layer(layer, units, steps, cells=cells, spikes=spikes) for layer in run.layers],
        "confusion": _confusion(result) if is_of_classes(result) else None,
        "outputs": _outputs(result) if result.task == "regression" else None,
        "input": None if run.input_l is None else _input(run.input_l, cells),
    }  # fmt: skip


def _input(values_l: Array, cells: int) -> dict[str, Any]:
    """Return the input as a picture, with the range of its values."""
    return {**_picture(values_l, cells), "range": [float(values_l.min()), float(values_l.max())]}


def verdict(run: RunView) -> str:
    """Say in a sentence what was run, what it reached, and what to look at."""
    result = run.result
    done = f"{result.samples} samples in {result.timesteps} steps"
    if result.task == "regression":
        return f"{done}: outputs differ by {result.difference:.3g} (rms) from the analog network's."
    if not result.has_labels:
        return f"{done}: {result.agreement:.1%} are decided as the analog network decides them."
    reached = f"{done}: {result.accuracy:.1%} right, the analog network {result.ann_accuracy:.1%}"
    if result.ann_accuracy < TRAINED:
        return (
            f"{reached}. The analog network itself is often wrong: check the scale and the order "
            f"of the data."
        )
    if result.accuracy >= result.ann_accuracy - CLOSE:
        step = find_close_step(result)
        early = f", from step {step} on" if step else ""
        return f"{reached}: as good as the analog network{early}."
    half = result.accuracy_t[(result.timesteps - 1) // 2]
    rising = result.accuracy - half > RISING
    saturated = [layer.name for layer in run.layers if (layer.saturated or 0) > SATURATED]
    if rising:
        return f"{reached}, and still rising: more steps would help."
    if saturated:
        return f"{reached}. Look at {', '.join(saturated)}: many neurons are saturated there."
    return f"{reached}. Look at the layers below: where do rates leave the line?"


TRAINED = 0.5
"""Accuracy below which an analog network is hardly trained, or not on these data."""

RISING = 0.01
"""Growth of the accuracy in the second half of the steps that says that more would help."""

SATURATED = 0.02
"""Share of saturated neurons that is worth a look."""


def changed_settings(run: RunView) -> list[tuple[str, Any]]:
    """Return the settings that differ from the defaults, by dotted names."""
    defaults = Settings().to_tree()
    return [
        (f"{section}.{key}", value)
        for section, items in run.settings.items()
        if isinstance(items, Mapping)
        for key, value in items.items()
        if section not in defaults or defaults[section].get(key) != value
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
        apart = ("Difference", f"{result.difference:.4g}", "from the analog network, rms")
        if not result.has_labels:
            return [apart]
        return [
            ("Mean squared error", f"{result.mse:.4g}", f"analog: {result.ann_mse:.4g}"),
            ("R²", f"{result.r2:.4f}", f"analog: {result.ann_r2:.4f}"),
            apart,
        ]
    agreement = ("Same decision", f"{result.agreement:.2%}", "as the analog network")
    if not result.has_labels:
        return [agreement]
    close = (
        f"Within {CLOSE:.0%} of analog",
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


def _interval(share: float, samples: int) -> str:
    low, high = wilson_interval(share, samples)
    return f"95 % interval {float(low):.2%} to {float(high):.2%}, {samples} samples"


def find_close_step(result: RunResult, *, close: float = CLOSE) -> int | None:
    """Find the step from which on the accuracy is close to the analog one.

    ``None`` if it is not close after the last step.
    """
    # Shares of samples: a little more than rounding errors, far less than one sample.
    near = result.accuracy_t >= result.ann_accuracy - close - 1e-9
    if not near[-1]:
        return None
    far = np.flatnonzero(~near)
    return 1 if not len(far) else int(far[-1]) + 2


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


def round_values(values: Array, digits: int = 4) -> list[Any]:
    """Round an array to lists; what is not a number becomes ``None``."""
    array = np.asarray(values, np.float64)
    if array.ndim > 1:
        return [round_values(row, digits) for row in array]
    return [round(float(v), digits) if math.isfinite(v) else None for v in array]


def _accuracy(result: RunResult, steps: Array, *, k: int) -> dict[str, Any]:
    measure = measure_of(result)
    digits = 3 if measure.is_share else 6
    top_k_t = 100 * (1 - result.topkerr_b_t.mean(axis=0))
    has_several = result.task == "classification" and result.has_labels
    return {
        "label": measure.label,
        "interval": measure.interval,
        "is_share": measure.is_share,
        "snn": round_values(measure.value_t[steps], digits),
        "low": round_values(measure.low_t[steps], digits),
        "high": round_values(measure.high_t[steps], digits),
        "top_k": round_values(top_k_t[steps], 3) if has_several else None,
        "ann": measure.ann,
        "k": k,
        "samples": result.samples,
    }


def _outputs(result: RunResult) -> dict[str, Any]:
    """Return outputs and what they should be; of the analog network, if there are no targets."""
    expected = result.targets_b_o if result.has_labels else result.ann_output_b_o
    shown = evenly(expected.size, MOST_DOTS)
    ann = result.ann_output_b_o if result.has_labels else None
    return {
        "label": "target" if result.has_labels else "output of the analog network",
        "expected": round_values(expected.reshape(-1)[shown], 5),
        "snn": round_values(result.output_b_o.reshape(-1)[shown], 5),
        "ann": None if ann is None else round_values(ann.reshape(-1)[shown], 5),
    }


def _operations(result: RunResult, steps: Array) -> dict[str, Any]:
    total_b_t = (result.synaptic_operations_b_t + result.neuron_operations_b_t).cumsum(axis=1)
    low_t, high_t = np.percentile(total_b_t, (5, 95), axis=0)
    return {
        "snn": round_values(cumulative_operations(result)[steps], 1),
        "low": round_values(low_t[steps], 1),
        "high": round_values(high_t[steps], 1),
        "ann": result.ann_operations_per_sample,
    }


def _confusion(result: RunResult) -> dict[str, Any]:
    counts, undecided = confusion(result.labels_b, result.decision_b)
    wrong = result.decision_b != result.labels_b
    return {
        "counts": counts.tolist(),
        "names": [result.class_name(i) for i in range(max(len(counts), len(result.classes)))],
        "undecided": undecided,
        "wrong": [
            [int(value) for value in row]
            for row in zip(
                result.sample_ids_b[wrong][:50],
                result.labels_b[wrong][:50],
                result.decision_b[wrong][:50],
                result.ann_decision_b[wrong][:50],
                strict=True,
            )
        ],
        "wrong_total": int(wrong.sum()),
    }


def _layer(
    layer: LayerView, units: Units, steps: Array, *, cells: int, spikes: int
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": layer.name, "neurons": layer.neurons}
    if layer.spikes_b_t is not None:
        mean_t = layer.spikes_b_t.mean(axis=0).cumsum()
        found["spikes_t"] = round_values(mean_t[steps], 2)
        found["mean_rate"] = float(layer.spikes_b_t.mean() / layer.neurons / units.step)
    if layer.pearson_b is not None and not np.isnan(layer.pearson_b).all():
        quartiles = np.nanpercentile(layer.pearson_b, (25, 50, 75))
        found["r"] = round_values(quartiles, 5)
        found["saturated"] = layer.saturated
    for key, values in (("rates", layer.points_p), ("activations", layer.expected_p)):
        if values is not None:
            shown = evenly(len(values), MOST_DOTS)
            found[key] = round_values(units.rates(values[shown]))
    for key, picture in (
        ("rate_picture", layer.rates_l),
        ("activation_picture", layer.activations_l),
    ):
        if picture is not None:
            found[key] = _picture(units.rates(picture), cells)
    if layer.spiketrains_l_t is not None:
        found["raster"] = _raster(layer.spiketrains_l_t, spikes)
    return found


def _raster(spiketrains_l_t: Array, most: int) -> dict[str, Any]:
    """Return the spikes of some neurons as row, step and sign; fewer rows where they fire a lot."""
    trains = spiketrains_l_t.reshape(-1, spiketrains_l_t.shape[-1])
    rows = MOST_ROWS
    shown = evenly(len(trains), rows)
    while np.count_nonzero(trains[shown]) > most and rows > 1:
        rows //= 2
        shown = evenly(len(trains), rows)
    row, step = np.nonzero(trains[shown])
    return {
        "neurons": shown.tolist(),
        "of": len(trains),
        "steps": trains.shape[1],
        "row": row.tolist(),
        "step": step.tolist(),
        "negative": np.flatnonzero(trains[shown[row], step] < 0).tolist(),
    }


def _picture(activity_l: Array, cells: int) -> dict[str, Any]:
    """Return a layer as one picture of at most about ``cells`` cells, and how it is arranged."""
    array = np.asarray(activity_l, np.float64)
    if array.ndim == 3:
        stride = max(1, math.ceil(math.sqrt(array.shape[0] * array.shape[1] / cells)))
        array = array[::stride, ::stride]
        maps = max(1, cells // (array.shape[0] * array.shape[1]))
        kept = evenly(array.shape[2], maps)
        picture, remark = arrange(array[..., kept])
        if len(kept) < activity_l.shape[2]:
            remark = f"{len(kept)} of {activity_l.shape[2]} feature maps"
        return {"z": round_values(picture, 3), "remark": remark}
    picture, remark = arrange(array)
    return {"z": round_values(picture[:, : max(1, cells // len(picture))], 3), "remark": remark}


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
    said = [f"Not recorded: {', '.join(missing)}; {advice(missing)}."] if missing else []
    if not run.result.has_labels:
        said.append("The data have no labels: outputs are compared with the analog network's.")
    if run.result.interrupted:
        said.append(
            f"The run was stopped: {run.result.samples} of "
            f"{run.result.metadata['identity']['samples']} samples."
        )
    return said


def provenance(run: RunView) -> dict[str, Any]:
    """Return the origin of the numbers, as rows of a table."""
    metadata = run.result.metadata
    identity = metadata["identity"]
    versions: Mapping[str, Any] = metadata.get("versions", {})
    return {
        "simulator": f"{identity['simulator']} ({identity.get('simulator_version', 'unknown')})",
        "data": metadata.get("data", ""),
        "classes": ", ".join(f"{i} {name}" for i, name in enumerate(run.result.classes)),
        "SHA-256 of the network": identity.get("network_sha256", ""),
        "SHA-256 of the data": identity.get("data_sha256", ""),
        "synapses": metadata.get("num_synapses", ""),
        "hardware": metadata.get("hardware") or "none: simulated",
        "simulation time": f"{run.result.simulate_s:.2f} s "
        f"({run.result.us_per_sample_step:.1f} µs per sample and step)",
        **{f"version of {name}": value for name, value in versions.items()},
        "folder": run.name if run.path else "",
    }
