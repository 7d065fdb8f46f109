# ruff: noqa: E402
"""Figures and reports of spiking networks: data in, `matplotlib.figure.Figure` out.

Figures are returned, never shown or saved: ``figure.savefig("name.pdf")``. Data come as arrays, or
from a run through `view`. All functions take times in steps and rates in spikes per step;
`Units` chooses whether steps or milliseconds are shown.
"""

from __future__ import annotations

from importlib.metadata import version
from inspect import isfunction

from snn_core.simulation.statistics import wilson_interval
from snn_plot.backend import import_matplotlib

import_matplotlib()  # before the modules below do

from snn_plot.accuracy import (
    plot_confusion_matrix,
    plot_error_vs_time,
    plot_history,
    plot_param_sweep,
)
from snn_plot.activity import (
    plot_activations,
    plot_activations_minus_rates,
    plot_activity_frames,
    plot_input_image,
    plot_layer_activity,
)
from snn_plot.boundary import explain_misuse
from snn_plot.correlation import (
    plot_correlations,
    plot_layer_correlation,
    plot_network_correlations,
    plot_pearson_coefficients,
)
from snn_plot.graphs import output_graphs
from snn_plot.operations import plot_comparison, plot_ops_vs_time
from snn_plot.outputs import plot_measure_vs_time, plot_outputs
from snn_plot.probes import (
    plot_energy_probe,
    plot_execution_time_probe,
    plot_power_probe,
    plot_probe,
    read_probe,
)
from snn_plot.recorded import view
from snn_plot.report import report_html, write_report
from snn_plot.scene import Scene
from snn_plot.spikes import (
    plot_events,
    plot_potential,
    plot_spikecount_vs_time,
    plot_spiketrains,
)
from snn_plot.summary import plot_layer_summaries
from snn_plot.units import Units
from snn_plot.weights import (
    plot_activ_hist,
    plot_hist,
    plot_hist_combined,
    plot_max_activ_hist,
    plot_parameter_histogram,
    plot_weight_distribution,
)

__version__ = version("snn-plot")

__all__ = [
    "Scene",
    "Units",
    "output_graphs",
    "plot_activ_hist",
    "plot_activations",
    "plot_activations_minus_rates",
    "plot_activity_frames",
    "plot_comparison",
    "plot_confusion_matrix",
    "plot_correlations",
    "plot_energy_probe",
    "plot_error_vs_time",
    "plot_events",
    "plot_execution_time_probe",
    "plot_hist",
    "plot_hist_combined",
    "plot_history",
    "plot_input_image",
    "plot_layer_activity",
    "plot_layer_correlation",
    "plot_layer_summaries",
    "plot_max_activ_hist",
    "plot_measure_vs_time",
    "plot_network_correlations",
    "plot_ops_vs_time",
    "plot_outputs",
    "plot_param_sweep",
    "plot_parameter_histogram",
    "plot_pearson_coefficients",
    "plot_potential",
    "plot_power_probe",
    "plot_probe",
    "plot_spikecount_vs_time",
    "plot_spiketrains",
    "plot_weight_distribution",
    "read_probe",
    "report_html",
    "view",
    "wilson_interval",
    "write_report",
]

for _name in __all__:
    if isfunction(globals()[_name]):
        globals()[_name] = explain_misuse(globals()[_name])
