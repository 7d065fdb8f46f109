"""The conformance kits for simulators and parsers; they need the extra ``snn-core[testing]``."""

import pytest

# Let pytest show the values in the assertions of the kits, as in those of a test file.
pytest.register_assert_rewrite(
    *(
        f"snn_core.testing.{module}"
        for module in (
            "declaration",
            "end_to_end",
            "kit",
            "neurons",
            "parsing_declaration",
            "parsing_files",
            "parsing_results",
            "runs",
            "signals",
        )
    )
)

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
