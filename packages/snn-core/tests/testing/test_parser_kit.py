"""The conformance kit for parsers finds what is wrong with parsers that are wrong on purpose."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Network
from snn_core.testing import ParserConformance, Refusal, outcomes
from snn_core.testing.parsers import PARSER_KIT
from snn_core.testing.toy_parser import ToyParser

pytestmark = pytest.mark.exhaustive  # whole suites, many times

# These look at the surroundings of a class; tests of their own make each of them fail.
ABOUT_PACKAGES = {
    "test_is_registered",
    "test_module_is_light",
    "test_command_line",
    "test_suite_is_complete",
}
RNG = np.random.default_rng(3)
UNIQUE = itertools.count()


def dense(name: str, inputs: int, outputs: int) -> dict[str, Any]:
    weight, bias = RNG.normal(size=(inputs, outputs)), RNG.normal(size=outputs)
    return {"name": name, "type": "dense", "weight": weight.tolist(), "bias": bias.tolist()}


SMALL = {"inputs": 3, "layers": [dense("a", 3, 5), {"name": "r", "type": "relu"}, dense("b", 5, 4)]}
WIDE = {"inputs": 2, "layers": [dense("a", 2, 3)]}
OPEN = {**SMALL, "inputs": None}
ODD = {
    "inputs": 3,
    "layers": [
        {"name": "first", "type": "lstm"},
        dense("second", 3, 5),
        {"name": "third", "type": "tanh"},
    ],
}


def writer(model: Any) -> Any:
    def write(folder: Path) -> Path:
        path = folder / "model.toy"
        path.write_text(json.dumps(model))
        return path

    return write


def computed(source: Any, x_b_l: Any) -> Any:
    """Return what a toy model computes, without any parser."""
    y = x_b_l.astype(np.float64)
    for entry in json.loads(Path(source).read_text())["layers"]:
        if entry["type"] == "dense":
            y = y @ np.array(entry["weight"]) + entry["bias"]
        else:
            y = np.maximum(y, 0)
    return y


class ToySuite:
    """What a package would write for its parser."""

    sources: ClassVar = {"small": writer(SMALL), "wide": writer(WIDE)}
    refusals: ClassVar = {"odd": Refusal(writer(ODD), {"first": "lstm", "third": "tanh"})}
    open_sources: ClassVar = {"open": (writer(OPEN), (3,))}
    framework = staticmethod(computed)


def suite_for(parser: type[Any], **attributes: Any) -> Any:
    return type("TestSome", (ToySuite, ParserConformance), {"parser": parser, **attributes})


class NoWords(ToyParser):
    reads = "toys"


class NeedsTheFile(ToyParser):
    def accepts(self, source: Any) -> bool:
        return super().accepts(source) and Path(source).exists()


class Greedy(ToyParser):
    def accepts(self, source: Any) -> bool:
        return isinstance(source, (str, Path))


class IgnoresBias(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        network = super().parse(source, input_shape=input_shape)
        silent = [
            replace(layer, bias_o=np.zeros_like(layer.bias_o))
            for layer in network
            if hasattr(layer, "bias_o")
        ]
        return network.replace(*silent)


class CentresBatches(ToyParser):
    def run(self, source: Any, x_b_l: Any, *, input_shape: Any = None) -> Any:
        return super().run(source, x_b_l - x_b_l.mean(axis=0), input_shape=input_shape)


class NoVersion(ToyParser):
    def run(self, source: Any, x_b_l: Any, *, input_shape: Any = None) -> Any:
        return super().run(source, x_b_l, input_shape=input_shape)[0], "toy"


class NoHistory(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        return replace(super().parse(source, input_shape=input_shape), history=())


class NewNotes(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        network = super().parse(source, input_shape=input_shape)
        return network.replace(note=f"reading number {next(UNIQUE)}")


class SeedsGlobally(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        np.random.seed(0)  # noqa: NPY002 - what a parser must not do
        return super().parse(source, input_shape=input_shape)


class ChangesFolder(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        os.environ["TOY_PARSED"] = str(next(UNIQUE))
        return super().parse(source, input_shape=input_shape)


class StopsAtTheFirst(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        try:
            return super().parse(source, input_shape=input_shape)
        except UnsupportedError as error:
            raise UnsupportedError(error.problems[:1]) from None


class GuessesShapes(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        return super().parse(source, input_shape=input_shape or (3,))


class KeepsCache(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        network = super().parse(source, input_shape=input_shape)
        Path(source).with_suffix(".cache").touch()
        return network


class LetsOSErrorsThrough(ToyParser):
    def parse(self, source: Any, *, input_shape: Any = None) -> Network:
        Path(source).read_bytes()
        return super().parse(source, input_shape=input_shape)


class ReadsTheRest(ToyParser):
    """Takes what is left of a file for the whole."""

    def _model(self, path: Path) -> Any:
        content = path.read_bytes() if path.is_file() else b""
        try:
            return super()._model(path)
        except ParseError:
            if content.startswith(b'{"inputs": ') and content.isascii():
                return WIDE
            raise


class TrustsBytes(ToyParser):
    def _model(self, path: Path) -> Any:
        try:
            return super()._model(path)
        except ParseError as error:
            damage = error.__cause__ and error.__cause__.__cause__
            if isinstance(damage, UnicodeDecodeError) and b"layers" in path.read_bytes():
                raise IndexError("no such character") from error
            raise


class FillsIn(ToyParser):
    def _model(self, path: Path) -> Any:
        if path.is_file() and path.read_bytes() == b"{}":
            return {"inputs": 2, "layers": []}
        return super()._model(path)


class Unpickles(ToyParser):
    def _model(self, path: Path) -> Any:
        try:
            return super()._model(path)
        except ParseError:
            with contextlib.suppress(Exception):
                pickle.loads(path.read_bytes())  # noqa: S301 - what a parser must not do
            raise


BROKEN = {
    NoWords: "test_declaration",
    NeedsTheFile: "test_accepts_its_sources",
    Greedy: "test_leaves_other_sources_alone",
    IgnoresBias: "test_exactness",
    CentresBatches: "test_run",
    NoVersion: "test_run",
    NoHistory: "test_network",
    NewNotes: "test_determinism",
    SeedsGlobally: "test_leaves_the_world_alone",
    ChangesFolder: "test_leaves_the_world_alone",
    StopsAtTheFirst: "test_all_problems_at_once",
    GuessesShapes: "test_open_shapes",
    KeepsCache: "test_files_stay_as_they_are",
    LetsOSErrorsThrough: "test_missing_files",
    ReadsTheRest: "test_truncated_files",
    TrustsBytes: "test_damaged_files",
    FillsIn: "test_foreign_files",
    Unpickles: "test_nothing_is_executed",
}


def failed(results: Any) -> set[str]:
    found = {name for name, result in results.items() if result.status == "failed"}
    return found - {"test_is_registered"}  # none of these is in a package


def test_the_toy_parser_passes() -> None:
    results = outcomes(suite_for(ToyParser))
    assert failed(results) == set()
    skipped = {name for name, result in results.items() if result.status == "skipped"}
    assert skipped == {"test_module_is_light", "test_command_line"}


@pytest.mark.parametrize("parser", BROKEN, ids=lambda kind: kind.__name__)
def test_each_broken_parser_fails_exactly_its_test(parser: type[Any]) -> None:
    results = outcomes(suite_for(parser))
    reasons = {name: results[name].reason for name in failed(results)}
    assert set(reasons) == {BROKEN[parser]}, reasons


def test_every_test_of_the_kit_fails_for_some_parser() -> None:
    assert set(BROKEN.values()) | ABOUT_PACKAGES == set(PARSER_KIT)


def test_every_test_tells_what_to_look_at() -> None:
    for name, test in PARSER_KIT.items():
        assert "If this fails" in test.__doc__, name


def test_failures_name_the_source_and_the_figures() -> None:
    reason = outcomes(suite_for(IgnoresBias))["test_exactness"].reason
    assert "source 'small'" in reason
    assert "largest difference" in reason


def test_a_parser_without_run_is_compared_with_the_framework_of_the_suite() -> None:
    class Still:
        """A parser that cannot run models."""

        name, reads = "still", ToyParser.reads
        accepts, parse = ToyParser().accepts, ToyParser().parse

    results = outcomes(suite_for(Still))
    assert results["test_exactness"].status == "passed"
    assert results["test_run"].status == "skipped"
    nothing = outcomes(suite_for(Still, framework=staticmethod(lambda *_: None)))
    assert nothing["test_exactness"].status == "skipped"


def test_a_suite_without_sources_fails() -> None:
    results = outcomes(type("TestNone", (ParserConformance,), {"parser": ToyParser}))
    assert results["test_accepts_its_sources"].status == "failed"


def test_a_suite_needs_a_parser() -> None:
    with pytest.raises(TypeError, match="does not set `parser`"):
        type("TestNone", (ParserConformance,), {})


def test_a_test_cannot_be_overridden() -> None:
    with pytest.raises(TypeError, match="test_exactness overrides a test of the kit"):
        suite_for(ToyParser, test_exactness=None)


def test_a_deleted_test_fails_the_suite() -> None:
    suite = suite_for(ToyParser)
    suite.test_run = None
    with pytest.raises(AssertionError):
        suite().test_suite_is_complete()


HASTY = """
import sys
{top}
from snn_core.testing.toy_parser import ToyParser

