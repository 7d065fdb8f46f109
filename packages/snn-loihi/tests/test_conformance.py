from dataclasses import replace
from typing import ClassVar

from integer_reference import IntegerReference

from snn_core.testing import SimulatorConformance
from snn_loihi import SNN


class TestLoihi(SimulatorConformance):
    """Rates, against those of the float reference."""

    simulator = SNN
    heavy_modules = ("lava", "h5py", "numba", "llvmlite")
    options: ClassVar = {"engine": "emulator"}


class TestWithoutRounding(SimulatorConformance):
    """Spikes, one by one, against the float reference."""

    simulator = SNN
    options: ClassVar = {"engine": "emulator", "arithmetic": "float"}


class IntegerSNN(SNN):
    """The same simulator, held to single spikes."""

    @classmethod
    def capabilities_for(cls, options):
        return replace(cls.capabilities, rate_tolerance=0.0)


class TestIntegers(SimulatorConformance):
    """Spikes, one by one, against integers computed neuron by neuron."""

    simulator = IntegerSNN
    oracle = IntegerReference
    options: ClassVar = {"engine": "emulator"}
    expected_failures: ClassVar = {
        "test_is_registered": "it is the registered class with a stricter declaration",
    }
