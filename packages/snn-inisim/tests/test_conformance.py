from types import MappingProxyType

from snn_core.testing import SimulatorConformance
from snn_inisim import SNN

HEAVY = ("tensorflow", "keras", "numba")


class TestINIsim(SimulatorConformance):
    simulator = SNN
    heavy_modules = HEAVY


class TestDenseEngine(SimulatorConformance):
    simulator = SNN
    heavy_modules = HEAVY
    options = MappingProxyType({"engine": "dense"})
