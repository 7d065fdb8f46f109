"""Compare what several simulators decided on the same model and data.

    python tools/agreement.py REFERENCE_RESULT RESULT...

Each argument is a folder that ``snn run -o`` wrote. Networks with trained float32 weights are
summed in different orders by different simulators, so that a neuron whose potential ties with
its threshold may spike a step earlier or later; a few samples near a class boundary may then be
decided differently. Exact equality is the matter of the conformance tests, whose weights cannot
round.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

LEAST_AGREEMENT = 0.98


def agreement(decision_b: np.ndarray[Any, Any], reference_b: np.ndarray[Any, Any]) -> float:
    """Return the share of samples, in [0, 1], on which two simulators decide alike.

    A slow simulator may have seen the first samples only.

    Raises
    ------
    ValueError
        If it saw more samples than the reference, or none.
    """
    if decision_b.size > reference_b.size or decision_b.size == 0:
        raise ValueError(
            f"found {decision_b.size} decisions, expected up to {reference_b.size} and at least "
            "one: run both on the same data"
        )
    return float(np.mean(decision_b == reference_b[: decision_b.size]))


def main(arguments: list[str]) -> int:
    """Print one line per result and return 1 if any agrees too little with the reference."""
    from snn_core.running.result import RunResult

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--least", type=float, default=LEAST_AGREEMENT)
    options = parser.parse_args(arguments)
    reference_b = np.asarray(RunResult.load(options.reference).decision_b)
    poor = 0
    for folder in options.results:
        decision_b = np.asarray(RunResult.load(folder).decision_b)
        share = agreement(decision_b, reference_b)
        poor += share < options.least
        verdict = "ok" if share >= options.least else f"below {options.least:.1%}"
        print(f"{folder.name:30s} {share:8.2%} of {decision_b.size} decisions alike: {verdict}")
    return int(poor > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
