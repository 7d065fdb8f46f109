from typing import ClassVar

from snn_core.testing import SimulatorConformance
from snn_megasim import SNN


class TestMegaSim(SimulatorConformance):
    """Spikes, one by one, on a clock."""

    simulator = SNN
    heavy_modules = ("numba", "llvmlite")


class TestAsynchronous(SimulatorConformance):
    """Rates, where neurons spike at once."""

    simulator = SNN
    options: ClassVar = {"schedule": "asynchronous"}
