"""Delays of projections, chosen so that all paths to a layer are equally long.

Where a spike needs d steps from one population to the next, every projection waits so long that all
paths to a population take the same time: with its depth, the number of projections on the longest
path from the input, a population begins depth·d steps after the clock of the simulator, and a
projection takes d times the difference of two depths. A skip over three layers thus waits three
times d.

Seen from its own first step on, every population then receives and sends exactly what it does
without delays. Everything that depends on time counts from that step: biases and constant currents,
initial potentials, leaks, refractory times, running rates and random draws. Its last step is the
T-th, and a run lasts until the last population has had it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snn_core.errors import SettingsError
from snn_core.ir.network import Network
from snn_core.settings.section import MOST_STEPS


@dataclass(frozen=True, kw_only=True)
class Timing:
    """First steps of populations on the clock of a simulator.

    Parameters
    ----------
    first_step
        First step of the input and of each layer with neurons, counted from 0.
    num_steps
        Steps that each of them lasts.
    """

    first_step: Mapping[str, int]
    num_steps: int

    def delay(self, source: str, target: str) -> int:
        """Return the steps that a spike takes from one population, or the input, to another."""
        return self.first_step[target] - self.first_step[source]

    @property
    def output_delay(self) -> int:
        """Steps by which the output begins after the input."""
        return max(self.first_step.values())

    @property
    def run_steps(self) -> int:
        """Steps on the clock until the last population has had its own."""
        return self.num_steps + self.output_delay


def timing(network: Network, *, num_steps: int, delay_steps: int, is_input_delayed: bool) -> Timing:
    """Compute the first step of each population, and with it the delays of projections.

    Parameters
    ----------
    network
        The network.
    num_steps
        Steps of each population.
    delay_steps
        Fewest steps that a spike takes from one population to another.
    is_input_delayed
        Whether the input consists of spikes, which take as long; a current acts at once.
    """
    depth = population_depth(network, is_input_delayed=is_input_delayed)
    first_step = {name: number * delay_steps for name, number in depth.items()}
    return Timing(first_step=first_step, num_steps=num_steps)


def delay_in_steps(delay_ms: float, dt_ms: float, *, option: str) -> int:
    """Return a delay as a number of steps.

    Parameters
    ----------
    delay_ms, dt_ms
        Delay and length of a step in ms.
    option
        Name of the option that holds the delay.

    Raises
    ------
    SettingsError
        If it is no whole number of steps, or there are too many.
    """
    if delay_ms / dt_ms > MOST_STEPS:
        raise SettingsError(
            f"{option} is {delay_ms:g} ms; expected at most {MOST_STEPS} steps "
            f"(simulation.dt = {dt_ms:g} ms)."
        )
    steps = round(delay_ms / dt_ms)
    # Decimal fractions such as 0.3 / 0.1 are not whole in binary.
    if abs(steps * dt_ms - delay_ms) > 1e-9 * max(delay_ms, dt_ms):
        raise SettingsError(
            f"{option} is {delay_ms:g} ms; expected a multiple of the step "
            f"(simulation.dt = {dt_ms:g} ms)."
        )
    return steps


def population_depth(network: Network, *, is_input_delayed: bool) -> dict[str, int]:
    """Return the number of projections on the longest path to each population, the input first.

    Relays and layers that only rearrange values lie within projections. The one from the input
    counts only if the input is delayed.
    """
    depth = {network.input.name: 0}
    # The depth of a population that reads from each layer
    behind = {network.input.name: int(is_input_delayed)}
    for layer in network.layers[1:]:
        behind[layer.name] = max(behind[name] for name in layer.inputs)
        if network.has_neurons(layer):
            depth[layer.name] = behind[layer.name]
            behind[layer.name] += 1
    return depth