class Parser(ToyParser):
    name = "hasty"

    def parse(self, source, *, input_shape=None):
        if sys.argv[1:2] == ["convert"] and {fails}:
            raise RuntimeError("not from the command line")
        return super().parse(source, input_shape=input_shape)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that installs a package with a parser and returns the parser."""

    def install(name: str, *, top: str = "", fails: bool = False, entry: str = "hasty") -> Any:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[snn.parsers]\n{entry} = {name}:Parser\n")
        (tmp_path / f"{name}.py").write_text(HASTY.format(top=top, fails=fails))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
        monkeypatch.syspath_prepend(tmp_path)
        return __import__(name).Parser

    return install


def test_a_registered_parser_works_from_the_command_line(installed: Any) -> None:
    suite = suite_for(installed("toy_package_a"))()
    suite.test_is_registered()
    suite.test_command_line()


def test_a_parser_that_fails_in_the_command_is_found_out(installed: Any) -> None:
    suite = suite_for(installed("toy_package_b", fails=True))
    with pytest.raises(AssertionError, match="not from the command line"):
        suite().test_command_line()


def test_another_name_in_the_entry_point_is_found_out(installed: Any) -> None:
    suite = suite_for(installed("toy_package_c", entry="slow"))
    with pytest.raises(AssertionError, match="registered as slow; its name is 'hasty'"):
        suite().test_is_registered()


def test_a_parser_in_no_package_is_reported_as_not_registered() -> None:
    with pytest.raises(AssertionError, match="no installed package registers"):
        suite_for(ToyParser)().test_is_registered()


def test_heavy_imports_are_found_out(installed: Any) -> None:
    suite = suite_for(installed("toy_package_d", top="import wave"), heavy_modules=("wave",))
    with pytest.raises(AssertionError, match="wave imported together with the parser's module"):
        suite().test_module_is_light()
