from snn_core.testing import SimulatorConformance
from snn_events_tutorial import SNN


class TestEventsTutorial(SimulatorConformance):
    simulator = SNN
