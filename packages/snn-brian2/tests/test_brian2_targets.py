import subprocess
import sys

import pytest

from snn_brian2 import Brian2Options, targets
from snn_brian2.memory import copies_of
from snn_core.errors import SettingsError, SimulationError


@pytest.mark.parametrize(
    "options",
    [
        {"target": "gpu"},
        {"copies": -1},
        {"copies": 1.5},
        {"copies": True},
        {"delay": -1.0},
        {"delay": "1"},
        {"memory_limit_mb": 0},
        {"cache_dir": 3},
    ],
)
def test_impossible_options_are_refused(options):
    (name,) = options
    with pytest.raises(SettingsError, match=f"{name}: found"):
        Brian2Options(**options)


def test_delays_of_decimal_fractions_are_whole_steps():
    assert Brian2Options(delay=0.3).delay_steps(0.1) == 3


def test_compiled_code_goes_where_the_user_wants_it(tmp_path, monkeypatch):
    assert Brian2Options(cache_dir=str(tmp_path)).cache_folder() == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Brian2Options().cache_folder() == tmp_path / "snn-brian2"


@pytest.mark.parametrize("name", ["file", "file/below", "a" * 300])
def test_a_folder_that_cannot_hold_compiled_code_is_said_with_what_chooses_it(tmp_path, name):
    (tmp_path / "file").touch()
    said = r"no place for compiled code.*cache_dir.*XDG_CACHE_HOME"
    with (
        pytest.raises(SimulationError, match=said),
        targets.on_runtime("cython", tmp_path / name),
    ):
        pass
    with pytest.raises(SimulationError, match=said):
        targets.locked_folder(tmp_path / name, "key")


def test_a_program_that_cannot_be_locked_is_said_with_what_chooses_its_folder(tmp_path):
    (tmp_path / "standalone-key.lock").mkdir()
    with pytest.raises(SimulationError, match=r"no place for compiled code.*standalone-key\.lock"):
        targets.locked_folder(tmp_path, "key")


def test_auto_compiles_only_where_that_pays(monkeypatch):
    monkeypatch.setattr(targets, "has_compiler", lambda: True)
    small = targets.choose("auto", synapses=1000, steps=100, samples=100)
    assert (small.target, "does not pay" in small.reason) == ("numpy", True)
    large = targets.choose("auto", synapses=1_000_000, steps=100, samples=1000)
    assert large.target == "cpp_standalone"
    monkeypatch.setattr(targets, "has_compiler", lambda: False)
    without = targets.choose("auto", synapses=1_000_000, steps=100, samples=1000)
    assert (without.target, "no compiler" in without.reason) == ("numpy", True)


def test_a_missing_compiler_is_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.setattr(targets, "has_compiler", lambda: False)
    with pytest.raises(SimulationError, match="needs a C\\+\\+ compiler"):
        targets.compiled_in(None, tmp_path)


def test_two_networks_do_not_share_a_program(tmp_path):
    first, first_lock = targets.locked_folder(tmp_path, "key")
    second, second_lock = targets.locked_folder(tmp_path, "key")
    assert first != second
    first_lock.close()
    again, third_lock = targets.locked_folder(tmp_path, "key")
    assert again == first
    second_lock.close()
    third_lock.close()


def test_small_networks_run_in_more_copies_than_large_ones():
    common = {"cells": 10, "batch_size": 100, "limit_mb": 4000.0}
    assert copies_of(0, synapses=100, **common) == 100
    assert copies_of(0, synapses=100_000, **common) == 8  # 75 000 of 10 000 in a step
    assert copies_of(0, synapses=10_000_000, **common) == 1
    assert copies_of(5, synapses=10_000_000, **common) == 5
    assert copies_of(0, synapses=100_000, **{**common, "limit_mb": 8.5}) == 1


def test_warnings_of_python_do_not_go_to_the_log_of_brian2():
    code = """
import logging, warnings
from snn_brian2.targets import import_brian2

shown = warnings.showwarning
import_brian2()
assert warnings.showwarning is shown
logging.captureWarnings(True)  # a user's own wish
import_brian2()
assert warnings.showwarning is not shown
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
