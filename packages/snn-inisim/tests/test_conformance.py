from snn_core.testing import SimulatorConformance
from snn_inisim import SNN


class TestINIsim(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("tensorflow", "keras")
