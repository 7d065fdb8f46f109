import json
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import snn_core
from snn_core.cli import versions
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
    [
        ("plot", "snn-plot"),
        ("report", "snn-plot"),
        ("megasim", "snn-megasim"),
        ("loihi", "snn-loihi"),
    ],
)
def test_a_command_of_a_package_that_is_not_installed_names_it(snn, monkeypatch, command, package):
    monkeypatch.setattr("snn_core.cli._plugins", dict)
    done = snn(command, "results")
    assert done.exit_code == 2
    said = done.stderr.replace("\n", " ")
    assert f"'{command}' comes with {package}. Install it with `python -m pip install" in said


def test_the_list_of_commands_says_what_those_of_other_packages_do(snn, monkeypatch):
    def entry(package):
        return SimpleNamespace(dist=SimpleNamespace(name=package, version="0.1"))

    commands = {"plot": entry("snn-plot"), "report": entry("other"), "more": entry("snn-plot")}
    monkeypatch.setattr("snn_core.cli._plugins", lambda: commands)
    shown = [" ".join(line.split()) for line in snn("--help").stdout.splitlines()]
    assert "plot Draw the figures of a run, or compare several. (from snn-plot 0.1)" in shown
    assert "report (from other 0.1)" in shown  # whatever that does
    assert "more (from snn-plot 0.1)" in shown


@pytest.mark.parametrize(
    ("typed", "meant"), [("comvert", "convert"), ("rn", "run"), ("plott", "plot"), ("Run", "run")]
)
def test_a_mistyped_command_gets_a_suggestion(snn, typed, meant):
    done = snn(typed, "model.keras")
    assert done.exit_code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in done.stderr


def test_an_unknown_command_is_an_error(snn):
    done = snn("abracadabra")
    assert done.exit_code == 2
    assert "No such command 'abracadabra'.\n" in done.stderr
    assert "No such option" in snn("--abracadabra").stderr


def test_the_package_is_the_command():
    command = [sys.executable, "-m", "snn_core", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: snn [OPTIONS] COMMAND")


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_versions_of_all_packages_and_of_what_they_use(snn, flag):
    done = snn(flag)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"Python {platform.python_version()}")
    assert lines[1] == f"snn-core {snn_core.__version__}: simulator reference"
    libraries = dict(text.split() for text in lines[2].strip().split(", "))
    assert libraries["numpy"] == np.__version__
    assert {"click", "h5py", "scipy"} <= set(libraries)


def test_versions_tell_what_other_packages_bring(monkeypatch):
    package = SimpleNamespace(name="snn-two", version="1.2.3", requires=["numpy>=1", "no-such"])
    entries = {
        "snn.simulators": [SimpleNamespace(name=name, dist=package) for name in ("two", "one")],
        "snn.targets": [SimpleNamespace(name="chip", dist=package)],
    }
    monkeypatch.setattr(versions, "entry_points", lambda group: entries.get(group, []))
    lines = versions.describe_versions().splitlines()
    assert lines[3:] == [
        "snn-two 1.2.3: simulators one, two; target chip",
        f"    numpy {np.__version__}",
    ]


def test_shells_complete_commands_and_simulators():
    def completed(words, position):
        environment = {
            **os.environ,
            "_SNN_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(position),
        }
        command = [sys.executable, "-c", "from snn_core.cli import main; main(prog_name='snn')"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return done.stdout.split()

    assert "plain,convert" in completed("snn con", 1)
    assert "plain,reference" in completed("snn run --simulator ref", 3)
    assert "plain,--record" in completed("snn run --re", 2)
    for command in ("convert", "inspect", "run"):
        assert "file,mod" in completed(f"snn {command} mod", 2)
