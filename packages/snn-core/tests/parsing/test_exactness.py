"""Whether a parsed network is compared with what its framework computes, and what follows."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from snn_core.conversion import convert
from snn_core.errors import ParseError
from snn_core.parsing import read
from snn_core.parsing.exactness import (
    SAMPLES,
    Exactness,
    ExactnessWarning,
    compare,
    difference,
    require_exact,
)
from snn_core.parsing.keras.model import KerasParser
from snn_core.testing.toy_parser import ToyParser

DATA = np.array([[1, 2], [3, -1]], np.float32)


class Biased(ToyParser):
    """Its framework adds 1 to the first output."""

    def run(self, source: Any, x_b_l: Any, *, input_shape: Any = None) -> Any:
        y, engine = super().run(source, x_b_l, input_shape=input_shape)
        return y + np.array([1, 0], np.float32), engine


class Missing(ToyParser):
    framework = "toy-framework"

    def run(self, source: Any, x_b_l: Any, *, input_shape: Any = None) -> Any:
        return None


class Failing(ToyParser):
    def run(self, source: Any, x_b_l: Any, *, input_shape: Any = None) -> Any:
        raise RuntimeError("no kernel for this\nand a long trace")


class Silent:
    name, reads = "silent", "toys (.toy)"
    accepts, parse = ToyParser().accepts, ToyParser().parse


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model that computes (x + 2y, 2x)."""
    path = tmp_path / "model.toy"
    layer = {"name": "a", "type": "dense", "weight": [[1, 2], [2, 0]], "bias": [0, 0]}
    path.write_text(json.dumps({"inputs": 2, "layers": [layer]}))
    return path


def test_equal_outputs_differ_by_nothing(model: Path) -> None:
    found = compare(read(model, parsers=[ToyParser()]), DATA)
    assert found == Exactness(
        engine="toy 1.0", samples=2, difference=0.0, relative=0.0, decisions=0
    )
    require_exact(found)


def test_differences_are_measured_against_the_largest_output(model: Path) -> None:
    """The outputs are (5, 2) and (1, 6), those of the framework (6, 2) and (2, 6)."""
    found = compare(read(model, parsers=[Biased()]), DATA)
    assert found.difference == 1
    assert found.relative == pytest.approx(1 / 6)
    assert found.decisions == 0
    assert "largest difference 1.0e+00, 1.7e-01 of the largest output" in str(found)


def test_changed_decisions_are_counted() -> None:
    first, second = np.array([[1.0, 0], [0, 1]]), np.array([[0.0, 1], [0, 1]])
    assert difference(first, second, engine="toy 1").decisions == 1


def test_outputs_of_another_shape_are_an_error() -> None:
    with pytest.raises(ParseError, match=r"shape \(1, 2\), toy 1 of shape \(1, 3\)"):
        difference(np.zeros((1, 2)), np.zeros((1, 3)), engine="toy 1")


@pytest.mark.parametrize(("found", "expected", "relative"), [(0.0, 0.0, 0.0), (1.0, 0.0, math.inf)])
def test_a_silent_source_is_only_equal_to_silence(
    found: float, expected: float, relative: float
) -> None:
    result = difference(np.full((1, 2), found), np.full((1, 2), expected), engine="toy 1")
    assert result.relative == relative


def test_values_that_are_no_numbers_are_never_within_a_tolerance() -> None:
    result = difference(np.zeros((1, 2)), np.full((1, 2), np.nan), engine="toy 1")
    with pytest.raises(ParseError):
        require_exact(result)


@pytest.mark.parametrize(("kind", "within"), [(np.float32, False), (np.float16, True)])
def test_half_precision_may_round_coarsely(kind: Any, within: bool) -> None:
    expected = np.array([[1.0, 0.5]], kind)
    result = difference(np.array([[1.0 + 2**-8, 0.5]], np.float32), expected, engine="toy 1")
    assert result.relative == 2**-8
    assert result.is_within(1e-4) == within
    assert ("in half precision" in str(result)) == within


@pytest.mark.parametrize(("away", "within"), [(2**-5, True), (2**-4, True), (2**-3, False)])
def test_bfloat16_may_round_more_coarsely(model: Path, away: float, within: bool) -> None:
    class OfBFloat16(ToyParser):
        def run(self, *arguments: Any, **named: Any) -> Any:
            y, engine = super().run(*arguments, **named)
            return y * np.float32(1 + away), engine, "bfloat16"

    found = compare(read(model, parsers=[OfBFloat16()]), DATA)
    assert "toy 1.0 in bfloat16 on" in str(found)
    assert found.relative == pytest.approx(away / (1 + away))
    assert found.is_within(1e-4) == within


