"""sPyNNaker's neurons and the parameters that make them integrate and fire.

Of a leaky neuron (``IF_curr_delta``, ``IF_curr_exp``) the board computes, in s16.15,

    alpha = I R,   V <- alpha - E (alpha - V),   E = exp(-dt / tau_m),   R = tau_m / C_m

(``lif_neuron_closed_form`` of ``neuron/models/neuron_model_lif_impl.h``). With C_m = 1 nF and
tau_m = 32768 dt / k the factor E is 1 - k 2**-15 exactly, so that V <- V + I dt - r, where r is
k V 2**-15 rounded to the nearest multiple of 2**-15. It is 0 as long as V lies within
2**-1 / k mV, so a neuron whose threshold is at most half of that does not leak while it waits. A
larger k makes room for larger inputs: alpha has to stay below 65536 mV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from snn_core.typing import Array
from snn_spinnaker import fixed

C_M = 1.0
"""Capacity of all neurons in nF."""

MOST_LEAK = 64
"""Largest k, which bounds the leak of a step by 1/512 of the potential."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Parameters of the neurons of a population, in PyNN's units.

    Parameters
    ----------
    model
        Name of sPyNNaker's neuron.
    unit
        What a potential of 1 in the network is on the board, in mV.
    tau_m, tau_syn
        Time constants of membrane and synapses in ms.
    dt_ms, rest_ms
        Length of a tick, and refractory time.
    """

    model: str
    unit: float
    tau_m: float
    tau_syn: float
    dt_ms: float
    rest_ms: float

    @property
    def weight_factor(self) -> float:
        """What weights are multiplied by so that a spike moves the potential by the weight."""
        return self.unit * synapse_factor(self.model, tau_syn=self.tau_syn, dt_ms=self.dt_ms)

    def parameters(self) -> dict[str, float]:
        """Return those parameters that all neurons of the population share."""
        found = {"tau_m": self.tau_m, "cm": C_M, "v_reset": 0.0, "tau_refrac": self.rest_ms}
        if self.model != "IF_trunc_delta":
            found["v_rest"] = 0.0
        if self.model == "IF_curr_exp":
            found |= {"tau_syn_E": self.tau_syn, "tau_syn_I": self.tau_syn}
        return found


def synapse_factor(model: str, *, tau_syn: float, dt_ms: float) -> float:
    """Return the weight that moves a potential by 1 mV.

    A synapse of ``IF_curr_exp`` injects ``w tau / dt (1 - exp(-dt / tau))`` nA in the tick of a
    spike (``decay_and_init`` of ``neuron/synapse_types/exp_synapse_utils.h``), the others the
    weight over the length of a tick, either for dt and into 1 nF.
    """
    if model != "IF_curr_exp":
        return 1.0
    return 1.0 / (tau_syn * (1.0 - math.exp(-dt_ms / tau_syn)))


def choose_cell(
    model: str, *, largest: float, threshold: float | None, tau_syn: float, dt_ms: float,
    rest_ms: float,
) -> Cell:  # fmt: skip
    """Choose the unit of potentials and the leak of a population.

    Parameters
    ----------
    largest
        The most that can arrive in a step, in the network's potential.
    threshold
        Largest threshold; ``None`` for a population that only integrates.
    """
    if model == "IF_trunc_delta":
        reach = largest + (threshold or 0.0)
        tau_m, unit = dt_ms, _power(2.0**13 / reach) if reach else 1.0
    else:
        leak = _leak(largest, threshold, dt_ms=dt_ms)
        limits = [leak / largest] if largest else [1.0]
        if threshold is not None:
            limits.append(0.25 / (leak * threshold))
        tau_m, unit = fixed.ONE * dt_ms / leak, _power(min(limits))
    return Cell(
        model=model, unit=unit, tau_m=tau_m, tau_syn=tau_syn, dt_ms=dt_ms, rest_ms=rest_ms
    )  # fmt: skip


def _leak(largest: float, threshold: float | None, *, dt_ms: float) -> int:
    """Return k, a power of two for which inputs and thresholds have room alike."""
    wanted = 1.0
    if threshold:
        wanted = math.sqrt(largest / (4 * threshold))
    # tau_m is an s16.15 number, too.
    least = max(1.0, dt_ms / 1.99)
    exponent = math.ceil(math.log2(least))
    if wanted > least:
        exponent = max(exponent, round(math.log2(wanted)))
    return int(min(2**exponent, MOST_LEAK))


def _power(value: float) -> float:
    """Return the largest power of two up to a value, so that no dyadic number rounds."""
    return float(2.0 ** math.floor(math.log2(value)))


class Registers:
    """State of a population's neurons for some samples, and their update in a tick.

    All values are integers that count 2**-15. The order is that of ``neuron_impl_standard.h``:
    synaptic input, membrane, threshold, reset, decay of the synapses.

    Parameters
    ----------
    cell
        Parameters of the neurons.
    threshold_l, start_l
        Thresholds and first potentials in mV.
    num_samples
        Samples that are simulated side by side.
    rest_steps
        Ticks that a neuron rests after a spike.
    soft
        Whether a spike subtracts the threshold, which no neuron of sPyNNaker does, instead of
        resetting to 0.
    fires
        Whether there is a threshold.
    """

    def __init__(
        self, cell: Cell, *, threshold_l: Array, start_l: Array, num_samples: int,
        rest_steps: int, soft: bool, fires: bool,
    ) -> None:  # fmt: skip
        self.cell, self.soft, self.fires = cell, soft, fires
        self.threshold_l = fixed.encoded(threshold_l)
        self.v_b_l = np.tile(fixed.encoded(start_l), (num_samples, 1))
        self.rest_steps = rest_steps
        self.rest_b_l = np.zeros(self.v_b_l.shape, np.int64) if rest_steps else None
        tick, tau_m = int(fixed.encoded(cell.dt_ms)), int(fixed.encoded(cell.tau_m))
        # Source: neuron_model_initialise, input_type_initialise (input_type_delta.h).
        self.resistance = fixed.quotient(tau_m, int(fixed.encoded(C_M)))
        self.per_tick = fixed.quotient(fixed.ONE, tick)
        self.decay = round(fixed.ONE * math.exp(-fixed.quotient(tick, tau_m) / fixed.ONE))
        if cell.model == "IF_curr_exp":
            self._start_synapses(tick)

    def _start_synapses(self, tick: int) -> None:
        """Compute decay and first value of synapses (``decay_and_init``, exp_synapse_utils.h)."""
        tau = int(fixed.encoded(self.cell.tau_syn))
        over = fixed.quotient(tick, tau) / fixed.ONE
        self.syn_decay = round((1 << 32) * math.exp(-over))
        self.syn_init = (fixed.quotient(tau, tick) * ((1 << 32) - self.syn_decay)) >> fixed.BITS
        self.current_b_l = [np.zeros_like(self.v_b_l) for _ in range(2)]

    def update(self, arriving: list[Array], offset_b_l: Array) -> Array:
        """Compute a tick and return which neurons spike.

        Parameters
        ----------
        arriving
            What the ring buffers hold for each receptor.
        offset_b_l
            Constant currents.
        """
        excited, inhibited = self._currents(arriving)
        total = fixed.wrapped(excited - inhibited + offset_b_l)
        v_b_l = self._integrated(total)
        awake = None
        if self.rest_b_l is not None:
            awake = self.rest_b_l <= 0
            v_b_l = np.where(awake, v_b_l, self.v_b_l)
        fired = v_b_l >= self.threshold_l if self.fires else np.zeros(v_b_l.shape, bool)
        if awake is not None and self.rest_b_l is not None:
            fired &= awake
            self.rest_b_l = np.where(fired, self.rest_steps, self.rest_b_l - ~awake)
        self.v_b_l = v_b_l - fired * self.threshold_l if self.soft else v_b_l * ~fired
        return fired

    def _currents(self, arriving: list[Array]) -> list[Array]:
        """Return the input of each receptor in nA."""
        if self.cell.model != "IF_curr_exp":
            if self.per_tick == fixed.ONE:
                return arriving
            return [fixed.product(part, self.per_tick) for part in arriving]
        found = [
            fixed.wrapped(held + fixed.decayed(part, self.syn_init))
            for held, part in zip(self.current_b_l, arriving, strict=True)
        ]
        self.current_b_l = [fixed.decayed(part, self.syn_decay) for part in found]
        return found

    def _integrated(self, total: Array) -> Array:
        """Return the potentials after the input, before the threshold is looked at."""
        if self.cell.model == "IF_trunc_delta":
            # Source: neuron_model_state_update of neuron_model_if_trunc.h; V_reset is 0.
            return np.maximum(fixed.wrapped(fixed.product(total, self.resistance) + self.v_b_l), 0)
        alpha = fixed.product_to_nearest(total, self.resistance)
        return fixed.wrapped(
            alpha - fixed.product_to_nearest(self.decay, fixed.wrapped(alpha - self.v_b_l))
        )
