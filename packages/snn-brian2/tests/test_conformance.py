import pytest

from snn_brian2 import SNN
from snn_core.testing import SimulatorConformance


class TestBrian2(SimulatorConformance):
    simulator = SNN
    heavy_modules = ("brian2",)


@pytest.mark.exhaustive
class TestDelayed(SimulatorConformance):
    """Spikes take a step from layer to layer, which must not change anything."""

    simulator = SNN
    heavy_modules = ("brian2",)
    options = {"delay": 1.0, "target": "numpy"}  # noqa: RUF012
