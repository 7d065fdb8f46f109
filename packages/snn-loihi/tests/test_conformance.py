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


class TestIntegers(SimulatorConformance):
    """Spikes, one by one, against integers computed neuron by neuron."""

    simulator = SNN
    oracle = IntegerReference
    by_spike = True
    options: ClassVar = {"engine": "emulator"}
