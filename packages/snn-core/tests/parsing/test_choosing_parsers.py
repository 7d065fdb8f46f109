"""Which parser reads a source, and what is said when none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.ir import Dense, Dropout, Input, Network, Softmax
from snn_core.parsing import Parser, base, parse


def network(*, softmax_inside: bool = False) -> Network:
    weight, bias = np.eye(2, dtype=np.float32), np.zeros(2, np.float32)
    hidden = {"activation": Softmax()} if softmax_inside else {}
    return Network(
        layers=(
            Input(name="start", output_shape=(2,)),
            Dropout(name="drop", inputs=("start",), output_shape=(2,)),
            Dense(name="a", inputs=("drop",), output_shape=(2,), weight_io=weight, bias_o=bias,
                  **hidden),
            Dense(name="b", inputs=("a",), output_shape=(2,), weight_io=weight, bias_o=bias),
        )
    )  # fmt: skip


class Toy:
    name = "toy"
    reads = "Toy models (.toy)"

    def __init__(self, result: Network | None = None) -> None:
        self.result = result or network()

    def accepts(self, source: Any) -> bool:
        return isinstance(source, Path) and source.suffix == ".toy"

    def parse(self, source: Any, *, input_shape: tuple[int, ...] | None = None) -> Network:
        return self.result


@pytest.fixture
def toy_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.toy"
    path.write_text("toy")
    return path


def test_parsed_networks_are_ready_for_conversion(toy_file: Path) -> None:
    found = parse(toy_file, parsers=[Toy()])
    assert [layer.name for layer in found] == ["input", "00Dense_2", "01Dense_2"]
    assert "00Dense_2 = a, 01Dense_2 = b" in found.history[-1]


def test_paths_may_be_strings(toy_file: Path) -> None:
    assert len(parse(str(toy_file), parsers=[Toy()])) == 3


def test_problems_are_told_under_the_names_of_the_source(toy_file: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"a \(Dense\): softmax inside"):
        parse(toy_file, parsers=[Toy(network(softmax_inside=True))])


def test_unknown_files_are_answered_with_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "model.xyz"
    path.write_text("?")
    with pytest.raises(ParseError, match=r"model\.xyz.*Toy models \(\.toy\)"):
        parse(path, parsers=[Toy()])


def test_unknown_objects_are_named_by_their_type() -> None:
    with pytest.raises(ParseError, match="object of <class 'dict'>"):
        parse({}, parsers=[Toy()])


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match=r"gone\.toy does not exist"):
        parse(tmp_path / "gone.toy", parsers=[Toy()])


def test_directories_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match=r"is a folder; expected a model file\."):
        parse(tmp_path, parsers=[Toy()])
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(ParseError, match=r"SavedModel.*\.keras"):
        parse(tmp_path, parsers=[Toy()])


def test_empty_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.toy"
    path.touch()
    with pytest.raises(ParseError, match="is empty"):
        parse(path, parsers=[Toy()])


class Entry:
    """Stands in for an entry point of an installed package."""

    dist = None

    def __init__(self, name: str, target: Any) -> None:
        self.name, self.target = name, target

    def load(self) -> Any:
        if isinstance(self.target, Exception):
            raise self.target
        return self.target


def test_registered_parsers_are_found_in_order_of_their_names(
    monkeypatch: pytest.MonkeyPatch, toy_file: Path
) -> None:
    class Other(Toy):
        name = "other"

    entries = [Entry("toy", Toy), Entry("other", Other)]
    monkeypatch.setattr(base, "entry_points", lambda *, group: entries)
    found = base.installed_parsers()
    assert [parser.name for parser in found] == ["other", "toy"]
    assert all(isinstance(parser, Parser) for parser in found)
    assert len(parse(toy_file)) == 3


@pytest.mark.parametrize("target", [ImportError("no torch"), dict])
def test_broken_plug_ins_are_named(monkeypatch: pytest.MonkeyPatch, target: Any) -> None:
    monkeypatch.setattr(base, "entry_points", lambda *, group: [Entry("odd", target)])
    with pytest.raises(ParseError, match="'odd'"):
        base.installed_parsers()
