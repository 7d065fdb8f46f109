"""Contents of the report as plain values that fit into a page: rounded, and few enough."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn_core.running.result import RunResult
from snn_core.typing import Array
from snn_plot.accuracy import confusion
from snn_plot.activity import arrange, as_colours, is_coloured
from snn_plot.correlation import pearson_b
from snn_plot.finite import is_shown, shown
from snn_plot.measures import measure_of
from snn_plot.names import fit
from snn_plot.operations import cumulative_operations
from snn_plot.recorded import LayerView, RunView
from snn_plot.scene import is_of_classes
from snn_plot.style import count, evenly, thousands
from snn_plot.units import Units
from snn_plot.weights import BINS, bins_around, bins_of

MOST_DOTS = 1200
"""Points in one scatter plot: neurons, each in some of the samples."""

MOST_ROWS, MOST_SPIKES = 200, 200_000
"""Neurons in one raster, and spikes in the rasters of all layers together."""

MOST_CELLS = 120_000
"""Cells in the pictures of all layers together."""

MOST_STEPS = 2000
"""Points of a curve over time."""

ROOM_NAME = 60
"""Letters of the name of a class."""


def report_data(run: RunView, *, units: Units) -> dict[str, Any]:
    """Return everything the page's script draws from."""
    result = run.result
    cells = max(400, MOST_CELLS // max(2 * len(run.layers), 1))
    steps = evenly(result.timesteps, MOST_STEPS)
    return {
        "time": {"label": units.time_label,
                 "t": round_values(units.times(result.timesteps)[steps])},
        "accuracy": _accuracy(result, steps, k=int(run.settings["simulation"]["top_k"])),
        "operations": _operations(result, steps),
        "layers": _layers(run, units, steps, cells=cells),
        "confusion": _confusion(result) if is_of_classes(result) else None,
        "outputs": _outputs(result) if result.task == "regression" else None,
        "input": None if run.input_l is None else _input(run.input_l, cells),
    }  # fmt: skip


def _input(values_l: Array, cells: int) -> dict[str, Any]:
    """Return the input as a picture, with the range of its values; in colours as a figure has."""
    low, high = float(values_l.min()), float(values_l.max())
    if not is_coloured(values_l):
        return {**_picture(values_l, cells), "range": [low, high]}
    colours = np.rint(255 * as_colours(_thin(values_l, cells))).astype(int)
    return {"colours": colours.tolist(), "remark": f"values {low:.3g} to {high:.3g}"}


def _thin(values_l: Array, cells: int) -> Array:
    """Return an image with so many rows and columns that there are about ``cells`` cells."""
    stride = max(1, math.ceil(math.sqrt(values_l.shape[0] * values_l.shape[1] / cells)))
    return values_l[::stride, ::stride]


def round_values(values: Array, digits: int = 4) -> list[Any]:
    """Round an array to lists; what is not a number becomes ``None``."""
    array = np.asarray(values, np.float64)
    if array.ndim > 1:
        return [round_values(row, digits) for row in array]
    return [round(v, digits) if math.isfinite(v) else None for v in shown(array).tolist()]


def _accuracy(result: RunResult, steps: Array, *, k: int) -> dict[str, Any]:
    measure = measure_of(result)
    digits = 3 if measure.is_share else 6
    top_k_t = 100 * (1 - result.topkerr_b_t.mean(axis=0))
    # Among as few classes as that, the right one always is.
    several = result.metadata["num_neurons"][-1] > k
    has_best = result.task == "classification" and result.has_labels and several
    return {
        "label": measure.label,
        "interval": measure.interval,
        "is_share": measure.is_share,
        "snn": round_values(measure.value_t[steps], digits),
        "low": round_values(measure.low_t[steps], digits),
        "high": round_values(measure.high_t[steps], digits),
        "top_k": round_values(top_k_t[steps], 3) if has_best else None,
        "ann": None if measure.ann is None or not is_shown(measure.ann) else measure.ann,
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
    total_b_t = result.synaptic_operations_b_t.cumsum(axis=1, dtype=np.float64)
    total_b_t += result.neuron_operations_b_t.cumsum(axis=1, dtype=np.float64)
    low_t, high_t = np.percentile(total_b_t, (5, 95), axis=0)
    return {
        "snn": round_values(cumulative_operations(result)[steps], 1),
        "low": round_values(low_t[steps], 1),
        "high": round_values(high_t[steps], 1),
        "ann": result.ann_operations_per_sample,
    }


def _confusion(result: RunResult) -> dict[str, Any]:
    """Return the confusion matrix; names of classes are by their numbers, as far as they occur."""
    found = confusion(result.labels_b, result.decision_b)
    wrong_b = np.flatnonzero(result.decision_b != result.labels_b)
    columns = (result.sample_ids_b, result.labels_b, result.decision_b, result.ann_decision_b)
    wrong = [[int(column[b]) for column in columns] for b in wrong_b[:50]]
    occurring = {*found.classes_c.tolist(), *(number for row in wrong for number in row[1:])}
    return {
        "counts": found.counts.tolist(),
        "totals": found.totals_c.tolist(),
        "classes": found.classes_c.tolist(),
        "names": {i: fit(result.class_name(i), ROOM_NAME) for i in sorted(occurring) if i >= 0},
        "undecided": found.undecided,
        "remark": found.remark,
        "wrong": wrong,
        "wrong_total": len(wrong_b),
    }


def _layers(run: RunView, units: Units, steps: Array, *, cells: int) -> list[dict[str, Any]]:
    """Return all layers; an output that does not spike has its values instead of rates."""
    spikes = max(1000, MOST_SPIKES // max(len(run.layers), 1))
    found = [_layer(run, layer, units, steps, cells=cells, spikes=spikes) for layer in run.layers]
    if run.settings["conversion"].get("readout") == "membrane":
        found[-1] |= _values(run)
    return found


def _dots(
    run: RunView, rates: Array | None, wanted: Array | None, *, neurons: int, levels: Array | None
) -> dict[str, Any]:
    """Return rates and activations thinned out, of what they are, and their histograms."""
    pairs = {"rates": rates, "activations": wanted}
    known = {name: values for name, values in pairs.items() if values is not None}
    found: dict[str, Any] = {
        name: round_values(values[evenly(len(values), MOST_DOTS)]) for name, values in known.items()
    }
    if len(known) < len(pairs):
        return found
    known = {name: values[is_shown(values)] for name, values in known.items()}
    together = np.concatenate(list(known.values()))
    edges = bins_of(together, BINS) if levels is None else bins_around(levels, together)
    shares = {
        name: 100 * np.histogram(values, edges)[0] / max(len(values), 1)
        for name, values in known.items()
    }
    found["histogram"] = {
        "edges": round_values(edges, 6),
        **{name: round_values(share) for name, share in shares.items()},
    }
    found["points"] = (
        f"{thousands(len(found['rates']))} points: {count(neurons, 'neuron')} in "
        f"{count(run.result.samples, 'sample')}"
    )
    return found


def _layer(
    run: RunView, layer: LayerView, units: Units, steps: Array, *, cells: int, spikes: int
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": layer.name,
        "neurons": layer.neurons,
        "labels": {
            "activations": units.named("activation"),
            "rates": units.named("rate"),
            "both": units.rate if units.has_rates else "value",
        },
    }
    if layer.spikes_b_t is not None:
        mean_t = layer.spikes_b_t.mean(axis=0).cumsum()
        found["spikes_t"] = round_values(mean_t[steps], 2)
        found["mean_rate"] = float(layer.spikes_b_t.mean() / layer.neurons / units.step)
    if layer.pearson_b is not None and not np.isnan(layer.pearson_b).all():
        quartiles = np.nanpercentile(layer.pearson_b, (25, 50, 75))
        found["r"] = round_values(quartiles, 5)
        found["saturated"] = layer.saturated
    rates, wanted, levels = (
        None if values is None else units.rates(values)
        for values in (layer.points_p, layer.expected_p, run.levels)
    )
    found |= _dots(run, rates, wanted, neurons=layer.neurons, levels=levels)
    for key, picture in (
        ("rate_picture", layer.rates_l),
        ("activation_picture", layer.activations_l),
    ):
        if picture is not None:
            found[key] = _picture(units.rates(picture), cells)
    if layer.spiketrains_l_t is not None:
        found["raster"] = _raster(layer.spiketrains_l_t, spikes)
    return found


def _values(run: RunView) -> dict[str, Any]:
    """Return outputs in place of rates, and those of the analog network in place of activations.

    They are in the unit of the trained network, whatever that is: probabilities, for example.
    """
    result = run.result
    pairs = {"rates": result.output_b_o, "activations": result.ann_output_b_o}
    labels = {"activations": "output of the analog network", "rates": "output", "both": "output"}
    found: dict[str, Any] = {"labels": labels}
    if not result.output_b_o.size:
        return {**found, **dict.fromkeys(("rates", "activations", "activation_picture"))}
    flat = [values_b_o.reshape(-1) for values_b_o in pairs.values()]
    found |= _dots(run, *flat, neurons=result.output_b_o.shape[1], levels=None)
    for name, values_b_o in pairs.items():
        found[f"{name[:-1]}_picture"] = _picture(values_b_o[run.sample], MOST_DOTS)
    r_b = pearson_b(*pairs.values(), keep_silent=True)
    if not np.isnan(r_b).all():
        found["r"] = round_values(np.nanpercentile(r_b, (25, 50, 75)), 5)
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
        array = _thin(array, cells)
        maps = max(1, cells // (array.shape[0] * array.shape[1]))
        kept = evenly(array.shape[2], maps)
        picture, remark = arrange(array[..., kept])
        if len(kept) < activity_l.shape[2]:
            remark = f"{len(kept)} of {activity_l.shape[2]} feature maps"
        return {"z": round_values(picture, 3), "remark": remark}
    picture, remark = arrange(array)
    return {"z": round_values(picture[:, : max(1, cells // len(picture))], 3), "remark": remark}
