from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import SimulatorConformance


class TestReference(SimulatorConformance):
    simulator = ReferenceSNN
    # Sparse matrices are only needed to count the synapses behind relays.
    heavy_modules = ("scipy", "tensorflow", "torch")
