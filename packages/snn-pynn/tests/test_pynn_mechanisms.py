import logging
import subprocess
import sys

import pytest

from snn_core.errors import SimulationError
from snn_pynn.neuron import mechanisms
from snn_pynn.options import NeuronOptions


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ({"nrnivmodl"}, "no nrnivmodl"),
        ({"g++", "c++"}, "no C\\+\\+ compiler"),
        ({"make"}, "no make"),
    ],
    ids=["nrnivmodl", "compiler", "make"],
)
def test_what_is_missing_is_said_with_what_to_install(monkeypatch, missing, said):
    monkeypatch.setattr(
        mechanisms.shutil,
        "which",
        lambda name, path=None: None if name in missing else f"/bin/{name}",
    )
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(SimulationError, match=f"{said}.*apt install g\\+\\+ make"):
        mechanisms.find_nrnivmodl()


def test_compiled_neurons_go_where_the_user_wants_them(tmp_path, monkeypatch):
    assert NeuronOptions(cache_dir=str(tmp_path)).cache_folder() == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert NeuronOptions().cache_folder() == tmp_path / "snn-pynn"


def test_a_failing_compiler_is_a_clear_error_and_leaves_nothing(tmp_path, monkeypatch):
    source = tmp_path / "wrong.mod"
    source.write_text("NEURON { this is no mechanism")
    cache = tmp_path / "cache"
    with pytest.raises(SimulationError, match="could not compile"):
        mechanisms.compiled([source], cache)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_said_with_the_option_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SimulationError, match=r"file/cache'\. .*cache_dir.*\[pynn-neuron\]"):
        mechanisms.compiled(mechanisms.of_this_package(), tmp_path / "file" / "cache")


@pytest.mark.compiled
def test_neurons_are_compiled_once_with_a_message(tmp_path, caplog):
    sources = mechanisms.of_this_package()
    with caplog.at_level(logging.WARNING, logger="snn_pynn"):
        first = mechanisms.compiled(sources, tmp_path)
        again = mechanisms.compiled(sources, tmp_path)
    assert first == again
    assert [str(first) in record.getMessage() for record in caplog.records] == [True]
    assert list(first.rglob("libnrnmech.*"))


@pytest.mark.compiled
def test_pynn_that_was_imported_before_gets_the_neuron(tmp_path):
    script = f"""
import sys
from pathlib import Path
from snn_pynn.neuron import mechanisms
from snn_pynn.options import NeuronOptions
import neuron
pynn = mechanisms.of_pynn()
neuron.load_mechanisms(str(mechanisms.compiled(pynn, NeuronOptions().cache_folder())))
neuron.nrn_dll_loaded.append(str(pynn[0].parent))
import pyNN.neuron
mechanisms.import_neuron(Path({str(tmp_path)!r}))
from snn_pynn.neuron import cells
cells.set_up(1.0)
cells.sim.Population(2, cells.IntegrateAndFire())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
