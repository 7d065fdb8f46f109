"""Figures are the same in every folder and environment, and nothing there stops them."""

import os
import subprocess
import sys

import pytest

KINDS = ("png", "pdf", "svg")
OBEYED = """
savefig.bbox: tight
savefig.dpi: 10000
savefig.facecolor: red
font.size: 30
axes.facecolor: green
svg.fonttype: none
pdf.compression: 0
"""


@pytest.fixture(scope="module")
def draw(plain_dir, tmp_path_factory):
    """Return a function that draws a figure of each kind in a process of its own."""

    def drawn(folder, *, kinds=KINDS, **environment):
        found = {}
        for kind in kinds:
            command = [sys.executable, "-m", "snn_core", "plot", str(plain_dir), "--format", kind,
                       "--only", "error_vs_time", "-o", str(folder / "figures")]  # fmt: skip
            done = subprocess.run(
                command, cwd=folder, env={**os.environ, **environment}, text=True, timeout=120,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout
            found[kind] = (folder / "figures" / f"error_vs_time.{kind}").read_bytes()
        return found

    return drawn


@pytest.fixture(scope="module")
def expected(draw, tmp_path_factory):
    return draw(tmp_path_factory.mktemp("expected"))


def test_settings_of_matplotlib_and_the_environment_change_nothing(draw, expected, tmp_path):
    (tmp_path / "matplotlibrc").write_text(OBEYED)
    found = draw(tmp_path, MPLBACKEND="foo", SOURCE_DATE_EPOCH="abc")
    assert found == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("MPLBACKEND", "svg"), ("SOURCE_DATE_EPOCH", "1"), ("SOURCE_DATE_EPOCH", "9" * 30)],
)
def test_variables_of_the_environment_do_not_matter(draw, expected, tmp_path, name, value):
    assert draw(tmp_path, kinds=["svg"], **{name: value}) == {"svg": expected["svg"]}


def test_settings_that_cannot_be_read_are_a_message(plain_dir, tmp_path):
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe\x00")
    command = [sys.executable, "-m", "snn_core", "plot", str(plain_dir)]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Error: matplotlib cannot be imported (UnicodeDecodeError" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("value", "expected"), [("svg", "svg"), ("foo", None)])
def test_the_backend_of_own_figures_stays(value, expected):
    code = (
        "import os, snn_plot, matplotlib; print(os.environ['MPLBACKEND'], matplotlib.get_backend())"
    )
    environment = {**os.environ, "MPLBACKEND": value}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    variable, backend = done.stdout.split()
    assert variable == value
    assert backend == expected or expected is None
