"""The catalogue of figures of a run: every kind, what it needs, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from snn_core.ir import Weighted
from snn_plot import style
from snn_plot.accuracy import plot_confusion_matrix, plot_error_vs_time
from snn_plot.activity import (
    plot_activations,
    plot_activations_minus_rates,
    plot_activity_frames,
    plot_input_image,
    plot_layer_activity,
)
from snn_plot.correlation import (
    plot_layer_correlation,
    plot_network_correlations,
    plot_pearson_coefficients,
)
from snn_plot.kinds import Kind, Maker, named, per_layer, single
from snn_plot.measures import measure_of
from snn_plot.operations import plot_ops_vs_time
from snn_plot.outputs import plot_measure_vs_time, plot_outputs
from snn_plot.probes import (
    plot_energy_probe,
    plot_execution_time_probe,
    plot_power_probe,
    plot_probe,
    read_probe,
    unit,
)
from snn_plot.recorded import LayerView
from snn_plot.scene import PROBES, Scene, is_of_classes, of_layers, probe_files
from snn_plot.spikes import (
    plot_events,
    plot_potential,
    plot_spikecount_vs_time,
    plot_spiketrains,
)
from snn_plot.summary import plot_layer_summaries
from snn_plot.weights import (
    plot_activ_hist,
    plot_hist,
    plot_hist_combined,
    plot_max_activ_hist,
    plot_parameter_histogram,
    plot_weight_distribution,
)

TRAINS, WANTED = "spiketrains", "activations"


def _error_vs_time(scene: Scene) -> Figure:
    result = scene.run.result
    if not is_of_classes(result):
        measure = measure_of(result)
        return plot_measure_vs_time(measure, samples=result.samples, units=scene.units)
    wrong = float((result.ann_decision_b != result.labels_b).mean())
    k = int(scene.run.settings["simulation"]["top_k"])
    if result.task == "binary" or k >= scene.run.layers[-1].neurons:  # which all are among
        return plot_error_vs_time(result.top1err_b_t, top1err_ann=wrong, units=scene.units)
    return plot_error_vs_time(
        result.top1err_b_t,
        result.topkerr_b_t,
        top1err_ann=wrong,
        top5err_ann=float(result.ann_topkerr_b.mean()),
        k=k,
        units=scene.units,
    )


def _ops_vs_time(scene: Scene) -> Figure:
    result = scene.run.result
    kinds = {
        "synapses": result.synaptic_operations_b_t,
        "neurons": result.neuron_operations_b_t,
    }
    return plot_ops_vs_time(
        kinds, operations_ann=result.ann_operations_per_sample, units=scene.units
    )


def _confusion_matrix(scene: Scene) -> Figure:
    result = scene.run.result
    largest = int(max(result.labels_b.max(), result.decision_b.max()))
    return plot_confusion_matrix(
        result.labels_b,
        result.decision_b,
        class_labels=[result.class_name(i) for i in range(largest + 1)],
    )


def _input_image(scene: Scene) -> Figure:
    return plot_input_image(np.asarray(scene.run.input_l))  # its classes are the figure's subject


def _outputs(scene: Scene) -> Figure:
    result = scene.run.result
    if result.has_labels:
        return plot_outputs(result.targets_b_o, result.output_b_o, result.ann_output_b_o)
    return plot_outputs(
        result.ann_output_b_o, result.output_b_o, quantity="output of the analog network"
    )


def _spiketrains(scene: Scene, layer: LayerView) -> Figure:
    return plot_spiketrains(
        np.asarray(layer.spiketrains_l_t), label=layer.name, units=scene.units,
        names=scene.classes_of(layer),
    )  # fmt: skip


def _of_trains(name: str, plot: Callable[..., Figure]) -> Kind:
    """Return a kind of figure that is drawn from the spikes of each layer alone."""
    return Kind(
        makers=per_layer(
            name,
            lambda s, n: plot(np.asarray(n.spiketrains_l_t), label=n.name, units=s.units),
            has="spiketrains_l_t",
            of_sample=True,
        ),
        needs=(TRAINS,),
    )


def _potential(scene: Scene, layer: LayerView) -> Figure:
    result, names = scene.run.result, scene.classes_of(layer)
    predicted = true = None
    if names is not None:
        predicted = int(result.decision_b[scene.run.sample])
        true = int(result.labels_b[scene.run.sample]) if result.has_labels else None
    trains = layer.spiketrains_l_t if layer.fires else None
    spikes_l = None if trains is None else (trains != 0).sum(axis=-1)
    return plot_potential(
        np.asarray(layer.mem_l_t), label=layer.name, units=scene.units,
        v_thresh=1.0 if layer.fires else None, predicted=predicted, true=true, names=names,
        spikes_l=spikes_l,
    )  # fmt: skip


def _layer_activity(scene: Scene, layer: LayerView) -> Figure:
    rates = scene.units.rates(np.asarray(layer.rates_l))
    return plot_layer_activity(rates, label=layer.name, quantity=scene.units.named("rate"))


def _activations(scene: Scene) -> Figure:
    values = of_layers(scene.run, "activations_l")
    output = scene.run.layers[-1]
    shown = {name: a if name == output.name else scene.units.rates(a) for name, a in values.items()}
    return plot_activations(
        shown, quantity=scene.units.named("activation"), output=output.name,
        class_names=scene.class_names,
    )  # fmt: skip


def _hist(scene: Scene, layer: LayerView) -> Figure:
    data = {"rates": layer.points_p, "activations": layer.expected_p}
    return plot_hist(
        {name: scene.units.rates(a) for name, a in data.items() if a is not None},
        layer_label=layer.name, quantity=scene.units.named("rate"), log_counts=True,
        levels=scene.levels,
    )  # fmt: skip


def _activ_hist(scene: Scene) -> Figure:
    rows = {
        "rates": of_layers(scene.run, "points_p", hidden=True),
        "activations": of_layers(scene.run, "expected_p", hidden=True),
    }
    return plot_activ_hist(
        {
            name: scene.units.rates(np.concatenate(list(parts.values())))
            for name, parts in rows.items()
            if parts
        },
        quantity=scene.units.named("rate"), title="all hidden layers", levels=scene.levels,
    )  # fmt: skip


def _max_activ_hist(scene: Scene, layer: LayerView) -> Figure:
    values = scene.units.rates(np.asarray(layer.max_activations_b))
    data = {style.count(len(values), "sample"): values}
    return plot_max_activ_hist(
        data, layer_label=layer.name, quantity=scene.units.named("largest activation per sample")
    )


def _hist_combined(scene: Scene) -> Figure:
    rates = of_layers(scene.run, "points_p", hidden=True)
    return plot_hist_combined(
        {name: scene.units.rates(a) for name, a in rates.items()},
        quantity=scene.units.named("rate"), levels=scene.levels,
    )  # fmt: skip


def _weight_distribution(scene: Scene) -> Figure:
    return plot_weight_distribution(scene.network)  # type: ignore[arg-type] # which the kind needs


def _parameters(scene: Scene) -> Mapping[str, Maker]:
    return {
        f"parameter_histogram/{layer.name}": partial(
            plot_parameter_histogram, layer.weight, layer.bias_o, label=layer.name
        )
        for layer in scene.network or ()
        if isinstance(layer, Weighted)
    }


def _probes(scene: Scene) -> Mapping[str, Maker]:
    found: dict[str, Maker] = {}
    special = {
        "time": plot_execution_time_probe,
        "energy": plot_energy_probe,
        "power": plot_power_probe,
    }
    for path in probe_files(scene.run):
        probe = read_probe(path)
        kinds = {unit(name)[0] for name in probe.values}
        plots = [special[kind] for kind in sorted(kinds & set(special))]
        for plot in (*plots, plot_probe):
            found[f"{PROBES}/{path.stem}-{plot.__name__.removeprefix('plot_')}"] = named(
                scene, partial(plot, probe), of_sample=False
            )
    return found


KINDS: Mapping[str, Kind] = {
    "error_vs_time": Kind(makers=single("error_vs_time", _error_vs_time)),
    "ops_vs_time": Kind(makers=single("ops_vs_time", _ops_vs_time)),
    "confusion_matrix": Kind(
        makers=single("confusion_matrix", _confusion_matrix),
        of="classes that are known",
        applies=is_of_classes,
    ),
    "outputs": Kind(
        makers=single("outputs", _outputs),
        of="outputs that are numbers",
        applies=lambda result: result.task == "regression",
    ),
    "input_image": Kind(
        makers=single("input_image", _input_image, of_sample=True), needs=("input",)
    ),
    "spikecount_vs_time": Kind(
        makers=single(
            "spikecount_vs_time",
            lambda s: plot_spikecount_vs_time(of_layers(s.run, "spikes_b_t"), units=s.units),
            has="spikes_b_t",
        ),
        needs=(TRAINS,),
    ),
    "spiketrains": Kind(
        makers=per_layer("spiketrains", _spiketrains, has="spiketrains_l_t", of_sample=True),
        needs=(TRAINS,),
    ),
    "events": _of_trains("events", plot_events),
    "activity_frames": _of_trains("activity_frames", plot_activity_frames),
    "potential": Kind(
        makers=per_layer("potential", _potential, has="mem_l_t", of_sample=True), needs=("mem",)
    ),
    "activations": Kind(
        makers=single("activations", _activations, has="activations_l", of_sample=True),
        needs=(WANTED,),
    ),
    "layer_activity": Kind(
        makers=per_layer("layer_activity", _layer_activity, has="rates_l", of_sample=True),
        needs=(TRAINS,),
    ),
    "activations_minus_rates": Kind(
        makers=per_layer(
            "activations_minus_rates",
            lambda s, n: plot_activations_minus_rates(
                np.asarray(n.activations_l), np.asarray(n.rates_l), label=n.name, units=s.units
            ),
            has="rates_l",
            of_sample=True,
        ),
        needs=(TRAINS, WANTED),
    ),
    "layer_correlation": Kind(
        makers=per_layer(
            "layer_correlation",
            lambda s, n: plot_layer_correlation(
                np.asarray(n.points_p), np.asarray(n.expected_p), label=n.name, units=s.units
            ),
            has="points_p",
        ),
        needs=(TRAINS, WANTED),
    ),
    "network_correlations": Kind(
        makers=single(
            "network_correlations",
            lambda s: plot_network_correlations(
                of_layers(s.run, "points_p"), of_layers(s.run, "expected_p"), units=s.units
            ),
            has="points_p",
        ),
        needs=(TRAINS, WANTED),
    ),
    "pearson_coefficients": Kind(
        makers=single(
            "pearson_coefficients",
            lambda s: plot_pearson_coefficients(of_layers(s.run, "pearson_b")),
            has="pearson_b",
        ),
        needs=(TRAINS, WANTED),
    ),
    "layer_summaries": Kind(
        makers=per_layer(
            "layer_summaries",
            lambda s, n: plot_layer_summaries(n, units=s.units, levels=s.levels),
            has="rates_l",
            of_sample=True,
        ),
        needs=(TRAINS,),
    ),
    "hist": Kind(makers=per_layer("hist", _hist, has="points_p"), needs=(TRAINS,)),
    "activ_hist": Kind(
        makers=single("activ_hist", _activ_hist, has="expected_p", hidden=True), needs=(WANTED,)
    ),
    "max_activ_hist": Kind(
        makers=per_layer(
            "max_activ_hist", _max_activ_hist, has="max_activations_b", rates_only=True
        ),
        needs=(WANTED,),
    ),
    "hist_combined": Kind(
        makers=single("hist_combined", _hist_combined, has="points_p", hidden=True),
        needs=(TRAINS,),
    ),
    "weight_distribution": Kind(
        makers=single("weight_distribution", _weight_distribution), needs=("network",)
    ),
    "parameter_histogram": Kind(makers=_parameters, needs=("network",)),
    "probes": Kind(makers=_probes, needs=(PROBES,)),
}
"""Every kind of figure of a run, in the order in which they are written."""
