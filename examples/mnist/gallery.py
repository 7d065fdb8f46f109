"""Draw one figure with every plotting function from runs of the demo network: docs/gallery.md.

The captions are in gallery_captions.py.

    python gallery.py                     into docs/; needs snn-inisim and snn-plot
    python gallery.py --runs FOLDER       where the runs are kept (default: results/gallery)

Runs that are there already are not simulated again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from gallery_captions import CAPTIONS
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
from snn_plot.graphs import makers
from snn_plot.recorded import RunView
from snn_plot.scene import Scene

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
SAMPLES = 100
DOTS = 200
"""Dots per inch: a figure of a printed column's width has 700 pixels."""
PICOJOULES = 0.9
"""Energy of a float32 addition in 45 nm (M. Horowitz, Computing's energy problem, ISSCC 2014)."""

RUNS = (
    ("seed-100-inisim", "seed", 100, "inisim", "temporal_mean_rate", "all", SAMPLES),
    ("fast-32-inisim", "fast", 32, "inisim", "temporal_mean_rate", [], SAMPLES),
    ("seed-50-reference", "seed", 50, "reference", "temporal_mean_rate", [], SAMPLES),
    ("ttfs-100-inisim", "fast", 100, "inisim", "ttfs", [], SAMPLES),
    ("ttfs-exact-inisim", "fast", 32, "inisim", "ttfs_exact", [], SAMPLES),
    ("fast-16-thousand", "fast", 16, "inisim", "temporal_mean_rate", [], 1000),
)
"""Name, preset, steps (of each window in the exact code), simulator, spike code, recorded variables
and samples. The first run is shown in most figures, the last in those of all samples."""

PERCENTILES = (80.0, 90.0, 95.0, 99.0, 99.9, 100.0)

