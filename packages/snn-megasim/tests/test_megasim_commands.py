import subprocess
import sys

import pytest
from click.testing import CliRunner
from netlists import alone, array, kernel, netlist, row

from snn_core.cli import main
from snn_megasim.files import Link, read_netlist, write_netlist


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "run"
    write_netlist(alone(array(kernel([[7]])), [(t, 1, 2, 1) for t in range(4)]), path)
    return path


def call(*arguments):
    return CliRunner().invoke(main, ["megasim", *map(str, arguments)])


def test_check_counts_what_is_there(folder):
    result = call("check", folder)
    assert result.exit_code == 0
    assert "1 sources with 4 events, 1 modules with 16 neurons; nothing is wrong" in result.output


def test_check_lists_everything_that_is_wrong(folder):
    for name, change in {"out.prm": ("Tmin 0", "Tmin x"), "in.stim": ("0 -1", "0 0 -1")}.items():
        path = folder / name
        path.write_text(path.read_text().replace(*change, 1))
    result = call("check", folder)
    assert result.exit_code == 2
    assert "in.stim:1: found 7 integers" in result.output
    assert "out.prm:21: found 'x'" in result.output


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_folder_that_is_none_is_refused(command, tmp_path):
    result = call(command, tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "Found no folder" in result.output
    result = call(command, tmp_path)
    assert result.exit_code == 2
    assert "Cannot read megasim.sch: " in result.output


def test_run_writes_the_events_of_every_node(folder):
    result = call("run", folder)
    assert result.exit_code == 0, result.output
    assert "2 files in" in result.output
    assert (folder / "node_out.evs").read_text() == "1 1 1 1 2 1\n2 2 2 1 2 1\n"
    assert (folder / "node_in.evs").read_text() == "".join(f"{t} {t} {t} 1 2 1\n" for t in range(4))


def test_run_replaces_events_only_when_asked(folder, tmp_path):
    call("run", folder)
    result = call("run", folder)
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert call("run", folder, "--force").exit_code == 0
    assert call("run", folder, "-o", tmp_path / "other").exit_code == 0
    assert (tmp_path / "other" / "node_out.evs").exists()
    read_netlist(folder)  # a directory that was run is as good as before


def test_run_ends_when_told(folder):
    call("run", folder, "--until", 1)
    assert (folder / "node_out.evs").read_text() == "1 1 1 1 2 1\n"


def test_run_stops_loops(tmp_path):
    loop = row([[10]], [[10]], link=Link(delay_to_process=1))
    net = netlist(
        {"out": ("module_fully_connected", ["in", "out"], loop)}, {"in": [(0, 0, 0, 1)]},
        t_max=10**9,
    )  # fmt: skip
    write_netlist(net, tmp_path)
    result = call("run", tmp_path, "--most-events", 500)
    assert result.exit_code == 2
    assert "more than 500 events" in result.output
    assert not list(tmp_path.glob("*.evs"))


def test_other_commands_do_not_wait_for_numba():
    code = (
        "import sys; from click.testing import CliRunner; from snn_core.cli import main\n"
        "CliRunner().invoke(main, ['megasim', '--help'])\n"
        "sys.exit('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
