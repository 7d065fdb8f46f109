"""The conformance kit for simulators; needs the extra ``snn-core[testing]``."""

from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.conformance import SimulatorConformance
from snn_core.testing.runner import Outcome, outcomes

__all__ = ["NetworkBuilder", "Outcome", "SimulatorConformance", "outcomes"]
