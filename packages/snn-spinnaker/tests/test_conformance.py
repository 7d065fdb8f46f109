from typing import ClassVar

from snn_core.testing import SimulatorConformance
from snn_spinnaker import SNN


class TestEmulation(SimulatorConformance):
    """Rates, against those of the float reference."""

    simulator = SNN
    heavy_modules = ("spynnaker", "pyNN")
    options: ClassVar = {"engine": "emulator"}
