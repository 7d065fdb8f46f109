import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import SimulatorConformance, outcomes
from snn_core.testing.conformance import KIT
from snn_core.testing.kit import suite_problems

pytestmark = pytest.mark.exhaustive  # whole suites, many times


def derived(**attributes):
    return type("TestSome", (SimulatorConformance,), {"simulator": ReferenceSNN, **attributes})


def failed(results):
    return {name for name, result in results.items() if result.status == "failed"}


def test_a_suite_needs_a_simulator():
    with pytest.raises(TypeError, match="does not set `simulator`"):
        type("TestNone", (SimulatorConformance,), {})


@pytest.mark.parametrize("value", [None, lambda self: None, property(lambda self: None)])
def test_a_test_cannot_be_overridden(value):
    with pytest.raises(TypeError, match="test_bias overrides a test of the kit"):
        derived(test_bias=value)


def test_a_test_cannot_be_overridden_by_another_base_class():
    class Quiet:
        def test_bias(self):
            pass

    with pytest.raises(TypeError, match="test_bias overrides"):
        type("TestSome", (Quiet, SimulatorConformance), {"simulator": ReferenceSNN})


def test_a_misspelt_test_is_found_out():
    with pytest.raises(TypeError, match="test_bais is not a test of the kit"):
        derived(test_bais=None)


@pytest.mark.parametrize("name", ["test_bais", "test_bias[zero]", "test_reset[never]", "bias"])
def test_only_tests_of_the_kit_can_be_expected_to_fail(name):
    with pytest.raises(TypeError, match="which the kit does not have"):
        derived(expected_failures={name: "some reason"})


def test_an_expected_failure_needs_a_reason():
    with pytest.raises(TypeError, match="gives no reason for 'test_bias'"):
        derived(expected_failures={"test_bias": " "})


def test_a_test_deleted_later_fails_the_suite():
    suite = derived()
    suite.test_bias = None
    assert suite_problems(suite) == ["test_bias overrides a test of the kit, use expected_failures"]
    assert outcomes(derived())["test_suite_is_complete"].status == "passed"
    with pytest.raises(AssertionError):
        suite().test_suite_is_complete()


def test_a_derived_suite_does_not_inherit_expected_failures_it_does_not_name():
    first = derived(expected_failures={"test_bias": "no bias"})
    second = type("TestSecond", (first,), {"expected_failures": {}})
    assert first.test_bias is not KIT["test_bias"]
    assert second.test_bias is KIT["test_bias"]


def test_every_test_tells_what_to_look_at():
    for name, test in KIT.items():
        assert "If this fails" in test.__doc__, name


CHIP = replace(
    ReferenceSNN.capabilities,
    layers=frozenset({"Dense", "Conv2D"}),
    settings={"input.encoding": {"constant"}, "cell.reset": {"zero"}},
    readouts=frozenset({"counts"}),
    records=frozenset({"spiketrains"}),
    max_pool_methods=frozenset(),
    softmax=False,
    batched=False,
    deterministic=False,
)


def test_skips_name_the_declaration_and_never_the_simulator():
    class Chip(ReferenceSNN):
        capabilities = CHIP

    results = outcomes(derived(simulator=Chip))
    about_packages = {"test_is_registered", "test_command_line", "test_module_is_light"}
    skipped = {
        name: result.reason
        for name, result in results.items()
        if result.status == "skipped" and name not in about_packages
    }
    assert all(reason.startswith("declares ") for reason in skipped.values()), skipped
    assert skipped["test_reset[modulo]"] == (
        "declares that cell.reset = 'modulo' is not supported; supported: zero"
    )
    assert skipped["test_layer_kind[Conv1D]"] == (
        "declares that 01Conv1D_4x4: Conv1D layers are not supported"
    )
    assert skipped["test_batch_equals_singles"] == "declares batched = False"
    assert skipped["test_same_seed_same_spikes"] == "declares deterministic = False"
    assert skipped["test_membrane_readout"] == (
        "declares that conversion.readout = 'membrane' is not supported; supported: counts"
    )
    assert failed(results) == {"test_is_registered"}


def test_layers_that_the_class_refuses_are_skipped_with_its_reason():
    class Undilated(ReferenceSNN):
        @classmethod
        def refuses(cls, layer):
            return "dilated kernels" if getattr(layer, "dilation", (1, 1)) == (2, 2) else None

    results = outcomes(derived(simulator=Undilated))
    assert results["test_dilation"].reason == "declares that 01Conv2D_6x6x3: dilated kernels"
    assert failed(results) == {"test_is_registered"}


