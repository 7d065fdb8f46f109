"""Models, updates, thresholds and resets, in Brian2's notation.

All state is dimensionless. Each layer is updated by four actions, ordered layer by layer within a
step, so that a spike passes through the whole network at once: *update* adds the input that has
arrived to the potential, Brian2's *threshold* and *reset* follow, and then its synapses hand on the
spikes. Input therefore never meets a reset, and nothing is lost under any of the resets.

Samples follow one another in the same run, ``period`` steps each; the step in which one begins is
``fresh`` and starts from the initial state.
"""

from __future__ import annotations

FRESH = "fresh = int(timestep(t, dt) % period == 0)"

NEURONS = """
v : 1
arrived : 1
current : 1 (constant)
theta : 1 (constant)
v_start : 1 (constant)
"""
"""Neurons: potential, input of this step, constant input per step, threshold, first potential."""

CELLS = """
x : 1
rate : 1
arrived : 1
current : 1 (constant)
lowest : 1 (constant)
"""
"""Inputs of a max pooling layer: input of this step, running rate and the rate to begin with."""

INPUT = "x : 1"

THRESHOLD = "v >= theta"

THRESHOLD_WITH_PAUSE = "v >= theta and timestep(t, dt) % period < steps"
"""Between samples no neuron spikes until delayed spikes of the last sample have died away."""

INPUT_THRESHOLD = "x != 0"

RESETS = {"subtraction": "v -= theta", "zero": "v = 0", "modulo": "v = v % theta"}


def update_neurons(*, drive: str) -> str:
    """Return the update of ordinary neurons, with the constant input named or called."""
    return f"""
{FRESH}
v = v * (1 - fresh) + v_start * fresh
v = v + (arrived + {drive})
arrived = 0
"""


def update_cells(*, drive: str) -> str:
    """Return the update of the inputs of max pooling, weighted by ``coefficient``."""
    return f"""
{FRESH}
x = arrived + {drive}
arrived = 0
rate = (rate * (1 - fresh) + lowest * fresh) + coefficient(t) * x
"""


def pool_model(window: int) -> str:
    """Return the model of neurons that read a window of so many cells."""
    linked = "\n".join(f"x{k} : 1 (linked)\nrate{k} : 1 (linked)" for k in range(window))
    return f"{NEURONS}\npassed_on : 1\n{linked}\n"


def update_pool(window: int, *, by_sum: bool) -> str:
    """Return the update of max-pooling neurons.

    Parameters
    ----------
    window
        Number of cells.
    by_sum
        Pass on the growth of the largest accumulated input (``pre_spike_max``), otherwise this
        step's input of the first cell with the largest running rate.
    """
    lines = [FRESH, "v = v * (1 - fresh) + v_start * fresh", "best = rate0", "chosen = x0"]
    for k in range(1, window):
        lines += [
            f"higher_{k} = int(rate{k} > best)",
            f"chosen = x{k} * higher_{k} + chosen * (1 - higher_{k})",
            f"best = rate{k} * higher_{k} + best * (1 - higher_{k})",
        ]
    if by_sum:
        lines += ["chosen = best - passed_on * (1 - fresh)", "passed_on = best"]
    # `current` holds the scale of the channel here: pooling has no bias.
    lines.append("v = v + chosen * current")
    return "\n".join(lines) + "\n"
