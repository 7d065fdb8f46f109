"""Keras models in models: each is called as often as the file says, or refused before that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core.errors import ParseError, UnsupportedError
from snn_core.evaluation.forward import predict
from snn_core.parsing.keras import plan
from snn_core.parsing.keras.model import KerasParser

Writer = Callable[..., Path]

X = np.array([[1, 2, -1], [0.5, -0.25, 4]], np.float32)


def tensor(name: str, node: int = 0) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, node, 0]}}


def model(name: str, entry: dict[str, Any] | None, *, calls: int = 1, **kwargs: Any) -> Any:
    """Return a model that applies a layer, or another model, to its input ``calls`` times."""
    start = {"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
             "config": {"name": "x", "batch_shape": [None, 3]}}  # fmt: skip
    layers, output = [start], ["x", 0, 0]
    if entry is not None:
        inner = entry["config"]["name"]
        # A functional model owns a first call, which counts where outputs are listed.
        shift = entry["class_name"] == "Functional"
        sources = [tensor("x"), *(tensor(inner, i) for i in range(calls - 1))]
        nodes = [{"args": [source], "kwargs": kwargs} for source in sources]
        layers = [{**entry, "name": inner, "inbound_nodes": nodes}, start]
        output = [inner, calls - 1 + shift, 0]
    config = {"name": name, "layers": layers, "input_layers": [["x", 0, 0]],
              "output_layers": [output]}  # fmt: skip
    return {"class_name": "Functional", "config": config}


def nest(depth: int, *, calls: int, inner: dict[str, Any] | None) -> Any:
    """Return models in each other, each of which calls the next one ``calls`` times."""
    found = model("m0", inner)
    for i in range(1, depth):
        found = model(f"m{i}", found, calls=calls)
    return found


HALF = {"class_name": "Rescaling", "config": {"name": "half", "scale": 0.5}}


def test_models_nested_deep_are_read(write_archive: Writer) -> None:
    path = write_archive(nest(plan.MAX_DEPTH, calls=1, inner=HALF), {})
    np.testing.assert_array_equal(predict(KerasParser().parse(path), X), X / 2)


def test_models_nested_too_deep_are_refused(write_archive: Writer) -> None:
    path = write_archive(nest(plan.MAX_DEPTH + 2, calls=1, inner=HALF), {})
    with pytest.raises(ParseError, match="nested more than 50 deep"):
        KerasParser().parse(path)


def test_a_model_that_is_called_many_times_is_looked_at_once(
    write_archive: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[Any] = []
    nodes = plan.Nodes
    monkeypatch.setattr(plan, "Nodes", lambda given: looked_at.append(given) or nodes(given))
    path = write_archive(nest(5, calls=2, inner=HALF), {})
    np.testing.assert_array_equal(predict(KerasParser().parse(path), X), X / 2**16)
    assert len(looked_at) == 5


@pytest.mark.parametrize("inner", [HALF, None], ids=["a layer", "nothing"])
def test_models_that_double_with_each_level_are_refused_before_they_are_written_out(
    write_archive: Writer, inner: dict[str, Any] | None
) -> None:
    path = write_archive(nest(40, calls=2, inner=inner), {})
    with pytest.raises(ParseError, match=r"has \d{12,} calls .* at most 100000 with 1000000"):
        KerasParser().parse(path)


def test_what_layers_are_called_with_counts_too(write_archive: Writer) -> None:
    entry = {"class_name": "Add", "config": {"name": "sum"}}
    inner = model("m0", entry)
    inner["config"]["layers"][0]["inbound_nodes"] = [{"args": [[tensor("x")] * 1000], "kwargs": {}}]
    path = write_archive(model("m1", inner, calls=1001), {})
    with pytest.raises(ParseError, match=r"has 3004 calls of layers with 1002001 arguments; at mo"):
        KerasParser().parse(path)


def test_long_names_of_many_calls_are_counted_as_memory(
    write_archive: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "100M")
    entry = {**HALF, "config": {**HALF["config"], "name": "n" * 1_000_000}}
    path = write_archive(model("m1", model("m0", entry), calls=1000), {})
    with pytest.raises(ParseError, match="names of all calls would take"):
        KerasParser().parse(path)


def test_what_a_nested_model_does_not_need_is_listed_once(write_archive: Writer) -> None:
    inner = model("m0", HALF)
    unused = {"class_name": "ReLU", "config": {"name": "unused"}, "name": "unused",
              "inbound_nodes": [{"args": [tensor("x")], "kwargs": {}}]}  # fmt: skip
    inner["config"]["layers"].append(unused)
    network = KerasParser().parse(write_archive(model("m1", inner, calls=3), {}))
    [line] = [line for line in network.history if "does not depend on them" in line]
    assert line.endswith("depend on them: m0/unused")


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([True], {}, r"m0 \(Functional\): it is called with the constant True; remove"),
        ([], {"training": True}, r"m0 \(Functional\): it is called with training=True; remove"),
    ],
)
def test_nested_models_that_stay_in_training_are_refused(
    write_archive: Writer, args: list[Any], kwargs: dict[str, Any], message: str
) -> None:
    outer = model("m1", model("m0", HALF), **kwargs)
    outer["config"]["layers"][0]["inbound_nodes"][0]["args"] += args
    with pytest.raises(UnsupportedError, match=message):
        KerasParser().parse(write_archive(outer, {}))


def test_nested_models_that_are_called_for_inference_are_read(write_archive: Writer) -> None:
    outer = model("m1", model("m0", HALF), training=False)
    outer["config"]["layers"][0]["inbound_nodes"][0]["args"].append(False)
    np.testing.assert_array_equal(predict(KerasParser().parse(write_archive(outer, {})), X), X / 2)


def test_a_nested_model_called_with_too_much_is_a_parse_error(write_archive: Writer) -> None:
    outer = model("m1", model("m0", HALF))
    outer["config"]["layers"][0]["inbound_nodes"][0]["args"].append(tensor("x"))
    with pytest.raises(ParseError, match="The model m0 has 1 inputs but is called with 2"):
        KerasParser().parse(write_archive(outer, {}))


class CountingDict(dict[Any, Any]):
    """A dictionary that counts how often something is looked up in it."""

    looked_up = 0

    def __getitem__(self, key: Any) -> Any:
        self.looked_up += 1
        return super().__getitem__(key)


def test_calls_are_ordered_in_linear_time() -> None:
    """Each layer stands before what it reads, so that going through them finds one at a time."""

    def looked_up(number: int) -> int:
        entries = [
            {"class_name": "ReLU", "config": {"name": f"{i}"},
             "inbound_nodes": [{"args": [tensor(f"{i - 1}" if i else "x")], "kwargs": {}}]}
            for i in range(number)
        ][::-1]  # fmt: skip
        nodes = plan.Nodes([{"class_name": "InputLayer", "config": {"name": "x"}}, *entries])
        nodes.inputs = CountingDict(nodes.inputs)
        order = nodes.order(set(nodes.inputs), ready={("x", 0)})
        assert order == [(f"{i}", 0) for i in range(number)]
        return nodes.inputs.looked_up

    assert looked_up(400) < 5 * looked_up(100)
