"""sPyNNaker's neurons and the parameters that make them integrate and fire.

Of a leaky neuron (``IF_curr_delta``, ``IF_curr_exp``) the board computes, in s16.15,

    alpha = I R,   V <- alpha - E (alpha - V),   E = exp(-dt / tau_m),   R = tau_m / C_m

(``lif_neuron_closed_form`` of ``neuron/models/neuron_model_lif_impl.h``). With C_m = 1 nF and
tau_m = 32768 dt / k the factor E is 1 - k 2**-15 exactly, so that V <- V + I dt - r, where r is
k V 2**-15 rounded to the nearest multiple of 2**-15. It is 0 as long as V lies within
2**-1 / k mV, so a neuron whose threshold is at most half of that does not leak while it waits. A
larger k makes room for larger inputs: alpha has to stay below 65536 mV. All of that holds for the
tick that the board knows, dt to the nearest multiple of 2**-15 ms.

What a weight moves a potential by, its gain, follows from the board's own numbers. Weights are the
network's times a power of two, so that dyadic ones stay exact; the gain is part of the unit of
potentials, and so of thresholds.
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


NEGLIGIBLE_TAIL = 0.01
"""Part of a spike's charge that may come after its tick and is given in excess.

Up to here a spike brings its whole weight in its tick, so that one which equals the threshold makes
the neuron spike. Above, the charge of all ticks together is the weight.
"""


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Numbers that the board computes from parameters before the first tick.

    Parameters
    ----------
    tick
        Length of a tick, s16.15.
    resistance, per_tick
        Membrane resistance, and 1 over the length of a tick, s16.15.
    decay
        E of leaky neurons, s16.15.
    syn_init, syn_decay
        First value and decay of exponential synapses, fractions of 32 bits.
    """

    tick: int
    resistance: int
    per_tick: int
    decay: int
    syn_init: int
    syn_decay: int

    @classmethod
    def of(cls, *, tau_m: float, tau_syn: float, dt_ms: float) -> Constants:
        """Compute them from parameters in ms.

        Sources: ``neuron_model_initialise``, ``input_type_delta.h``, and ``decay_and_init`` of
        ``neuron/synapse_types/exp_synapse_utils.h``.
        """
        tick, membrane, synapse = (int(fixed.encoded(value)) for value in (dt_ms, tau_m, tau_syn))
        syn_decay = round((1 << 32) * math.exp(-fixed.quotient(tick, synapse) / fixed.ONE))
        return cls(
            tick=tick,
            resistance=fixed.quotient(membrane, int(fixed.encoded(C_M))),
            per_tick=fixed.quotient(fixed.ONE, tick),
            decay=round(fixed.ONE * math.exp(-fixed.quotient(tick, membrane) / fixed.ONE)),
            syn_init=(fixed.quotient(synapse, tick) * ((1 << 32) - syn_decay)) >> fixed.BITS,
            syn_decay=syn_decay,
        )

    @property
    def tail(self) -> float:
        """Part of the charge of an exponential synapse's spike that comes after its tick."""
        return self.syn_decay / (1 << 32)

    def gain(self, model: str) -> float:
        """Return by how many mV a weight of 1 moves a potential."""
        dt_ms = self.tick / fixed.ONE
        if model != "IF_curr_exp":
            return self.per_tick / fixed.ONE * dt_ms
        first = self.syn_init / (1 << 32) * dt_ms
        return first if self.tail <= NEGLIGIBLE_TAIL else first / (1 - self.tail)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Parameters of the neurons of a population, in PyNN's units.

    Parameters
    ----------
    model
        Name of sPyNNaker's neuron.
    weight_factor
        What the network's weights are multiplied by, a power of two.
    tau_m, tau_syn
        Time constants of membrane and synapses in ms.
    dt_ms, rest_ms
        Length of a tick, and refractory time.
    """

    model: str
    weight_factor: float
    tau_m: float
    tau_syn: float
    dt_ms: float
    rest_ms: float

    @property
    def constants(self) -> Constants:
        """What the board computes from the parameters."""
        return Constants.of(tau_m=self.tau_m, tau_syn=self.tau_syn, dt_ms=self.dt_ms)

    @property
    def unit(self) -> float:
        """What a potential of 1 in the network is on the board, in mV."""
        return self.weight_factor * self.constants.gain(self.model)

    @property
    def is_exact(self) -> bool:
        """Whether dyadic numbers of the network are exact on the board."""
        return self.constants.gain(self.model) == 1

    @property
    def tail(self) -> float:
        """Part of a spike's charge that comes after its tick."""
        return self.constants.tail if self.model == "IF_curr_exp" else 0.0

    @property
    def excess(self) -> float:
        """Part of its weight that a spike brings too much, all ticks together."""
        return self.tail / (1 - self.tail) if self.tail <= NEGLIGIBLE_TAIL else 0.0

    @property
    def leak(self) -> float:
        """Largest part of a potential that leaks in a tick."""
        return 0.0 if self.model == "IF_trunc_delta" else 1 - self.constants.decay / fixed.ONE

    @property
    def most_current(self) -> float:
        """Largest current in nA that the membrane does not cut off: I R stays below 65536 mV."""
        return fixed.LARGEST / (self.constants.resistance / fixed.ONE)

    def thresholds(self, theta_l: Array) -> Array:
        """Return thresholds in mV that inputs reach which add up to the network's threshold.

        Where arithmetic rounds inputs down, thresholds are rounded down as well, by what two ticks
        may lose: a current loses at most 2**-15 nA, times the length of the tick, and the potential
        half of 2**-15 mV.
        """
        wanted: Array = np.asarray(theta_l, np.float64) * self.unit
        if self.is_exact:
            return wanted
        lost = math.ceil(2 * self.dt_ms) + 1
        found: Array = (np.floor(wanted * fixed.ONE) - lost) / fixed.ONE
        return found

    def currents(self, drive_l: Array) -> Array:
        """Return constant currents in nA that move potentials by the network's input of a step.

        Where the unit is no power of two they are rounded up, so that inputs that add up to the
        threshold reach it.
        """
        found: Array = self.exact_currents(drive_l)
        if self.is_exact:
            return found
        # Above the error of the products: what is a number of the board stays it.
        return np.ceil(found * fixed.ONE - 1e-6) / fixed.ONE

    def exact_currents(self, drive_l: Array) -> Array:
        """Return what `currents` rounds."""
        dt_ms = self.constants.tick / fixed.ONE
        found: Array = np.asarray(drive_l, np.float64) / dt_ms * self.unit
        return found

    def parameters(self) -> dict[str, float]:
        """Return those parameters that all neurons of the population share."""
        found = {"tau_m": self.tau_m, "cm": C_M, "v_reset": 0.0, "tau_refrac": self.rest_ms}
        if self.model != "IF_trunc_delta":
            found["v_rest"] = 0.0
        if self.model == "IF_curr_exp":
            found |= {"tau_syn_E": self.tau_syn, "tau_syn_I": self.tau_syn}
        return found


