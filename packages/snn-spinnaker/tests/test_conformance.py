from dataclasses import replace
from typing import ClassVar

from tick_reference import TickReference

from snn_core.testing import SimulatorConformance
from snn_spinnaker import SNN


class TestEmulation(SimulatorConformance):
    """Rates, against those of the float reference."""

    simulator = SNN
    heavy_modules = ("spynnaker", "pyNN")
    options: ClassVar = {"engine": "emulator"}


class TickSNN(SNN):
    """The same simulator, held to single spikes."""

    @classmethod
    def capabilities_for(cls, options):
        return replace(cls.capabilities, rate_tolerance=0.0)


class TestTicks(SimulatorConformance):
    """Spikes, one by one, against the board computed tick by tick with Python's integers."""

    simulator = TickSNN
    oracle = TickReference
    options: ClassVar = {"engine": "emulator"}
    expected_failures: ClassVar = {
        "test_is_registered": "it is the registered class with a stricter declaration",
    }
