"""How a network is to be laid out and run, whichever simulator does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from snn_core.ir.timing import Timing
from snn_core.simulation.synapses.tables import Connection, layer_of
from snn_pynn.options import PyNNOptions


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Layout of a network.

    Parameters
    ----------
    dt_ms
        Length of a step.
    steps
        Steps per sample.
    timing
        When populations begin, and how long spikes take.
    reset
        What a spike does to the potential.
    rest_steps
        Steps that a neuron rests after a spike.
    tau_m_ms
        Time constant of the exponential leak of standard cells.
    is_constant
        Whether the input is a constant current; otherwise it spikes.
    membranes
        Names of the populations whose potentials are recorded.
    copies
        Copies of the network side by side.
    options
        The simulator's options.
    checkpoint
        To be called between steps; raises what stops the run.
    """

    dt_ms: float
    steps: int
    timing: Timing
    reset: str
    rest_steps: int
    tau_m_ms: float
    is_constant: bool
    membranes: tuple[str, ...]
    copies: int
    options: PyNNOptions
    checkpoint: Callable[[], None]

    def late(self, name: str) -> int:
        """Return the step in which a population begins."""
        return self.timing.first_step[layer_of(name)]

    def delay(self, connection: Connection) -> int:
        """Return the steps that a spike takes through a connection."""
        return self.late(connection.target) - self.late(connection.source)

    @property
    def longest_delay(self) -> int:
        """Most steps that a spike can take."""
        return max(1, self.timing.output_delay)