def synapse_factor(model: str, *, tau_syn: float, dt_ms: float) -> float:
    """Return the weight that moves a potential by 1 mV; see `Constants.gain`."""
    return 1.0 / Constants.of(tau_m=dt_ms, tau_syn=tau_syn, dt_ms=dt_ms).gain(model)


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
    tick_ms = float(fixed.encoded(dt_ms)) / fixed.ONE
    if model == "IF_trunc_delta":
        reach = largest + (threshold or 0.0)
        tau_m, most = tick_ms, 2.0**13 / reach if reach else 1.0
    else:
        leak = _leak(largest, threshold, dt_ms=dt_ms)
        limits = [leak / largest] if largest else [1.0]
        if threshold is not None:
            limits.append(0.25 / (leak * threshold))
        tau_m, most = fixed.ONE * tick_ms / leak, min(limits)
    gain = Constants.of(tau_m=tau_m, tau_syn=tau_syn, dt_ms=dt_ms).gain(model)
    return Cell(
        model=model, weight_factor=_power(most / gain), tau_m=tau_m, tau_syn=tau_syn,
        dt_ms=dt_ms, rest_ms=rest_ms,
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
        self.constants = cell.constants
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
            if self.constants.per_tick == fixed.ONE:
                return arriving
            return [fixed.product(part, self.constants.per_tick) for part in arriving]
        found = [
            fixed.wrapped(held + fixed.decayed(part, self.constants.syn_init))
            for held, part in zip(self.current_b_l, arriving, strict=True)
        ]
        self.current_b_l = [fixed.decayed(part, self.constants.syn_decay) for part in found]
        return found

    def _integrated(self, total: Array) -> Array:
        """Return the potentials after the input, before the threshold is looked at."""
        if self.cell.model == "IF_trunc_delta":
            # Source: neuron_model_state_update of neuron_model_if_trunc.h; V_reset is 0.
            return np.maximum(
                fixed.wrapped(fixed.product(total, self.constants.resistance) + self.v_b_l), 0
            )
        alpha = fixed.product_to_nearest(total, self.constants.resistance)
        return fixed.wrapped(
            alpha
            - fixed.product_to_nearest(self.constants.decay, fixed.wrapped(alpha - self.v_b_l))
        )
