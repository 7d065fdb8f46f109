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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LEAST_AGREEMENT = 0.98


def agreement(decisions: Mapping[int, int], reference: Mapping[int, int]) -> float:
    """Return the share of samples, in [0, 1], on which two simulators decide alike.

    A slow simulator may have seen some of the samples only.

    Parameters
    ----------
    decisions, reference
        Index of each sample in its data set to what was decided.

    Raises
    ------
    ValueError
        If it saw samples that the reference did not, or none.
    """
    if not decisions or not decisions.keys() <= reference.keys():
        raise ValueError(
            f"found decisions on {len(decisions)} samples, expected at least one, and only such as "
            f"the reference saw ({len(reference)}): run both on the same data"
        )
    alike = sum(decisions[sample] == reference[sample] for sample in decisions)
    return alike / len(decisions)


def decisions_of(result: Any) -> dict[int, int]:
    """Return the index of each sample of a run to what was decided."""
    pairs = zip(result.sample_ids_b, result.decision_b, strict=True)
    return {int(sample): int(decision) for sample, decision in pairs}


def main(arguments: list[str]) -> int:
    """Print one line per result and return 1 if any agrees too little with the reference."""
    from snn_core.running.result import RunResult

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--least", type=float, default=LEAST_AGREEMENT)
    options = parser.parse_args(arguments)
    reference = decisions_of(RunResult.load(options.reference))
    poor = 0
    for folder in options.results:
        decisions = decisions_of(RunResult.load(folder))
        share = agreement(decisions, reference)
        poor += share < options.least
        verdict = "ok" if share >= options.least else f"below {options.least:.1%}"
        print(f"{folder.name:30s} {share:8.2%} of {len(decisions)} decisions alike: {verdict}")
    return int(poor > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
