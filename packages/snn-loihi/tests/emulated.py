"""The emulator as the oracle of another engine."""

from integer_reference import undeclared

from snn_core.simulation.reference import ReferenceSNN
from snn_loihi import SNN, LoihiOptions


class EmulatedSNN(SNN):
    """The emulator, whatever engine is asked for; it leaves what is refused to the reference."""

    def __new__(cls, network, settings=None, **options):
        if undeclared(SNN, SNN.capabilities, network, settings):
            return ReferenceSNN(network, settings, **options)
        return super().__new__(cls)

    def __init__(self, network, settings=None, **options):
        super().__init__(network, settings, LoihiOptions(engine="emulator"), **options)
