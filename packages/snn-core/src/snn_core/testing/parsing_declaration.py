"""Conformance of parsers: the attributes of a parser, and the sources that it claims."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.parsing.base import GROUP, Parser
from snn_core.testing import networks
from snn_core.testing.parsing_suite import ParserSuite, is_file

LIGHT_IMPORT = """
import importlib, sys
module, name, path, *heavy = sys.argv[1:]
parser = getattr(importlib.import_module(module), name)()
def report(moment):
    loaded = [name for name in heavy if name in sys.modules]
    if loaded:
        sys.exit(f"{', '.join(loaded)} imported {moment}")
report("together with the parser's module")
parser.accepts(path), parser.accepts(object())
report("by accepts")
"""


class ParserDeclaration(ParserSuite):
    """Tests of what can be seen without reading a source."""

    def test_declaration(self) -> None:
        """The parser can be made without arguments and says its name and what it reads.

        If this fails: give the class ``name``, a short word, and ``reads``, what it reads in
        human-readable words, for example ``Keras models (.keras, .h5)``;
        `snn_core.parsing.Parser` tells the methods.
        """
        parser = self.parser()
        assert isinstance(parser, Parser), "lacks name, reads, accepts or parse"
        assert isinstance(parser.name, str), f"its name is {parser.name!r}"
        assert parser.name.isidentifier(), f"its name is {parser.name!r}; expected one word"
        assert isinstance(parser.reads, str), f"reads is {parser.reads!r}"
        assert len(parser.reads.split()) > 1, f"reads is {parser.reads!r}; expected some words"

    def test_is_registered(self) -> None:
        """The package registers the parser under its name, so that ``snn convert`` finds it.

        If this fails: add ``[project.entry-points."snn.parsers"]`` with ``name =
        "package:Class"`` to ``pyproject.toml``, and install the package again.
        """
        package = self.parser.__module__.split(".")[0]
        names = [
            entry.name
            for entry in importlib.metadata.entry_points(group=GROUP)
            if entry.value.split(":")[0].split(".")[0] == package and entry.load() is self.parser
        ]
        assert names, f"no installed package registers {self.parser.__qualname__} in {GROUP!r}"
        assert names == [self.parser.name], (
            f"registered as {', '.join(names)}; its name is {self.parser.name!r}"
        )

    def test_module_is_light(self) -> None:
        """Importing the parser, and asking it what it accepts, does not import its framework.

        If this fails: import the modules that the message names inside the methods that need
        them. ``accepts`` may look into ``sys.modules``: whoever holds an object of a framework has
        imported it.
        """
        if not self.heavy_modules:
            pytest.skip("names no heavy_modules")
        paths = [str(path) for _, path in self.files()]
        name = (self.parser.__module__, self.parser.__qualname__)
        command = [sys.executable, "-c", LIGHT_IMPORT, *name, paths[0], *self.heavy_modules]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def test_accepts_its_sources(self) -> None:
        """The parser accepts each of its sources, files as strings too, and missing files.

        If this fails: decide by the suffix or the type alone. A file that does not exist yet
        belongs to the parser of its suffix, which then says that it is missing.
        """
        assert self.sources, "names no sources, so nothing was tested"
        parser = self.parser()
        for name in self.sources:
            with self.each(name) as source:
                assert parser.accepts(source) is True, f"{source!r} is not accepted"
                if is_file(source):
                    assert parser.accepts(str(source)) is True, "not accepted as a string"
                    gone = Path(source).with_name(f"gone{Path(source).suffix}")
                    assert parser.accepts(gone) is True, f"{gone.name} is not accepted"

    def test_leaves_other_sources_alone(self) -> None:
        """The parser accepts no other files and objects, and none of them is an error.

        If this fails: accept what ``parse`` can read and nothing else; parsers are asked one after
        the other, and the first that accepts has to read the source.
        """
        parser = self.parser()
        others: tuple[Any, ...] = (
            Path("model.unknown"), "model", "", None, 7, object(), {}, [], np.zeros(3),
            networks.LAYER_KINDS["Dense"](),
        )  # fmt: skip
        for other in others:
            assert parser.accepts(other) is False, f"it accepts {other!r}"
