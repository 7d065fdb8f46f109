"""Models, updates, thresholds and resets, in Brian2's notation.

All state is dimensionless. Each layer is updated by four actions, ordered layer by layer within a
step, so that a spike passes through the whole network at once: *update* adds the input that has
arrived to the potential, Brian2's *threshold* and *reset* follow, and then its synapses hand on the
spikes. Input therefore never meets a reset, and nothing is lost under any of the resets.

Samples follow one another in the same run, ``period`` steps each; the step in which one begins is
``fresh`` and starts from the initial state. Where spikes are delayed, each population is ``late``
by some steps, and so is its fresh step.
"""

from __future__ import annotations

from dataclasses import dataclass


def fresh(late: int, period: int) -> str:
    """Return the code that finds out whether a population begins a sample in this step."""
    step = f"(timestep(t, dt) + {-late % period})" if late else "timestep(t, dt)"
    return f"fresh = int({step} % period == 0)"


def looked_up(name: str, late: int, *, cell: str = "") -> str:
    """Return the value that a table holds for a step of a population, and for its cell."""
    time = f"t - {late} * dt" if late else "t"
    return f"{name}({time}{cell})"


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
"""
"""Inputs of a max pooling layer: input of this step, running rate, constant input per step."""

INPUT = "x : 1"

THRESHOLD = "v >= theta"

INPUT_THRESHOLD = "x != 0"

RESETS = {"subtraction": "v -= theta", "zero": "v = 0", "modulo": "v = v % theta"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The neuron's equations, as the settings ask for.

    Parameters
    ----------
    reset
        Name of the reset.
    decays, leaks, rests
        Whether there is an exponential leak, a constant leak, and a refractory time.
    """

    reset: str
    decays: bool = False
    leaks: bool = False
    rests: bool = False

    @property
    def model(self) -> str:
        """All state variables."""
        extra = [
            (self.decays, "decay : 1 (shared, constant)"),
            (self.leaks, "leakage : 1 (constant)"),
            # Steps to rest, this one included; a float like all that it is multiplied with.
            (self.rests, "blocked : 1"),
        ]
        return NEURONS + "\n".join(line for is_used, line in extra if is_used) + "\n"

    @property
    def threshold(self) -> str:
        """When a neuron spikes."""
        rested = " and blocked == 0" if self.rests else ""
        return THRESHOLD + rested

    @property
    def after_spike(self) -> str:
        """What a spike does."""
        # Counted down at the beginning of each step, so also before the first to rest in.
        return RESETS[self.reset] + ("\nblocked = rest_steps + 1" if self.rests else "")

    def updates(self, *, fresh: str, drive: str, before: str = "") -> tuple[str, ...]:
        """Return the code of one or two actions, the second after the first.

        Parameters
        ----------
        fresh
            Code from `fresh`.
        drive
            Expression of what is added up in a step.
        before
            Code that prepares it.
        """
        begin = f"{fresh}\nv = v * (1 - fresh) + v_start * fresh\n"
        if self.rests:
            begin += "blocked = clip(blocked - 1, 0, inf) * (1 - fresh)\n"
        rested = "clip(1 - blocked, 0, 1) * " if self.rests else ""
        integrate = f"v = v + {rested}({drive})\n"
        if self.decays:
            integrate = "v = v * decay\n" + integrate
        if self.leaks:
            integrate += "v = v - clip(v, 0, leakage)\n"
        integrate = before + integrate
        if self.decays or self.leaks:
            # Two actions: NumPy computes in double precision once an integer such as `fresh` takes
            # part, until a variable is stored. Leaks would then round otherwise than elsewhere.
            return begin, (f"{fresh}\n" if "fresh" in before else "") + integrate
        return (begin + integrate,)


def update_cells(*, fresh: str, drive: str, coefficient: str) -> str:
    """Return the update of the inputs of max pooling, given the expression of its coefficient."""
    return f"""
{fresh}
x = {drive}
arrived = 0
rate = rate * (1 - fresh) + {coefficient} * x
"""


def window_model(size: int, *, signed: bool = False) -> str:
    """Return the state variables of neurons that read a window of so many cells.

    Parameters
    ----------
    signed
        Whether some neurons look for the smallest rate: their ``side`` is -1, that of others 1.
    """
    linked = "\n".join(f"x{k} : 1 (linked)\nrate{k} : 1 (linked)" for k in range(size))
    side = "side : 1 (constant)\n" if signed else ""
    return f"passed_on : 1\n{side}{linked}\n"


def choose_in_window(size: int, *, by_sum: bool, signed: bool = False) -> str:
    """Return the code that sets ``chosen``, what a window passes on in a step.

    Parameters
    ----------
    size
        Number of cells.
    by_sum
        Pass on the growth of the largest accumulated input (``pre_spike_max``), otherwise this
        step's input of the first cell with the largest running rate.
    signed
        Whether each neuron's ``side`` decides between the largest and the smallest.
    """
    lines = ["best = rate0", "chosen = x0"]
    side = "side * " if signed else ""
    for k in range(1, size):
        lines += [
            f"higher_{k} = int({side}rate{k} > {side}best)",
            f"chosen = x{k} * higher_{k} + chosen * (1 - higher_{k})",
            f"best = rate{k} * higher_{k} + best * (1 - higher_{k})",
        ]
    if by_sum:
        lines += ["chosen = best - passed_on * (1 - fresh)", "passed_on = best"]
    return "\n".join(lines) + "\n"
