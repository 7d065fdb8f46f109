from typing import ClassVar

import pytest

from snn_core.testing import SimulatorConformance
from snn_loihi import SNN, LoihiOptions
from snn_loihi.simulator import has_lava

pytestmark = pytest.mark.skipif(not has_lava(), reason="lava runs on Python 3.10 only")


class EmulatedSNN(SNN):
    """The emulator, whatever engine is asked for."""

    def __init__(self, network, settings=None, **options):
        super().__init__(network, settings, LoihiOptions(engine="emulator"), **options)


class TestLava(SimulatorConformance):
    """Spikes, one by one, against the emulator."""

    simulator = SNN
    oracle = EmulatedSNN
    by_spike = True
    options: ClassVar = {"engine": "lava"}


@pytest.mark.exhaustive
class TestTwin(SimulatorConformance):
    """Floating point, spike for spike, against the reference shifted by the delays."""

    simulator = SNN
    options: ClassVar = {"engine": "lava", "arithmetic": "float"}
