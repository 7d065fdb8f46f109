from snn_brian2 import SNN
from snn_core.testing import SimulatorConformance


class TestBrian2(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("brian2",)
