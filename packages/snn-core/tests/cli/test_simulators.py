import json
import subprocess
import sys

import pytest


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
    assert can["conversion.spike_code"] == ["temporal_mean_rate"]
    assert "subtraction" in can["cell.reset"]
    assert can["cell.leak"] == "any"


HEAVY = ("tensorflow", "keras", "torch", "onnx", "matplotlib", "brian2", "nest", "neuron")


@pytest.mark.parametrize("arguments", [["--help"], ["simulators"], ["convert", "--help"]])
def test_looking_around_imports_no_framework(arguments):
    code = f"""
import sys
from snn_core.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
    assert done.stdout


def test_help_imports_neither_numpy_nor_rich():
    code = """
import sys
from snn_core.cli import main
try:
    main(["--help"])
except SystemExit:
    print([name for name in ("numpy", "scipy", "rich", "pydantic") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Convert a trained model into a spiking network." in done.stdout


def test_an_unknown_command_is_an_error(snn):
    done = snn("simulate")
    assert done.exit_code == 2
    assert "No such command 'simulate'" in done.stderr
