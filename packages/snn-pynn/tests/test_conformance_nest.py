from snn_core.testing import SimulatorConformance
from snn_pynn.nest import SNN


class TestNest(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("nest", "pyNN")
