import pytest

from snn_core.testing import SimulatorConformance
from snn_pynn.brian2 import SNN


@pytest.mark.exhaustive
class TestBrian2(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("brian2", "pyNN")
