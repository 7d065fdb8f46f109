"""One drawing of every plotting function on small dyadic data, for several tests."""

from __future__ import annotations

import numpy as np

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
from snn_plot.correlation import (
    plot_correlations,
    plot_layer_correlation,
    plot_network_correlations,
    plot_pearson_coefficients,
)
from snn_plot.operations import plot_comparison, plot_ops_vs_time
from snn_plot.probes import (
    Probe,
    plot_energy_probe,
    plot_execution_time_probe,
    plot_power_probe,
    plot_probe,
)
from snn_plot.recorded import LayerView
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

STEPS = 16
CONV, DENSE = "00Conv2D_4x4x6", "01Dense_40"


def sixteenths(*shape: int, seed: int = 0) -> np.ndarray:
    """Return numbers from 0 to 15/16."""
    return np.random.default_rng([3, seed]).integers(0, 16, shape) / 16


def trains(expected_l: np.ndarray) -> np.ndarray:
    """Return the spike trains of neurons with these constant inputs, which are sixteenths."""
    total_l_t = expected_l[..., None] * np.arange(1, STEPS + 1)
    return np.diff(np.floor(total_l_t), prepend=0, axis=-1).astype(np.int8)


def drawings(network, result) -> dict:
    """Return name to a function that draws; the run and its network are given."""
    wanted, wanted_dense = sixteenths(4, 4, 6), sixteenths(40, seed=1)
    spikes, spikes_dense = trains(wanted), trains(wanted_dense)
    rates, rates_dense = spikes.mean(axis=-1) * 7 / 8, spikes_dense.mean(axis=-1)
    errors = np.arange(STEPS) < 2 * np.arange(8)[:, None]
    both = {CONV: wanted, DENSE: wanted_dense}
    mem = wanted_dense[:10, None] * np.arange(1, STEPS + 1) % 1
    negative = spikes_dense[:10] * np.where(np.arange(10) % 3, 1, -1)[:, None]
    signs = np.where(np.arange(6) % 3, 1, -1)[:, None]
    operations = 64 * np.arange(1, STEPS + 1) + 1024 * sixteenths(8, STEPS, seed=2)
    labels, decided = np.arange(40) % 4, np.where(np.arange(40) % 7, np.arange(40) % 4, -1)
    probe = Probe(
        name="chip.csv",
        time_t=np.arange(1.0, 17),
        time_name="time_ms",
        values={
            "spiking_us": 10 + 4 * sixteenths(16, seed=3),
            "management_us": 5 + sixteenths(16, seed=4),
            "static_mw": np.full(16, 8.0),
            "dynamic_mw": 16 * sixteenths(16, seed=5),
            "chip_uj": 4 * sixteenths(16, seed=6),
        },
    )
    history = {
        "loss": [1, 0.5, 0.25, 0.125],
        "val_loss": [1, 0.75, 0.5, 0.5],
        "accuracy": [0.5, 0.75, 0.875, 0.9375],
        "val_accuracy": [0.5, 0.625, 0.75, 0.75],
    }
    layer = LayerView(
        name=CONV, neurons=96, spiketrains_l_t=spikes, rates_l=rates, activations_l=wanted
    )
    counts = {CONV: spikes.sum(axis=(0, 1, 2))[None], DENSE: negative.sum(axis=0)[None] ** 2}
    return {
        "layer_activity": lambda: plot_layer_activity(rates, label=CONV),
        "activations": lambda: plot_activations(both),
        "activations_minus_rates": lambda: plot_activations_minus_rates(wanted, rates, label=CONV),
        "input_image": lambda: plot_input_image(sixteenths(6, 6, 1, seed=7), label=3, decided=5),
        "layer_summaries": lambda: plot_layer_summaries(layer),
        "spiketrains": lambda: plot_spiketrains(negative, label=DENSE),
        "events": lambda: plot_events(spikes * signs, label=CONV),
        "activity_frames": lambda: plot_activity_frames(spikes, label=CONV),
        "potential": lambda: plot_potential(mem, label=DENSE),
        "spikecount_vs_time": lambda: plot_spikecount_vs_time(counts),
        "layer_correlation": lambda: plot_layer_correlation(rates, wanted, label=CONV),
        "network_correlations": lambda: plot_network_correlations(
            {CONV: rates, DENSE: rates_dense}, both
        ),
        "correlations": lambda: plot_correlations(wanted, rates),
        "pearson_coefficients": lambda: plot_pearson_coefficients(
            {CONV: 1 - sixteenths(20) / 64, DENSE: np.full(20, np.nan)}
        ),
        "error_vs_time": lambda: plot_error_vs_time(
            errors, errors[::-1] & errors, top1err_ann=1 / 16, top5err_ann=0.0
        ),
        "confusion_matrix": lambda: plot_confusion_matrix(labels, decided),
        "param_sweep": lambda: plot_param_sweep(
            [0.5, 0.75, 1.0], 64, [1, 2, 4], param_name="time constant (ms)"
        ),
        "history": lambda: plot_history(history),
        "ops_vs_time": lambda: plot_ops_vs_time(operations, operations_ann=8192),
        "comparison": lambda: plot_comparison({"one": result, "two": result}),
        "hist": lambda: plot_hist({"a": wanted, "b": rates}, layer_label=CONV, scale_fac=0.75),
        "activ_hist": lambda: plot_activ_hist(both),
        "max_activ_hist": lambda: plot_max_activ_hist({"test": sixteenths(50)}),
        "hist_combined": lambda: plot_hist_combined(both),
        "weight_distribution": lambda: plot_weight_distribution(network),
        "parameter_histogram": lambda: plot_parameter_histogram(
            wanted - 0.5, rates_dense, label=CONV
        ),
        "probe": lambda: plot_probe(probe),
        "execution_time_probe": lambda: plot_execution_time_probe(probe),
        "energy_probe": lambda: plot_energy_probe(probe),
        "power_probe": lambda: plot_power_probe(probe),
    }
