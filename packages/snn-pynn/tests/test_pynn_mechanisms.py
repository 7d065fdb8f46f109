import errno
import logging
import os
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
    with pytest.raises(SimulationError, match=r"could not compile.*Error: Illegal block at line 1"):
        mechanisms.compiled([source], cache)
    assert list(cache.iterdir()) == []


FULL_WHILE_LINKING = """\
Translating fan_out.mod into fan_out.cpp
/usr/bin/ld: final link failed: No space left on device
collect2: error: ld returned 1 exit status
make: *** [nrnmech_makefile:134: mech_lib_shared] Error 1
Traceback (most recent call last):
subprocess.CalledProcessError: Command 'nrnivmodl' returned non-zero exit status 2.
"""
WITHOUT_REASON = "Translating fan_out.mod\nIt stopped.\nmake: *** [here] Error 1"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (FULL_WHILE_LINKING, "final link failed: No space left on device"),
        (WITHOUT_REASON, "neurons: It stopped. Make sure"),
        ("make: *** No targets.", r"neurons: make: \*\*\* No targets"),
        ("", "neurons: no output"),
    ],
    ids=["full disk", "no reason", "make", "nothing"],
)
def test_why_compiling_failed_is_said_with_where_it_was(tmp_path, monkeypatch, written, said):
    (tmp_path / "written").write_text(written)
    tool = tmp_path / "nrnivmodl"
    tool.write_text(f"#!/bin/sh\ncat {tmp_path}/written >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(mechanisms, "find_nrnivmodl", lambda: str(tool))
    with pytest.raises(SimulationError, match=f"{said}.*room in .*cache.*cache_dir"):
        mechanisms.compiled(mechanisms.of_this_package(), tmp_path / "cache")


def test_a_disk_that_is_full_while_sources_are_copied_is_said(tmp_path, monkeypatch):
    def copy(source, place):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mechanisms.shutil, "copy", copy)
    monkeypatch.setattr(mechanisms, "find_nrnivmodl", lambda: "nrnivmodl")
    with pytest.raises(SimulationError, match=r"No space left on device.*cache_dir"):
        mechanisms.compiled(mechanisms.of_this_package(), tmp_path)
    assert list(tmp_path.iterdir()) == []


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
