from snn_core.testing import SimulatorConformance
from snn_pynn.neuron import SNN


class TestNeuron(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("neuron", "pyNN")
