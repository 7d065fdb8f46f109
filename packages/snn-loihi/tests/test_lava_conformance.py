from typing import ClassVar

import pytest
from emulated import EmulatedSNN
from test_conformance import IntegerSNN

from snn_core.testing import SimulatorConformance
from snn_loihi import SNN
from snn_loihi.simulator import has_lava

pytestmark = pytest.mark.skipif(not has_lava(), reason="lava runs on Python 3.10 only")


class TestLava(SimulatorConformance):
    """Spikes, one by one, against the emulator."""

    simulator = IntegerSNN
    oracle = EmulatedSNN
    options: ClassVar = {"engine": "lava"}
    expected_failures: ClassVar = {
        "test_is_registered": "it is the registered class with a stricter declaration",
    }


@pytest.mark.exhaustive
class TestTwin(SimulatorConformance):
    """Floating point, spike for spike, against the reference shifted by the delays."""

    simulator = SNN
    options: ClassVar = {"engine": "lava", "arithmetic": "float"}