class Pipeline(ReferenceSNN):
    """Every population spikes one step later than the one before it."""

    capabilities = replace(ReferenceSNN.capabilities, delay_steps=1, max_pool_methods=frozenset())

    def reset(self):
        super().reset()
        self._sent = {}

    def _step(self, index, x_b_l, recorder):
        values = {self.network.input.name: x_b_l}
        for layer in self.layers:
            drive_b_l = self._drive(layer, [values[name] for name in layer.inputs], index)
            values[layer.name] = drive_b_l
            if self.network.has_neurons(layer):
                values[layer.name] = self._sent.get(layer.name, np.zeros_like(drive_b_l))
                self._sent[layer.name] = self._update(layer, drive_b_l, index, recorder)


def test_a_declared_delay_is_allowed_for():
    assert failed(outcomes(derived(simulator=Pipeline))) == {"test_is_registered"}


def test_an_undeclared_delay_fails():
    class Hasty(Pipeline):
        capabilities = replace(Pipeline.capabilities, delay_steps=0)

    assert "test_deep_network" in failed(outcomes(derived(simulator=Hasty)))


def test_options_of_the_suite_reach_the_simulator():
    @dataclass(frozen=True)
    class Options:
        threads: int = 1

    seen = set()

    class Threaded(ReferenceSNN):
        options_type = Options

        def compile(self):
            seen.add(self.options.threads)

    outcomes(derived(simulator=Threaded, options={"threads": 4}))
    assert seen == {4}


def pytest_run(tmp_path, text):
    """Run a suite as a user does; return the summary by outcome."""
    path = tmp_path / "test_conformance.py"
    path.write_text(text)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-rfx",
        "-k",
        "not regist",
    ]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(path)]
    wrong = str(Path(__file__).with_name("wrong"))
    wide = {**os.environ, "COLUMNS": "200", "PYTHONPATH": os.pathsep.join([wrong, *sys.path])}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=wide, cwd=tmp_path
    )
    return done.returncode, done.stdout


def test_expected_failures_are_strict_and_may_name_one_case(tmp_path):
    status, report = pytest_run(
        tmp_path,
        """
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import SimulatorConformance
from wrong_reading import IgnoresBias, PadsInFront

class TestWhole(SimulatorConformance):
    simulator = IgnoresBias
    expected_failures = {"test_bias": "the chip has no bias"}

class TestCase(SimulatorConformance):
    simulator = PadsInFront
    expected_failures = {"test_strides_and_padding[same]": "pads like Caffe"}

class TestMended(SimulatorConformance):
    simulator = ReferenceSNN
    expected_failures = {"test_bias": "mended long ago", "test_reset[zero]": "mended, too"}
""",
    )
    assert status == 1
    assert "XFAIL test_conformance.py::TestWhole::test_bias - the chip has no bias" in report
    assert "TestCase::test_strides_and_padding[same] - pads like Caffe" in report
    assert "2 failed" in report
    assert "2 xfailed" in report
    assert "FAILED test_conformance.py::TestMended::test_bias" in report
    assert "FAILED test_conformance.py::TestMended::test_reset[zero]" in report
    assert "[XPASS(strict)] mended long ago" in report


def test_a_class_in_no_package_is_reported_as_not_registered():
    result = outcomes(derived(simulator=Pipeline))["test_is_registered"]
    assert result.status == "failed"
    assert "no installed package registers" in result.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import wave\n", "wave imported together with the simulator's module"),
        (
            "def late(self, network):\n    import wave\n    return ['no']\n",
            "wave imported before an unsupported network was refused",
        ),
        ("def late(self, network):\n    return []\n", "an unsupported network was not refused"),
    ],
    ids=["at the top", "before refusing", "never refusing"],
)
def test_heavy_imports_are_found_out(tmp_path, monkeypatch, text, message):
    base = "from snn_core.simulation.reference import ReferenceSNN"
    lines = [base, text, "class SNN(ReferenceSNN):"]
    lines += ["    problems = late" if "late" in text else "    pass", ""]
    (tmp_path / "hasty_simulator.py").write_text("\n".join(lines))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))

    class SNN(ReferenceSNN):
        pass

    SNN.__module__, SNN.__qualname__ = "hasty_simulator", "SNN"
    suite = derived(simulator=SNN, heavy_modules=("wave",))
    with pytest.raises(AssertionError, match=message):
        suite().test_module_is_light()
