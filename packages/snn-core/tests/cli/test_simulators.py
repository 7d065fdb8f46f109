import json
import subprocess
import sys

import pytest

from snn_core.settings import SPIKE_CODES


def test_lists_the_reference(snn):
    done = snn("simulators")
    assert done.exit_code == 0
    assert "reference" in done.stdout


def test_json_holds_the_capabilities(snn):
    found = {entry["name"]: entry for entry in json.loads(snn("simulators", "--json").stdout)}
    reference = found["reference"]
    assert reference["distribution"] == "snn-core"
    assert reference["problem"] is None
    can = reference["capabilities"]["settings"]
    assert can["conversion.spike_code"] == sorted(SPIKE_CODES)
    assert "subtraction" in can["cell.reset"]
    assert can["cell.leak"] == "any"


FRAMEWORKS = ("tensorflow", "keras", "torch", "onnx", "matplotlib", "brian2", "nest", "neuron")
# For help alone, the command also does without the libraries that take longest to import.
LOOKING_AROUND = {
    "--help": (*FRAMEWORKS, "numpy", "scipy", "rich", "pydantic"),
    "simulators": FRAMEWORKS,
    "convert --help": FRAMEWORKS,
}


@pytest.mark.smoke
def test_looking_around_imports_only_what_is_needed():
    # One process, in this order: what a command imports stays for those after it.
    code = f"""
import sys
from snn_core.cli import main
for arguments, unwanted in {LOOKING_AROUND!r}.items():
    try:
        main(arguments.split())
    except SystemExit:
        pass
    print(arguments, [name for name in unwanted if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [f"{arguments} []" for arguments in LOOKING_AROUND]
    assert "Convert a trained model into a spiking network." in done.stdout
    assert "reference" in done.stdout
    assert "--timesteps" in done.stdout


@pytest.mark.parametrize(
    ("command", "package"),
    [("plot", "snn-plot"), ("report", "snn-plot"), ("megasim", "snn-megasim")],
)
def test_a_command_of_a_package_that_is_not_installed_names_it(snn, monkeypatch, command, package):
    monkeypatch.setattr("snn_core.cli._plugins", dict)
    done = snn(command, "results")
    assert done.exit_code == 2
    assert f"'{command}' comes with {package}: python -m pip install {package}" in done.stderr


def test_an_unknown_command_is_an_error(snn):
    done = snn("simulate")
    assert done.exit_code == 2
    assert "No such command 'simulate'" in done.stderr
