import subprocess
import sys

import pytest
from click.testing import CliRunner

from snn_core import save
from snn_core.cli import main
from snn_core.settings import Settings
from snn_core.testing.laid_out import LAID_OUT
from snn_loihi import SNN, LoihiOptions
from snn_loihi.netx import export, read


def call(*arguments):
    return CliRunner().invoke(main, ["loihi", *map(str, arguments)])


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "model.snn"
    save(LAID_OUT["strided"](), path)
    return path


def test_export_writes_what_the_function_writes(artifact, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[input]\nencoding = "regular"\n[loihi]\nreset_mode = "soft"\n'
        "[loihi.connection_kwargs]\nweightExponent = 0\n"
    )
    path = tmp_path / "out.net"
    done = call(
        "export", artifact, "-o", path, "--settings", settings, "--set", "loihi.reset_mode=hard"
    )
    assert done.exit_code == 0, done.output
    options = LoihiOptions(reset_mode="hard", connection_kwargs={"weightExponent": 0})
    snn = SNN(LAID_OUT["strided"](), Settings.of({"input": {"encoding": "regular"}}), options)
    expected = export(snn.chip, snn.timing, tmp_path / "expected.net")
    assert path.read_bytes() == (tmp_path / "expected.net").read_bytes()
    first, *remarks = done.stdout.splitlines()
    assert expected.netx
    assert first == f"{path}: 3 layers of neurons; lava-dl's NetX reads it"
    assert [line.strip() for line in remarks] == list(expected.remarks)


def test_export_says_what_netx_cannot_read(artifact, tmp_path):
    save(LAID_OUT["skip"](), artifact, overwrite=True)
    done = call("export", artifact, "-o", tmp_path / "out.net")
    assert done.exit_code == 0
    assert "lava-dl's NetX cannot read it" in done.stdout
    assert "NetX reads chains of layers" in done.stdout


def test_an_exported_network_is_replaced_only_when_asked(artifact, tmp_path):
    path = tmp_path / "out.net"
    assert call("export", artifact, "-o", path).exit_code == 0
    before = path.read_bytes()
    done = call("export", artifact, "-o", path, "--set", "loihi.thresholds=channel")
    assert done.exit_code == 2
    assert "is there already" in done.output
    assert path.read_bytes() == before
    done = call("export", artifact, "-o", path, "--set", "loihi.thresholds=channel", "--force")
    assert done.exit_code == 0
    assert path.read_bytes() != before
    assert len(read(path)) == 3


def test_another_file_is_never_replaced(artifact, tmp_path):
    path = tmp_path / "notes.net"
    path.write_text("mine")
    assert call("export", artifact, "-o", path, "--force").exit_code == 2
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--set", "loihi.reset_mod=hard"], "In the section [loihi]: Unknown simulator option"),
        (["--set", "loihi.compartment_kwargs.biasExp=9"], "In the section [loihi]"),
        (["--settings", "nowhere.toml"], "nowhere.toml"),
        (["--set", "loihi.connection_kwargs.weightExponent=-8"], "04Dense_4: weightExponent = -8"),
    ],
)
def test_what_cannot_be_is_refused_before_a_file_is_written(artifact, tmp_path, changes, said):
    done = call("export", artifact, "-o", tmp_path / "out.net", *changes)
    assert done.exit_code == 2
    assert said in done.output
    assert list(tmp_path.iterdir()) == [artifact]


def test_a_network_that_is_none_is_refused(tmp_path):
    done = call("export", tmp_path / "no.snn", "-o", tmp_path / "out.net")
    assert done.exit_code == 2
    assert "no.snn" in done.output


def test_other_commands_do_not_wait_for_numba_and_h5py():
    code = (
        "import sys; from click.testing import CliRunner; from snn_core.cli import main\n"
        "CliRunner().invoke(main, ['loihi', '--help'])\n"
        "sys.exit('numba' in sys.modules or 'h5py' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0
