"""All figures of a run: which there are, what each needs, and how it is drawn from a `RunView`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure

from snn_core.errors import DataError
from snn_core.ir import Network, Weighted
from snn_core.running.result import RunResult
from snn_core.settings import RECORDABLE, record_flag
from snn_core.typing import Array
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
from snn_plot.recorded import LayerView, RunView
from snn_plot.spikes import (
    plot_events,
    plot_potential,
    plot_spikecount_vs_time,
    plot_spiketrains,
)
from snn_plot.summary import plot_layer_summaries
from snn_plot.units import STEPS, Units
from snn_plot.weights import (
    plot_activ_hist,
    plot_hist,
    plot_hist_combined,
    plot_max_activ_hist,
    plot_parameter_histogram,
    plot_weight_distribution,
)

Maker: TypeAlias = Callable[[], Figure]

PROBES = "probes"
"""Folder inside a result folder with tables of what the hardware measured."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Source of all figures of a run: the run, the units, and the network if given."""

    run: RunView
    units: Units = STEPS
    network: Network | None = None


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of figure.

    Parameters
    ----------
    makers
        Returns file name, without ending, to function that draws the figure.
    needs
        Recorded variables without which there is nothing to draw; ``network`` is the network,
        ``probes`` a folder of measurements.
    of
        What it is of, where it is not of every run.
    applies
        Whether it is of a run.
    """

    makers: Callable[[Scene], Mapping[str, Maker]]
    needs: tuple[str, ...] = ()
    of: str = "runs"
    applies: Callable[[RunResult], bool] = lambda result: True

    def missing(self, scene: Scene) -> list[str]:
        """Return which needs are not met."""
        available = set(scene.run.recorded)
        if scene.network is not None:
            available.add("network")
        if probe_files(scene.run):
            available.add(PROBES)
        return [need for need in self.needs if need not in available]


def output_graphs(scene: Scene, *, only: Sequence[str] = ()) -> dict[str, Figure]:
    """Return figures of a run by name.

    Parameters
    ----------
    only
        Names of kinds (see `KINDS`); all that the run has data for by default.

    Raises
    ------
    DataError
        If a kind is unknown, or was asked for and the run lacks what it needs.
    """
    return {name: make() for name, make in makers(scene, only=only).items()}


def makers(scene: Scene, *, only: Sequence[str] = ()) -> dict[str, Maker]:
    """Return functions that draw the figures of a run, by name; see `output_graphs`."""
    unknown = [name for name in only if name not in KINDS]
    if unknown:
        raise DataError(f"No figure {', '.join(unknown)}; expected some of {', '.join(KINDS)}.")
    found: dict[str, Maker] = {}
    for name, kind in KINDS.items():
        if only and name not in only:
            continue
        if not kind.applies(scene.run.result):
            if only:
                known = "with" if scene.run.result.has_labels else "without"
                raise DataError(
                    f"The figure {name} is of {kind.of}; the task of this run is "
                    f"{scene.run.result.task!r}, {known} labels."
                )
            continue
        missing = kind.missing(scene)
        if missing and only:
            raise DataError(f"The figure {name} cannot be drawn: {advice(missing)}.")
        own = {} if missing else kind.makers(scene)
        if only and not own:
            raise DataError(f"The figure {name} has nothing to show: no layer has what it draws.")
        found |= own
    return found


def left_out(scene: Scene) -> list[str]:
    """Return how many kinds a run has no data for, and what to do about it: a line for each way.

    Measurements of hardware are left out, which most runs have none of.
    """
    all_missing = [
        set(kind.missing(scene)) for kind in KINDS.values() if kind.applies(scene.run.result)
    ]
    lines = []
    for wanted in ({*RECORDABLE}, {"network"}):
        lacking = [missing & wanted for missing in all_missing if missing & wanted]
        if lacking:
            kinds = "1 more kind of figure" if len(lacking) == 1 else f"{len(lacking)} more kinds"
            lines.append(f"for {kinds}, {advice(set().union(*lacking))}")
    return lines


def advice(missing: Collection[str]) -> str:
    """Return what to do so that something is not missing."""
    said = []
    recordable = [name for name in missing if name not in ("network", PROBES)]
    if recordable:
        said.append(f"run again with {record_flag(recordable)}")
    if "network" in missing:
        said.append("give the converted network with --model FILE.snn")
    if PROBES in missing:
        said.append(f"put measurements into the run's folder {PROBES}/")
    return "; ".join(said)


def probe_files(run: RunView) -> list[Path]:
    """Return the probe files of a run."""
    if run.path is None:
        return []
    folder = run.path / PROBES
    return sorted(path for path in folder.glob("*.*") if path.suffix in (".csv", ".npz"))


def _single(
    name: str, draw: Callable[[Scene], Figure], *, has: str = ""
) -> Callable[[Scene], Mapping[str, Maker]]:
    """Return what makes a figure of the whole run, or of all layers that have an attribute.

    There is none if no layer has it, as the rates of a network without hidden layers.
    """
    return lambda scene: (
        {} if has and not of_layers(scene.run, has) else {name: partial(draw, scene)}
    )


def _per_layer(
    name: str, draw: Callable[[Scene, LayerView], Figure], *, has: str
) -> Callable[[Scene], Mapping[str, Maker]]:
    """Return the makers of one figure of each layer of which ``has`` was recorded."""
    return lambda scene: {
        f"{name}/{layer.name}": partial(draw, scene, layer)
        for layer in scene.run.layers
        if getattr(layer, has) is not None
    }


def of_layers(run: RunView, attribute: str) -> dict[str, Array]:
    """Return something that was recorded of layers, by label."""
    values = {layer.name: getattr(layer, attribute) for layer in run.layers}
    return {name: array for name, array in values.items() if array is not None}


def _error_vs_time(scene: Scene) -> Figure:
    result = scene.run.result
    if not is_of_classes(result):
        measure = measure_of(result)
        return plot_measure_vs_time(measure, samples=result.samples, units=scene.units)
    wrong = result.ann_decision_b != result.labels_b
    if result.task == "binary":  # the best class is the only one
        return plot_error_vs_time(
            result.top1err_b_t, top1err_ann=float(wrong.mean()), units=scene.units
        )
    return plot_error_vs_time(
        result.top1err_b_t,
        result.topkerr_b_t,
        top1err_ann=float(wrong.mean()),
        top5err_ann=float(result.ann_topkerr_b.mean()),
        k=scene.run.settings["simulation"]["top_k"],
        units=scene.units,
    )


def _ops_vs_time(scene: Scene) -> Figure:
    result = scene.run.result
    kinds = {
        "synaptic": result.synaptic_operations_b_t,
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
    run = scene.run
    image, label = np.asarray(run.input_l), int(run.result.labels_b[run.sample])
    if run.result.task not in CLASSES:
        return plot_input_image(image)
    return plot_input_image(
        image,
        label=run.result.class_name(label) if run.result.has_labels else None,
        decided=run.result.class_name(int(run.result.decision_b[run.sample])),
    )


CLASSES = ("classification", "binary")
"""Tasks whose decisions are classes."""


def is_of_classes(result: RunResult) -> bool:
    """Return whether a run decided classes that are known."""
    return result.task in CLASSES and result.has_labels


def _outputs(scene: Scene) -> Figure:
    result = scene.run.result
    if result.has_labels:
        return plot_outputs(result.targets_b_o, result.output_b_o, result.ann_output_b_o)
    return plot_outputs(
        result.ann_output_b_o, result.output_b_o, quantity="output of the analog network"
    )


def _activity(scene: Scene, layer: LayerView) -> Figure:
    rates = scene.units.rates(np.asarray(layer.rates_l))
    return plot_layer_activity(rates, label=layer.name, quantity=f"rate ({scene.units.rate})")


def _network_activations(scene: Scene) -> Figure:
    values = of_layers(scene.run, "activations_l")
    shown = {name: scene.units.rates(a) for name, a in values.items()}
    return plot_activations(shown, quantity=f"activation ({scene.units.rate})")


def _hist(scene: Scene, layer: LayerView) -> Figure:
    data = {"activations": layer.expected_p, "rates": layer.points_p}
    known = {name: scene.units.rates(a) for name, a in data.items() if a is not None}
    return plot_hist(
        known, layer_label=layer.name, quantity=f"rate ({scene.units.rate})", log_counts=True
    )


def _activ_hist(scene: Scene) -> Figure:
    rows = {
        "activations": of_layers(scene.run, "expected_p"),
        "rates": of_layers(scene.run, "points_p"),
    }
    known = {
        name: scene.units.rates(np.concatenate(list(parts.values())))
        for name, parts in rows.items()
        if parts
    }
    return plot_activ_hist(known, quantity=f"rate ({scene.units.rate})", title="all layers")


def _max_activ_hist(scene: Scene, layer: LayerView) -> Figure:
    data = {"largest activation": scene.units.rates(np.asarray(layer.max_activations_b))}
    return plot_max_activ_hist(
        data, layer_label=layer.name, quantity=f"activation ({scene.units.rate})"
    )


def _hist_combined(scene: Scene) -> Figure:
    rates = of_layers(scene.run, "points_p")
    shown = {name: scene.units.rates(a) for name, a in rates.items()}
    return plot_hist_combined(shown, quantity=f"rate ({scene.units.rate})")


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
            found[f"{PROBES}/{path.stem}-{plot.__name__.removeprefix('plot_')}"] = partial(
                plot, probe
            )
    return found


TRAINS, WANTED = "spiketrains", "activations"

KINDS: Mapping[str, Kind] = {
    "error_vs_time": Kind(makers=_single("error_vs_time", _error_vs_time)),
    "ops_vs_time": Kind(makers=_single("ops_vs_time", _ops_vs_time)),
    "confusion_matrix": Kind(
        makers=_single("confusion_matrix", _confusion_matrix),
        of="classes that are known",
        applies=is_of_classes,
    ),
    "outputs": Kind(
        makers=_single("outputs", _outputs),
        of="outputs that are numbers",
        applies=lambda result: result.task == "regression",
    ),
    "input_image": Kind(makers=_single("input_image", _input_image), needs=("input",)),
    "spikecount_vs_time": Kind(
        makers=_single(
            "spikecount_vs_time",
            lambda s: plot_spikecount_vs_time(of_layers(s.run, "spikes_b_t"), units=s.units),
            has="spikes_b_t",
        ),
        needs=(TRAINS,),
    ),
    "spiketrains": Kind(
        makers=_per_layer(
            "spiketrains",
            lambda s, n: plot_spiketrains(
                np.asarray(n.spiketrains_l_t), label=n.name, units=s.units
            ),
            has="spiketrains_l_t",
        ),
        needs=(TRAINS,),
    ),
    "events": Kind(
        makers=_per_layer(
            "events",
            lambda s, n: plot_events(np.asarray(n.spiketrains_l_t), label=n.name, units=s.units),
            has="spiketrains_l_t",
        ),
        needs=(TRAINS,),
    ),
    "activity_frames": Kind(
        makers=_per_layer(
            "activity_frames",
            lambda s, n: plot_activity_frames(
                np.asarray(n.spiketrains_l_t), label=n.name, units=s.units
            ),
            has="spiketrains_l_t",
        ),
        needs=(TRAINS,),
    ),
    "potential": Kind(
        makers=_per_layer(
            "potential",
            lambda s, n: plot_potential(np.asarray(n.mem_l_t), label=n.name, units=s.units),
            has="mem_l_t",
        ),
        needs=("mem",),
    ),
    "activations": Kind(
        makers=_single("activations", _network_activations, has="activations_l"), needs=(WANTED,)
    ),
    "layer_activity": Kind(
        makers=_per_layer("layer_activity", _activity, has="rates_l"), needs=(TRAINS,)
    ),
    "activations_minus_rates": Kind(
        makers=_per_layer(
            "activations_minus_rates",
            lambda s, n: plot_activations_minus_rates(
                np.asarray(n.activations_l), np.asarray(n.rates_l), label=n.name, units=s.units
            ),
            has="rates_l",
        ),
        needs=(TRAINS, WANTED),
    ),
    "layer_correlation": Kind(
        makers=_per_layer(
            "layer_correlation",
            lambda s, n: plot_layer_correlation(
                np.asarray(n.points_p), np.asarray(n.expected_p), label=n.name, units=s.units
            ),
            has="points_p",
        ),
        needs=(TRAINS, WANTED),
    ),
    "network_correlations": Kind(
        makers=_single(
            "network_correlations",
            lambda s: plot_network_correlations(
                of_layers(s.run, "points_p"), of_layers(s.run, "expected_p"), units=s.units
            ),
            has="points_p",
        ),
        needs=(TRAINS, WANTED),
    ),
    "pearson_coefficients": Kind(
        makers=_single(
            "pearson_coefficients",
            lambda s: plot_pearson_coefficients(of_layers(s.run, "pearson_b")),
            has="pearson_b",
        ),
        needs=(TRAINS, WANTED),
    ),
    "layer_summaries": Kind(
        makers=_per_layer(
            "layer_summaries", lambda s, n: plot_layer_summaries(n, units=s.units), has="rates_l"
        ),
        needs=(TRAINS,),
    ),
    "hist": Kind(makers=_per_layer("hist", _hist, has="points_p"), needs=(TRAINS,)),
    "activ_hist": Kind(
        makers=_single("activ_hist", _activ_hist, has="expected_p"), needs=(WANTED,)
    ),
    "max_activ_hist": Kind(
        makers=_per_layer("max_activ_hist", _max_activ_hist, has="max_activations_b"),
        needs=(WANTED,),
    ),
    "hist_combined": Kind(
        makers=_single("hist_combined", _hist_combined, has="points_p"), needs=(TRAINS,)
    ),
    "weight_distribution": Kind(
        makers=_single(
            "weight_distribution",
            lambda s: plot_weight_distribution(s.network),  # type: ignore[arg-type]
        ),
        needs=("network",),
    ),
    "parameter_histogram": Kind(makers=_parameters, needs=("network",)),
    "probes": Kind(makers=_probes, needs=(PROBES,)),
}
"""Every kind of figure of a run, in the order in which they are written."""
