import json
import os
import subprocess
import sys

import pytest

from snn_core.testing.broken import BROKEN
from snn_core.testing.broken.reading import IgnoresBias
from snn_core.testing.conformance import KIT

pytestmark = pytest.mark.exhaustive  # the whole kit once for every wrong simulator

# These look at the surroundings of a class; test_conformance_kit.py makes each of them fail.
ABOUT_PACKAGES = {"test_is_registered", "test_module_is_light", "test_suite_is_complete"}


@pytest.fixture(scope="module")
def installed_packages(tmp_path_factory):
    """Return where every wrong simulator is registered, as by an installed package."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "broken_simulators-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-simulators\nVersion: 1.0\n")
    lines = [f"{kind.__name__} = {kind.__module__}:{kind.__qualname__}" for kind in BROKEN]
    (info / "entry_points.txt").write_text("\n".join(["[snn.simulators]", *lines]))
    return folder


@pytest.fixture(scope="module")
def failures(installed_packages):
    """Return what the kit finds, by simulator and test; looked for by several processes."""
    path = os.pathsep.join([str(installed_packages), *filter(None, sys.path)])
    command = [sys.executable, "-m", "snn_core.testing.broken"]
    names, number = [kind.__name__ for kind in BROKEN], min(os.cpu_count() or 1, 4)
    processes = [
        subprocess.Popen(
            [*command, *names[i::number]],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        for i in range(number)
    ]
    found = {}
    for process in processes:
        written, _ = process.communicate()
        assert process.returncode == 0
        found |= json.loads(written.splitlines()[-1])
    return found


@pytest.mark.parametrize("simulator", BROKEN, ids=lambda kind: kind.__name__)
def test_each_broken_simulator_fails_exactly_its_test(simulator, failures):
    found = failures[simulator.__name__]
    assert {name.partition("[")[0] for name in found} == {BROKEN[simulator]}, found


def test_every_test_of_the_kit_fails_for_some_simulator():
    assert set(BROKEN.values()) | ABOUT_PACKAGES == set(KIT)


def test_failures_name_layer_step_neuron_and_both_values(failures):
    (reason,) = failures[IgnoresBias.__name__].values()
    assert "Layer '01Dense_6', step 8 of 16, sample 0, neuron [4]" in reason
    assert "expected spikes 1, found 0" in reason
    assert "6 of 6 neurons differ" in reason
