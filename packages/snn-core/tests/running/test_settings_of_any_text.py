"""Settings hold texts that a terminal would not show as they are; a run goes on with them."""

import json

import numpy as np
import pytest

from snn_core import run
from snn_core.conversion import convert, preset
from snn_core.running.result import RunResult
from snn_core.settings import Settings
from snn_core.testing.builder import NetworkBuilder

X = np.random.default_rng(0).random((6, 4)).astype(np.float32)


@pytest.mark.parametrize("name", ["猫\u3000犬", "a\u00a0b", "\x1b[2J", "a\u202eb", "\\u3000", "🦊"])
def test_a_run_goes_on_with_them(tmp_path, name):
    network = convert(
        NetworkBuilder((4,)).dense(np.full((4, 2), 0.5, np.float32)).build(), X,
        settings=preset("seed"),
    )  # fmt: skip
    tree = {
        "input": {"label_dict": {name: 0, "other": 1}},
        "simulation": {"duration": 4, "batch_size": 2},
    }
    given = {"data": (X, np.arange(6) % 2), "output_dir": tmp_path / "run"}
    run(network, "reference", settings=Settings.of(tree), **given)
    for settings in (Settings.of(tree), None):
        (tmp_path / "run" / "batches" / "00002.npz").unlink()
        assert run(network, "reference", settings=settings, **given, resume=True).samples == 6
    found = RunResult.load(tmp_path / "run").metadata["identity"]["settings"]
    assert found["input"]["label_dict"] == {name: 0, "other": 1}
    written = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert written["identity"]["settings"]["input"]["label_dict"] == {name: 0, "other": 1}
