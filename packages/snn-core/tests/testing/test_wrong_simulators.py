import pytest
import wrong_codes  # noqa: F401
import wrong_declaring  # noqa: F401 - importing these modules fills the list
import wrong_deep  # noqa: F401
import wrong_numbers  # noqa: F401
import wrong_reading
import wrong_running  # noqa: F401
from wrong_simulators import WRONG

from snn_core.testing import SimulatorConformance, outcomes
from snn_core.testing.conformance import KIT

# These look at the surroundings of a class; test_conformance_kit.py makes each of them fail.
ABOUT_PACKAGES = {"test_is_registered", "test_module_is_light", "test_suite_is_complete"}


def failures(simulator, *, only=None):
    """Return the tests of the kit that a simulator fails, with the message of each."""
    suite = type(f"Test{simulator.__name__}", (SimulatorConformance,), {"simulator": simulator})
    found = outcomes(suite, only=only)
    return {name: item.reason for name, item in found.items() if item.status == "failed"}


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Register every wrong simulator, as by an installed package."""
    info = tmp_path / "wrong_simulators-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong-simulators\nVersion: 1.0\n")
    lines = [f"{kind.__name__} = {kind.__module__}:{kind.__qualname__}" for kind in WRONG]
    (info / "entry_points.txt").write_text("\n".join(["[snn.simulators]", *lines]))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize("simulator", WRONG, ids=lambda kind: kind.__name__)
def test_each_wrong_simulator_fails_its_test(simulator, registered):
    reasons = failures(simulator, only={WRONG[simulator]}).values()
    assert reasons
    # It is to be wrong, and not broken.
    assert not [r for r in reasons if r.startswith(("TypeError", "AttributeError", "NameError"))]


def test_every_test_of_the_kit_fails_for_some_simulator():
    assert set(WRONG.values()) | ABOUT_PACKAGES == set(KIT)


def test_failures_name_layer_step_neuron_and_both_values():
    (reason,) = failures(wrong_reading.IgnoresBias, only={"test_bias"}).values()
    assert "Layer '01Dense_6', step 8 of 16, sample 0, neuron [4]" in reason
    assert "expected spikes 1, found 0" in reason
    assert "6 of 6 neurons differ" in reason
