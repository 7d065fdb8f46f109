from typing import ClassVar

from snn_core.testing import SimulatorConformance
from snn_core.testing.layers import Layers
from snn_inisim import SNN


class TestINIsim(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("tensorflow", "keras")


class TestPerStep(Layers):
    """The wiring alone: options, input and records of this mode are in test_simulator.py."""

    simulator = SNN
    options: ClassVar = {"mode": "per_step"}
