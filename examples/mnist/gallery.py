"""Draw one figure with every plotting function from runs of the demo network: docs/gallery.md.

    python gallery.py                     into docs/; needs snn-inisim and snn-plot
    python gallery.py --runs FOLDER       where the runs are kept (default: results/gallery)

Runs that are there already are not simulated again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.progress import track

import snn_plot
from snn_core import convert, run
from snn_core.conversion import preset
from snn_core.data import Dataset, load_dataset
from snn_core.errors import SNNError
from snn_core.files import make_folder
from snn_core.ir import InputData, Network
from snn_core.running.result import RunFolder, RunResult
from snn_core.settings import Settings
from snn_plot.graphs import Scene, of_layers
from snn_plot.recorded import RunView

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
SAMPLES = 100
PICOJOULES = 0.9
"""Energy of a float32 addition in 45 nm (M. Horowitz, Computing's energy problem, ISSCC 2014)."""

RUNS = (
    ("seed-100-inisim", "seed", 100, "inisim", "temporal_mean_rate", "all"),
    ("fast-32-inisim", "fast", 32, "inisim", "temporal_mean_rate", []),
    ("seed-50-reference", "seed", 50, "reference", "temporal_mean_rate", []),
    ("ttfs-100-inisim", "fast", 100, "inisim", "ttfs", []),
    ("ttfs-exact-inisim", "fast", 32, "inisim", "ttfs_exact", []),
)
"""Name, preset, steps (of each window in the exact code), simulator, spike code and recorded
variables; the first run is shown in most figures."""

PERCENTILES = (80.0, 90.0, 95.0, 99.0, 99.9, 100.0)

Gallery = dict[str, tuple[Callable[[], Figure], str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=HERE / "results" / "gallery")
    arguments = parser.parse_args()
    networks, results = {}, {}
    for name, *choice in track(RUNS, description="simulating", transient=True):
        networks[name], results[name] = simulated(arguments.runs / name, *choice)
    first = RUNS[0][0]
    shown = snn_plot.view(arguments.runs / first)
    write_probes(arguments.runs / "probes", results[first])
    gallery = figures(shown, networks[first], results, arguments.runs)
    make_folder(DOCS / "gallery")
    for name, (draw, _) in track(gallery.items(), description="drawing", transient=True):
        draw().savefig(DOCS / "gallery" / f"{name}.png", dpi=130)
    (DOCS / "gallery.md").write_text(page(gallery), encoding="utf-8")
    print(f"{len(gallery)} figures in {DOCS / 'gallery'}")
    return 0


def settings_of(name: str, timesteps: int, code: str, log_vars: object) -> Settings:
    sections = {
        "conversion": {"spike_code": code, "window_steps": timesteps},
        "simulation": {"duration": timesteps, "num_to_test": SAMPLES, "batch_size": 50},
        "output": {"log_vars": log_vars},
    }
    return Settings.load(HERE / "settings.toml", base=preset(name)).updated(sections)


def calibration() -> Dataset:
    return load_dataset(HERE / "data" / "calibration.npz")


def simulated(
    folder: Path, name: str, timesteps: int, simulator: str, code: str, log_vars: object
) -> tuple[Network, RunResult]:
    """Return a converted network and its run, kept in a folder."""
    settings = settings_of(name, timesteps, code, log_vars)
    network = convert(HERE / "model.keras", calibration().x_b_l, settings=settings)
    data = HERE / "data" / "test.npz"
    result = run(
        network, simulator, data=data, settings=settings, output_dir=folder, resume=folder.exists()
    )
    return network, result


def swept() -> list[float]:
    """Return the accuracy after 30 steps for each percentile of the normalization."""
    found = []
    for percentile in PERCENTILES:
        settings = settings_of("seed", 30, "temporal_mean_rate", []).updated(
            {"normalization": {"percentile": percentile}}
        )
        network = convert(HERE / "model.keras", calibration().x_b_l, settings=settings)
        found.append(run(network, data=HERE / "data" / "test.npz", settings=settings).accuracy)
    return found


def trained() -> dict[str, list[float]]:
    """Return the history of training the demo network anew on the 500 calibration images."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.models.clone_model(keras.models.load_model(HERE / "model.keras"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    test = load_dataset(HERE / "data" / "test.npz")
    training = calibration()
    scaled = InputData().as_floats
    history = model.fit(
        scaled(training.x_b_l),
        training.labels_b,
        validation_data=(scaled(test.x_b_l), test.labels_b),
        epochs=12,
        batch_size=25,
        verbose=0,
    )
    return history.history


def write_probes(folder: Path, result: RunResult) -> None:
    """Write tables as hardware would: energy estimated from operations, and times of batches."""
    make_folder(folder)
    energy_uj = result.synaptic_operations_b_t.mean(axis=0) * PICOJOULES * 1e-6
    neurons_uj = result.neuron_operations_b_t.mean(axis=0) * PICOJOULES * 1e-6
    steps = np.arange(1, result.timesteps + 1)
    table(folder / "energy.csv", time_ms=steps, synapses_uj=energy_uj, neurons_uj=neurons_uj)
    # 1 µJ in a step of 1 ms is 1 mW.
    table(folder / "power.csv", time_ms=steps, synapses_mw=energy_uj, neurons_mw=neurons_uj)


def write_times(folder: Path) -> None:
    """Measure how long INIsim and scoring take for one image after the other."""
    settings = settings_of("fast", 16, "temporal_mean_rate", []).updated(
        {"simulation": {"batch_size": 1, "num_to_test": 40}}
    )
    network = convert(HERE / "model.keras", calibration().x_b_l, settings=settings)
    finished = [time.perf_counter()]
    out = folder.parent / "one-by-one"
    shutil.rmtree(out, ignore_errors=True)
    run(
        network,
        data=HERE / "data" / "test.npz",
        settings=settings,
        output_dir=out,
        progress=lambda *_: finished.append(time.perf_counter()),
    )
    simulation = np.array([batch.values["simulate_s"][0] for batch in RunFolder(out).batches()])
    rest = np.diff(finished) - simulation
    # The first image includes compilation.
    steps = np.arange(1, len(simulation))
    columns = {"simulation_ms": 1000 * simulation[1:], "scoring_and_saving_ms": 1000 * rest[1:]}
    table(folder / "times.csv", step=steps, **columns)


def table(path: Path, **columns: np.ndarray) -> None:
    rows = np.stack(list(columns.values()), axis=1)
    np.savetxt(path, rows, delimiter=",", header=",".join(columns), comments="", fmt="%.6g")


def figures(shown: RunView, network: Network, results: dict[str, RunResult], runs: Path) -> Gallery:
    """Return name to drawing function and caption."""
    graphs = snn_plot.graphs.makers(Scene(run=shown, network=network))
    conv, deep, output = (shown.layers[i].name for i in (0, 3, -1))
    layer = shown[deep]

    def of_run(name: str) -> Callable[[], Figure]:
        return graphs[name]

    rates, wanted = of_layers(shown, "points_p"), of_layers(shown, "expected_p")
    scale = float(np.max(network.scale_facs[conv]))
    source = {"analog": wanted[conv] * scale, "scaled": wanted[conv]}
    write_times(runs / "probes")
    probes = {
        name: snn_plot.read_probe(runs / "probes" / f"{name}.csv")
        for name in ("energy", "power", "times")
    }
    estimated = f"Estimated from the run's operations, {PICOJOULES} pJ each."
    sample = "of the first image."
    return {
        "plot_error_vs_time": (of_run("error_vs_time"), "Errors after each step."),
        "plot_ops_vs_time": (of_run("ops_vs_time"), "Operations up to each step."),
        "plot_comparison": (
            lambda: snn_plot.plot_comparison(results),
            "Presets, spike codes and simulators compared: `snn plot --compare RUN_A RUN_B`.",
        ),
        "plot_confusion_matrix": (of_run("confusion_matrix"), "Decisions by true class."),
        "plot_input_image": (of_run("input_image"), "The first image, and its decision."),
        "plot_spiketrains": (of_run(f"spiketrains/{conv}"), f"Spikes of `{conv}` {sample}"),
        "plot_potential": (of_run(f"potential/{output}"), f"Potentials of `{output}` {sample}"),
        "plot_spikecount_vs_time": (of_run("spikecount_vs_time"), "Spikes of each layer."),
        "plot_activations": (of_run("activations"), f"Activations of the analog network {sample}"),
        "plot_layer_activity": (of_run(f"layer_activity/{conv}"), f"Rates of `{conv}` {sample}"),
        "plot_activations_minus_rates": (
            of_run(f"activations_minus_rates/{shown.layers[1].name}"),
            f"By how much the rates of `{shown.layers[1].name}` miss the activations.",
        ),
        "plot_layer_summaries": (of_run(f"layer_summaries/{deep}"), f"All about `{deep}`."),
        "plot_layer_correlation": (
            of_run(f"layer_correlation/{deep}"), f"Rates of `{deep}` over activations, all images.",
        ),
        "plot_network_correlations": (of_run("network_correlations"), "The same of all layers."),
        "plot_correlations": (
            lambda: snn_plot.plot_correlations(
                np.asarray(layer.mean_activations_l), np.asarray(layer.mean_rates_l),
                label_a="mean activation (spikes/step)", label_b="mean rate (spikes/step)",
            ),
            f"Any two arrays: here means over all images of `{deep}`.",
        ),
        "plot_pearson_coefficients": (
            of_run("pearson_coefficients"), "Correlation of rates and activations, image by image.",
        ),
        "plot_hist": (of_run(f"hist/{conv}"), f"Activations and rates of `{conv}`."),
        "plot_activ_hist": (
            lambda: snn_plot.plot_activ_hist(source, layer_label=conv, scale_fac=scale),
            f"Activations of `{conv}` before and after normalization.",
        ),
        "plot_max_activ_hist": (of_run(f"max_activ_hist/{conv}"), "Largest activation per image."),
        "plot_hist_combined": (
            lambda: snn_plot.plot_hist_combined(rates, quantity="rate (spikes/step)"),
            "Rates of all layers.",
        ),
        "plot_weight_distribution": (of_run("weight_distribution"), "Weights of all layers."),
        "plot_parameter_histogram": (
            of_run(f"parameter_histogram/{deep}"), f"Weights and biases of `{deep}`.",
        ),
        "plot_param_sweep": (
            lambda: snn_plot.plot_param_sweep(
                swept(), SAMPLES, PERCENTILES, param_name="normalization percentile (%)"
            ),
            "Accuracy after 30 steps over the percentile of the normalization.",
        ),
        "plot_history": (
            lambda: snn_plot.plot_history(trained()), "Training anew on 500 images only.",
        ),
        "plot_probe": (lambda: snn_plot.plot_probe(probes["energy"]), estimated),
        "plot_energy_probe": (lambda: snn_plot.plot_energy_probe(probes["energy"]), estimated),
        "plot_power_probe": (lambda: snn_plot.plot_power_probe(probes["power"]), estimated),
        "plot_execution_time_probe": (
            lambda: snn_plot.plot_execution_time_probe(probes["times"]),
            "Time that each image took on this machine, one by one: a step is an image here.",
        ),
    }  # fmt: skip


def page(gallery: Gallery) -> str:
    """Return the page that shows all figures."""
    lines = [
        "# Gallery",
        "",
        "Every plotting function of [snn-plot](../packages/snn-plot/README.md), drawn from runs of",
        f"the [demo network](../examples/mnist/README.md) on {SAMPLES} test images, most of them",
        "of the preset `seed` with 100 steps on INIsim. `python examples/mnist/gallery.py` draws",
        "all anew and writes this page.",
    ]
    for name, (_, caption) in gallery.items():
        lines += ["", f"## {name}", "", caption, "", f"![{name}](gallery/{name}.png)"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SNNError as error:
        sys.exit(f"Error: {error}")
