"""All spike codes on the network of examples/mnist: accuracy, spikes and operations.

    python benchmarks/spike_codes.py [--samples 1000] [--only ttfs_exact]

Each row is one conversion with the preset ``fast`` and the settings that the row names, simulated
on INIsim. *Synaptic* operations are additions caused by spikes (two for each spike of a pattern);
*updates* are those of neurons, and the multiplications of the first layer, which the rate and spike
time codes compute once for a sample. Spikes per neuron leave out the input and the output.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from snn_core import convert, run
from snn_core.conversion import preset
from snn_core.data import load_dataset
from snn_core.running.result import RunResult

MNIST = Path(__file__).resolve().parents[1] / "examples" / "mnist"


@dataclass(frozen=True)
class Row:
    """One conversion.

    Parameters
    ----------
    code
        Spike code.
    steps
        Time steps of the codes that leave them open, or 0.
    changes
        Other settings of the conversion.
    """

    code: str
    steps: int = 0
    changes: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("temporal_mean_rate", 8),
    Row("temporal_mean_rate", 32),
    Row("temporal_pattern", changes={"num_bits": 8}),
    Row("temporal_pattern", changes={"num_bits": 4}),
    Row("ttfs", 100),
    Row("ttfs_dyn_thresh", 100),
    Row("ttfs_corrective", 100),
    Row("ttfs_exact", changes={"window_steps": 8}),
    Row("ttfs_exact", changes={"window_steps": 32}),
    Row("ttfs_exact", changes={"window_steps": 0}),
)


def simulate(row: Row, *, samples: int) -> RunResult:
    """Convert and simulate."""
    settings = preset("fast").updated(
        {
            "conversion": {"spike_code": row.code, **row.changes},
            "simulation": {"num_to_test": samples, "batch_size": 100},
        }
    )
    if row.steps:
        steps = {"normalization": {"timesteps": row.steps}, "simulation": {"duration": row.steps}}
        settings = settings.updated(steps)
    calibration = load_dataset(MNIST / "data" / "calibration.npz")
    network = convert(MNIST / "model.keras", calibration.x_b_l, settings=settings)
    return run(network, "inisim", data=MNIST / "data" / "test.npz")


def line(row: Row, result: RunResult) -> str:
    """Return a row of the table."""
    letter = {"temporal_pattern": "B", "ttfs_exact": "S"}.get(row.code, "T")
    number = row.steps or next(iter(row.changes.values())) or "continuous"
    hidden = sum(result.metadata["num_neurons"][1:-1])
    spikes = result.spikes_b_n[:, :-1].sum() / (result.samples * hidden)
    cells = (
        f"`{row.code}`",
        f"{letter} = {number}",
        f"{result.timesteps}",
        f"{result.accuracy:.2%}",
        f"{result.agreement:.2%}",
        f"{spikes:.3f}",
        f"{result.synaptic_operations_per_sample:,.0f}",
        f"{result.neuron_operations_per_sample:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000, help="number of test images")
    parser.add_argument("--only", default="", help="only the rows of this code")
    arguments = parser.parse_args()
    heads = ("code", "", "steps", "accuracy", "as the ANN", "spikes / neuron")
    heads += ("synaptic operations", "updates")
    print("| " + " | ".join(heads) + " |")
    print("| --- " * len(heads) + "|")
    for row in ROWS:
        if arguments.only in ("", row.code):
            print(line(row, simulate(row, samples=arguments.samples)), flush=True)


if __name__ == "__main__":
    main()
