"""The conformance kits for simulators and parsers; they need the extra ``snn-core[testing]``."""

from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.conformance import SimulatorConformance
from snn_core.testing.parsers import ParserConformance
from snn_core.testing.parsing_suite import Refusal
from snn_core.testing.runner import Outcome, outcomes

__all__ = [
    "NetworkBuilder",
    "Outcome",
    "ParserConformance",
    "Refusal",
    "SimulatorConformance",
    "outcomes",
]
