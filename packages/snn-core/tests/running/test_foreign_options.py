"""Options that an artifact brings along and that only who runs it may choose."""

import warnings
from typing import ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from snn_core import load, run
from snn_core.cli import main
from snn_core.conversion import convert, preset
from snn_core.settings import Options, Settings
from snn_core.simulation import registry
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.registry import OptionWarning
from snn_core.testing.builder import NetworkBuilder

RNG = np.random.default_rng(0)
X, Y = RNG.random((6, 4)).astype(np.float32), np.arange(6) % 3


class PlaceOptions(Options):
    cache_dir: str = ""
    target: str | None = None
    copies: int = 1


class Placed(ReferenceSNN):
    options_type = PlaceOptions
    seen: ClassVar[list[Options]] = []

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        Placed.seen.append(self.options)


@pytest.fixture(autouse=True)
def placed(monkeypatch):
    known = registry.get
    monkeypatch.setattr(registry, "get", lambda name: Placed if name == "placed" else known(name))
    monkeypatch.setattr(registry, "names", lambda: ["placed", "reference"])
    monkeypatch.setattr(registry, "version_of", lambda name: "none")
    Placed.seen.clear()


@pytest.fixture
def path(tmp_path):
    settings = preset("fast").updated(
        {"placed": {"cache_dir": "artcache", "copies": 3}}, simulators=("placed",)
    )
    network = NetworkBuilder((4,)).dense(RNG.random((4, 3))).build()
    convert(network, X, settings=settings, trial=False).save(tmp_path / "m.snn")
    return tmp_path / "m.snn"


@pytest.mark.parametrize("given", [str, load])
def test_a_file_does_not_choose_folders(path, given):
    with pytest.warns(OptionWarning, match=r"name placed\.cache_dir, which only who runs it"):
        run(given(path), "placed", data=(X, Y))
    assert Placed.seen[-1] == PlaceOptions(copies=3)


def test_who_runs_a_network_chooses_them(path):
    own = Settings.of({"placed": {"cache_dir": "mine"}}, simulators=("placed",))
    with pytest.warns(OptionWarning):
        run(path, "placed", data=(X, Y), settings=own)
    assert Placed.seen[-1] == PlaceOptions(cache_dir="mine", copies=3)


def test_the_command_keeps_to_it(path, tmp_path):
    np.savez(tmp_path / "d.npz", x=X, y=Y)
    common = ["run", str(path), "--simulator", "placed", "--data", str(tmp_path / "d.npz")]
    done = CliRunner().invoke(main, common)
    assert "Warning: The network's own settings name placed.cache_dir" in done.output
    assert Placed.seen[-1].cache_dir == ""
    CliRunner().invoke(main, [*common, "--set", "placed.cache_dir=artcache"])
    assert Placed.seen[-1].cache_dir == "artcache"


def test_networks_without_such_options_are_left_alone(path):
    network = load(path)
    plain = network.replace(settings=network.settings.model_copy(update={"options": {}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.without_free_texts(plain) is plain
        run(plain, "reference", data=(X, Y))


def test_free_texts_are_the_options_of_type_text():
    assert PlaceOptions.free_texts() == {"cache_dir", "target"}