def test_half_precision_does_not_hide_a_wrong_reading() -> None:
    expected = np.array([[1.0, 0.5]], np.float16)
    result = difference(np.array([[1.0, 0.53125]], np.float32), expected, engine="toy 1")
    with pytest.raises(ParseError, match=r"at most 0\.015625 of the largest"):
        require_exact(result)


@pytest.mark.parametrize(
    ("parser", "reason"),
    [
        (Missing(), "for that, install toy-framework"),
        (Failing(), "running it failed (RuntimeError: no kernel for this)"),
        (Silent(), "the parser 'silent' cannot run models"),
    ],
    ids=["missing", "failing", "without run"],
)
def test_what_cannot_be_compared_says_why(model: Path, parser: Any, reason: str) -> None:
    found = compare(read(model, parsers=[parser]), DATA)
    assert not found.compared
    assert str(found) == f"not compared with its source: {reason}"
    require_exact(found)
    if not isinstance(parser, Failing):
        require_exact(found, demanded=True)


def test_a_comparison_that_fails_is_an_error_where_it_is_demanded(model: Path) -> None:
    parsed = read(model, parsers=[Failing()])
    found = compare(parsed, DATA)
    with pytest.raises(ParseError, match=r"not compared .*no kernel for this\)\. --check auto"):
        require_exact(found, demanded=True)
    with pytest.raises(ParseError, match="no kernel for this"):
        convert(parsed, DATA, check="error")
    for check in ("auto", "warn"):
        assert convert(parsed, DATA, check=check).layers


def test_only_a_few_samples_are_run(model: Path) -> None:
    many = np.ones((SAMPLES + 5, 2), np.float32)
    assert compare(read(model, parsers=[ToyParser()]), many).samples == SAMPLES


def test_a_conversion_stops_at_a_difference(model: Path) -> None:
    parsed = read(model, parsers=[Biased()])
    with pytest.raises(ParseError, match=r"does not compute what the model computes.*check='warn'"):
        convert(parsed, DATA)
    with pytest.warns(ExactnessWarning, match="does not compute"):
        network = convert(parsed, DATA, check="warn")
    assert "compared with toy 1.0 on 2 sample(s)" in network.history[-2]
    unchecked = convert(parsed, DATA, check="off")
    assert not any("compared" in line for line in unchecked.history)


def test_the_history_tells_how_exact_the_network_is(model: Path) -> None:
    network = convert(read(model, parsers=[ToyParser()]), DATA)
    assert "largest difference 0.0e+00" in network.history[-2]
    missing = convert(read(model, parsers=[Missing()]), DATA)
    assert not any("compared" in line for line in missing.history)


class Vouching(Biased):
    """A parser whose framework does not have to be started."""

    def vouches(self, _source: Any) -> str:
        return "known"


class Doubting(Biased):
    """A parser whose framework has to be asked."""

    def vouches(self, _source: Any) -> str:
        return ""


def test_a_framework_is_not_started_where_the_parser_vouches(model: Path) -> None:
    network = convert(read(model, parsers=[Vouching()]), DATA)
    assert "compared with its layers as read (known) on 2 sample(s)" in network.history[-2]
    with pytest.raises(ParseError, match="does not compute what the model computes"):
        convert(read(model, parsers=[Vouching()]), DATA, check="error")
    with pytest.raises(ParseError, match="does not compute what the model computes"):
        convert(read(model, parsers=[Doubting()]), DATA)


def test_what_was_merged_wrongly_is_found_without_the_framework(model: Path) -> None:
    parsed = read(model, parsers=[Vouching()])
    layer = parsed.network.layers[-1]
    wrong = parsed.network.replace(replace(layer, bias_o=layer.bias_o + 1))
    with pytest.raises(ParseError, match="compared with its layers as read"):
        convert(replace(parsed, network=wrong), DATA)


@pytest.mark.parametrize(
    ("version", "is_vouched"),
    [
        ("3.15.1", True),
        ("2.9.0", True),
        ("3.16.0", False),
        ("4.0.0", False),
        ("nightly", False),
        ("3.²", False),
    ],
)
def test_keras_is_asked_about_files_of_versions_that_no_test_knows(
    version: str, is_vouched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("keras", "tf_keras"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
        file.attrs["keras_version"] = version
        file.create_group("model_weights")
    assert bool(KerasParser().vouches(path)) == is_vouched
    monkeypatch.setitem(sys.modules, "keras", object())
    assert not KerasParser().vouches(path)
