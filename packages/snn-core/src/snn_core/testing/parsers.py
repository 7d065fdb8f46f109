"""The conformance kit for parsers, as a test class to derive from.

A test file for a parser names the sources that the parser has to read, and those it has to
refuse::

    from snn_core.testing import ParserConformance, Refusal
    from snn_toy import ToyParser, save_deep, save_odd, save_small


    class TestToy(ParserConformance):
        parser = ToyParser
        sources = {"small": save_small, "deep": save_deep}
        refusals = {"odd": Refusal(save_odd, {"first": "lstm", "third": "tanh"})}

Each function gets an empty folder and returns what the parser reads: the path of a file that it
wrote there, or an object.
"""

from __future__ import annotations

from snn_core.testing.kit import Kit
from snn_core.testing.parsing_declaration import ParserDeclaration
from snn_core.testing.parsing_files import ParserFiles
from snn_core.testing.parsing_results import ParserResults


class ParserConformance(ParserDeclaration, ParserResults, ParserFiles, Kit, subject="parser"):
    """All tests that a parser has to pass.

    Derive from it and set ``parser`` and ``sources``; see
    `snn_core.testing.parsing_suite.ParserSuite` for what else can be set, and `Kit` for the rules.
    """


PARSER_KIT = ParserConformance.kit
"""Every test by name."""
