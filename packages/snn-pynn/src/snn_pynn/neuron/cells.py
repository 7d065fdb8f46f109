"""Integrate-and-fire neurons without leak for NEURON.

This file needs PyNN and NEURON only, so that saved networks can bring it along. The neuron itself
is ``integrate_and_fire.mod``, which has to be compiled and loaded first: ``nrnivmodl`` in its
folder, then ``neuron.load_mechanisms(folder)``.

Spikes leave in the middle of a step and arrive at the beginning of one: a delay is half a step
shorter than the way to the next population takes.
"""

from collections import defaultdict

import pyNN.neuron as sim
from neuron import h

RESETS = {"subtraction": 0, "zero": 1, "modulo": 2}
"""Reset to its number in ``integrate_and_fire.mod``."""


class Cell:
    """One neuron, with what PyNN expects of it."""

    def __init__(self, **parameters: float) -> None:
        self.source = h.SnnIntegrateAndFire()
        for name, value in parameters.items():
            setattr(self.source, name, value)
        self.source_section = None
        self.default = self.source  # the only receptor
        self.rec = h.NetCon(self.source, None)
        self.spike_times = h.Vector(0)
        self.traces: dict[str, list[object]] = defaultdict(list)
        self.recording_time = False
        self.initial_values: dict[str, float] = {}
        self.parameter_names = tuple(parameters)


class IntegrateAndFire(sim.NativeCellType):
    """Cell type with the parameters of ``integrate_and_fire.mod``; potentials have no unit."""

    default_parameters = {  # noqa: RUF012 - PyNN's way
        "theta": 1.0,
        "start": 0.0,
        "drive": 0.0,
        "first_step": 0.0,
        "step_ms": 1.0,
        "reset_by": 0.0,
        "rest_steps": 0.0,
    }
    default_initial_values: dict[str, float] = {}  # noqa: RUF012 - PyNN's way
    recordable = ["spikes"]  # noqa: RUF012 - PyNN's way
    units = {"spikes": "ms"}  # noqa: RUF012 - PyNN's way
    receptor_types = ["default"]  # noqa: RUF012 - PyNN's way
    conductance_based = False
    injectable = False
    model = Cell


def set_up(dt_ms: float) -> None:
    """Begin a network with steps of ``dt_ms``."""
    # PyNN wants delays to be no shorter than a step; the shortest one is half as long.
    sim.setup(timestep=dt_ms / 2)