Gallery = dict[str, tuple[Callable[[], Figure], str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=HERE / "results" / "gallery")
    arguments = parser.parse_args()
    networks, results = {}, {}
    for name, *choice in track(RUNS, description="simulating", transient=True):
        networks[name], results[name] = simulated(arguments.runs / name, *choice)
    write_probes(arguments.runs / "probes", results[RUNS[0][0]])
    gallery = figures(networks[RUNS[0][0]], results, arguments.runs)
    make_folder(DOCS / "gallery")
    for name, (draw, _) in track(gallery.items(), description="drawing", transient=True):
        draw().savefig(DOCS / "gallery" / f"{name}.png", dpi=DOTS)
    (DOCS / "gallery.md").write_text(page(gallery), encoding="utf-8")
    print(f"{len(gallery)} figures in {DOCS / 'gallery'}")
    return 0


def settings_of(
    name: str, timesteps: int, code: str, log_vars: object, samples: int = SAMPLES
) -> Settings:
    sections = {
        "conversion": {"spike_code": code, "window_steps": timesteps},
        "simulation": {"duration": timesteps, "num_to_test": samples, "batch_size": 50},
        "output": {"log_vars": log_vars},
    }
    return Settings.load(HERE / "settings.toml", base=preset(name)).updated(sections)


def calibration() -> Dataset:
    return load_dataset(HERE / "data" / "calibration.npz")


def simulated(
    folder: Path,
    name: str,
    timesteps: int,
    simulator: str,
    code: str,
    log_vars: object,
    samples: int,
) -> tuple[Network, RunResult]:
    """Return a converted network and its run, kept in a folder."""
    settings = settings_of(name, timesteps, code, log_vars, samples)
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


def measured(folder: Path) -> RunView:
    """Return the run of a network whose outputs are numbers: how high and wide a digit is."""
    import keras

    keras.utils.set_random_seed(0)
    test, training = load_dataset(HERE / "data" / "test.npz"), calibration()
    layers = [keras.Input(test.x_b_l.shape[1:]), keras.layers.Flatten()]
    layers += [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    scaled = InputData().as_floats
    model.fit(scaled(training.x_b_l), extents(training.x_b_l), epochs=60, verbose=0)
    settings = Settings.load(HERE / "settings.toml", base=preset("fast")).updated(
        {"simulation": {"duration": 64, "num_to_test": SAMPLES}}
    )
    network = convert(model, training.x_b_l, settings=settings)
    data = (test.x_b_l, extents(test.x_b_l))
    run(network, data=data, settings=settings, output_dir=folder, resume=folder.exists())
    return snn_plot.view(folder)


def extents(x_b_h_w_c: np.ndarray) -> np.ndarray:
    """Return the spread of each image's ink along rows and columns, in tens of pixels."""
    ink = x_b_h_w_c[..., 0].astype(np.float64)
    ink /= ink.sum(axis=(1, 2), keepdims=True)
    spreads = []
    for axis in (1, 2):
        share = ink.sum(axis=3 - axis)
        places = np.arange(share.shape[1])
        mean = share @ places
        spreads.append(np.sqrt((share * (places - mean[:, None]) ** 2).sum(axis=1)))
    return np.stack(spreads, axis=1).astype(np.float32) / 10


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
    samples = np.arange(1, len(simulation))
    columns = {"simulation_ms": 1000 * simulation[1:], "scoring_and_saving_ms": 1000 * rest[1:]}
    table(folder / "times.csv", sample=samples, **columns)


def table(path: Path, **columns: np.ndarray) -> None:
    rows = np.stack(list(columns.values()), axis=1)
    np.savetxt(path, rows, delimiter=",", header=",".join(columns), comments="", fmt="%.6g")


def figures(network: Network, results: dict[str, RunResult], runs: Path) -> Gallery:
    """Return name to drawing function; captions are in `gallery_captions.py`."""
    first, last = RUNS[0][0], RUNS[-1][0]
    shown = snn_plot.view(runs / first)
    graphs = makers(Scene(run=shown, network=network))
    of_all = makers(Scene(run=snn_plot.view(runs / last)))
    numbers = makers(Scene(run=measured(runs / "measured")))
    conv, pooled, deep, output = (shown.layers[i].name for i in (0, 1, 3, -1))
    layer = shown[deep]
    scale = float(np.max(network.scale_facs[conv]))
    wanted = np.asarray(shown[conv].expected_p)
    write_times(runs / "probes")
    probes = {
        name: snn_plot.read_probe(runs / "probes" / f"{name}.csv")
        for name in ("energy", "power", "times")
    }
    draw = {
        "error_vs_time": of_all["error_vs_time"],
        "confusion_matrix": of_all["confusion_matrix"],
        "comparison": lambda: snn_plot.plot_comparison(
            {name: result for name, result in results.items() if name != last}
        ),
        "measure_vs_time": numbers["error_vs_time"],
        "outputs": numbers["outputs"],
        "correlations": lambda: snn_plot.plot_correlations(
            np.asarray(layer.mean_activations_l), np.asarray(layer.mean_rates_l),
            label_a="mean activation (spikes/step)", label_b="mean rate (spikes/step)",
        ),
        "activ_hist": lambda: snn_plot.plot_activ_hist(
            {"analog": wanted * scale, "scaled": wanted}, layer_label=conv, scale_fac=scale
        ),
        "param_sweep": lambda: snn_plot.plot_param_sweep(
            swept(), SAMPLES, PERCENTILES, param_name="normalization percentile (%)", evenly=True
        ),
        "history": lambda: snn_plot.plot_history(trained()),
        "probe": lambda: snn_plot.plot_probe(probes["energy"]),
        "energy_probe": lambda: snn_plot.plot_energy_probe(probes["energy"]),
        "power_probe": lambda: snn_plot.plot_power_probe(probes["power"]),
        "execution_time_probe": lambda: snn_plot.plot_execution_time_probe(probes["times"]),
    }  # fmt: skip
    layers = {"potential": output, "activity_frames": conv, "spiketrains": conv, "events": conv,
              "layer_activity": conv, "activations_minus_rates": pooled, "hist": conv,
              "max_activ_hist": conv}  # fmt: skip
    for name in CAPTIONS:
        kind = name.removeprefix("plot_")
        if kind not in draw:
            draw[kind] = graphs.get(kind) or graphs[f"{kind}/{layers.get(kind, deep)}"]
    return {name: (draw[name.removeprefix("plot_")], said) for name, said in CAPTIONS.items()}


def page(gallery: Gallery) -> str:
    """Return the page that shows all figures."""
    lines = [
        "# Gallery",
        "",
        "Every plotting function of [snn-plot](../packages/snn-plot/README.md), drawn from runs of",
        f"the [demo network](../examples/mnist/README.md), most of them on {SAMPLES} test images",
        "with the preset `seed` and 100 steps on INIsim. Each caption says what a good one looks",
        "like. The uppermost line of a figure names the run, and the sample where it shows one.",
        "`python examples/mnist/gallery.py` draws all anew and writes this page.",
    ]
    for name, (_, caption) in gallery.items():
        picture = f"![{name}](gallery/{name}.png)"
        lines += ["", f"## {name}", "", *textwrap.wrap(caption, 96), "", picture]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SNNError as error:
        sys.exit(f"Error: {error}")
