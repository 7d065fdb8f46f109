from snn_core.testing import SimulatorConformance
from snn_tutorial import SNN


class TestTutorial(SimulatorConformance):
    simulator = SNN
