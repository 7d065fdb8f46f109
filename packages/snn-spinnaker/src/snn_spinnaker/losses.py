"""What the board's numbers and neurons change in a network, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from snn_spinnaker.layout import BoardNetwork
from snn_spinnaker.models import NEGLIGIBLE_TAIL

LEAK_TOLD = 0.01
"""Part of an output's potentials whose loss by leaking is told."""

WORDS = {
    "weights": "weights change",
    "thresholds": "thresholds change",
    "biases": "biases change",
    "currents": "constant currents change",
    "spikes": "spikes are larger",
}
"""What changes in a layer."""


def describe_rounding(board: BoardNetwork, currents: Mapping[str, float]) -> str:
    """Return which layer loses most by rounding, and of what.

    Parameters
    ----------
    currents
        By how much each layer's constant currents changed in what was simulated so far.
    """
    lost = {
        (item.name, what): value
        for item in board.populations
        for what, value in item.rounding.items()
    }
    lost |= {(name, "currents"): value for name, value in currents.items()}
    (name, what), value = max(lost.items(), key=lambda entry: entry[1])
    return f"{name} loses most, its {WORDS[what]} by {value:.2%}"


def describe_departures(board: BoardNetwork) -> dict[str, str]:
    """Return how neurons differ noticeably from those of the network; usually not at all."""
    found = {}
    cell = max((item.cell for item in board.populations), key=lambda cell: cell.tail)
    if cell.tail > NEGLIGIBLE_TAIL:
        fits = board.dt_ms / math.log(1 / NEGLIGIBLE_TAIL)
        found["synapses"] = (
            f"{cell.tail:.1%} of a spike's charge comes after its tick, as spinnaker.tau_syn = "
            f"{cell.tau_syn:g} is long for ticks of {board.dt_ms:g} ms: layers spike later, and "
            f"less often with a reset to zero; up to {fits:.2g} ms it is less than "
            f"{NEGLIGIBLE_TAIL:.0%}"
        )
    outputs = [item for item in board.populations if not item.fires]
    for item in outputs:
        lost = leaked(item.cell.leak, board.num_steps)
        if lost >= LEAK_TOLD:
            found["leak"] = (
                f"potentials of {item.name} are {lost:.1%} too small after {board.num_steps} steps "
                f"of even input, as they leak; simulate fewer steps, or convert with readout = "
                f"'counts'"
            )
    return found


def leaked(leak: float, steps: int) -> float:
    """Return the part of a potential that is lost after some steps of even input.

    With a factor E per step it is ``1 - (1 - E**n) / (n (1 - E))``.
    """
    return 1 + math.expm1(steps * math.log1p(-leak)) / (steps * leak) if leak else 0.0
