from typing import ClassVar

from tick_reference import TickReference

from snn_core.testing import SimulatorConformance
from snn_spinnaker import SNN


class TestEmulation(SimulatorConformance):
    """Rates, against those of the float reference."""

    simulator = SNN
    heavy_modules = ("spynnaker", "pyNN")
    options: ClassVar = {"engine": "emulator"}


class TestTicks(SimulatorConformance):
    """Spikes, one by one, against the board computed tick by tick with Python's integers."""

    simulator = SNN
    oracle = TickReference
    by_spike = True
    options: ClassVar = {"engine": "emulator"}
