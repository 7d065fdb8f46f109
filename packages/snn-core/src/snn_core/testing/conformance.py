"""The conformance kit: what every simulator must do, as a test class to derive from.

A simulator package's ``tests/test_conformance.py`` is no more than::

    from snn_brian2 import SNN
    from snn_core.testing import SimulatorConformance


    class TestBrian2(SimulatorConformance):
        simulator = SNN
        heavy_modules = ("brian2",)

Which tests are skipped follows from the capabilities that the class declares.
"""

from __future__ import annotations

from snn_core.testing.codes import Codes
from snn_core.testing.declaration import Declaration
from snn_core.testing.end_to_end import EndToEnd
from snn_core.testing.kit import Kit
from snn_core.testing.layers import Layers
from snn_core.testing.neurons import Neurons
from snn_core.testing.runs import Runs
from snn_core.testing.signals import Signals


class SimulatorConformance(
    Declaration, Layers, Neurons, Codes, Signals, Runs, EndToEnd, Kit, subject="simulator"
):
    """All tests that a simulator has to pass.

    Derive from it and set ``simulator``; see `Suite` for what else can be set, and `Kit` for the
    rules.
    """


KIT = SimulatorConformance.kit
"""Every test by name."""
