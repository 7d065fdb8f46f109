import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snn_core.errors import UnsupportedError
from snn_core.neurons.arithmetic import initial_potential
from snn_core.settings import Options
from snn_core.simulation.capabilities import CONTRACT_1_LAYERS, Capabilities
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.synapses.base import SynapseListSNN
from snn_core.testing import SimulatorConformance, networks, outcomes
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


class Queued(SynapseListSNN):
    """Delivers spikes through queues, one step after they were sent or more."""

    capabilities = Capabilities(
        layers=CONTRACT_1_LAYERS - {"MaxPooling2D"},
        settings={"cell.reset": {"subtraction"}},
        delay_steps=2,
    )

    def add_input_layer(self, input_shape):
        self.populations, self.weights = {}, {}

    def add_population(self, layer, bias_l):
        self.populations[layer] = bias_l * np.float32(self.settings.simulation.dt)

    def connect(self, source, layer, synapses):
        self.weights[source, layer.name] = synapses.to_csr()

    def compile(self):
        pass

    def reset(self):
        self.queue, self.v = {}, {}

    def simulate(self, signal, recorder):
        inputs = np.concatenate(list(signal.chunks(4)))
        recorder.input(0, inputs, spiking=not signal.is_constant)
        for clock in range(self.timing.run_steps):
            self.checkpoint()
            if clock < len(inputs):
                self.send(self.network.input.name, inputs[clock], clock)
            for layer in self.populations:
                nothing = np.zeros((len(inputs[0]), *layer.output_shape), np.float32)
                arrived = self.queue.pop((layer.name, clock), nothing)  # stopped samples send none
                step = clock - self.first_step(layer.name)
                if 0 <= step < signal.num_steps:
                    self.update(layer, arrived, step, recorder, len(inputs[0]), clock)

    def update(self, layer, arrived, step, recorder, batch, clock):
        before = self.v.get(layer.name, initial_potential(layer, batch))
        v = before + np.reshape(arrived, (-1, *layer.output_shape)) + self.populations[layer]
        is_read = layer is self.network.output and self.network.readout == "membrane"
        spikes = (v >= (np.inf if is_read else layer.threshold)).astype(np.float32)
        self.v[layer.name] = v = v - spikes * layer.threshold
        recorder.spikes(layer.name, step, spikes[None])
        recorder.membrane(layer.name, step, (v / layer.threshold)[None])
        self.send(layer.name, spikes, clock)

    def send(self, source, values, clock):
        for (name, target), matrix in self.weights.items():
            if name == source:
                key = (target, clock + self.delay(source, target))
                weighted = values.reshape(len(values), -1) @ matrix
                self.queue[key] = self.queue.get(key, 0) + weighted

    def first_step(self, name):
        return self.timing.first_step[name]

    def delay(self, source, target):
        return self.timing.delay(source, target)


def test_a_declared_delay_changes_nothing():
    assert failed(outcomes(derived(simulator=Queued))) == {"test_is_registered"}


def test_a_skip_that_does_not_wait_fails():
    class Hasty(Queued):
        def delay(self, source, target):
            return min(super().delay(source, target), self.delay_steps)

    results = outcomes(derived(simulator=Hasty), only={"test_skip_connection"})
    assert failed(results) == {"test_skip_connection[Add]", "test_skip_connection[Concatenate]"}


def test_steps_of_the_clock_instead_of_the_layer_fail():
    class Late(Queued):
        def first_step(self, name):
            return 0

    results = outcomes(derived(simulator=Late), only={"test_deep_network"})
    assert failed(results) == {"test_deep_network"}


def test_capabilities_may_depend_on_options():
    class ChipOptions(Options):
        chip: bool = False

    class Board(ReferenceSNN):
        options_type = ChipOptions

        @classmethod
        def capabilities_for(cls, options):
            return CHIP if options.chip else cls.capabilities

    results = outcomes(derived(simulator=Board, options={"chip": True}))
    assert failed(results) == {"test_is_registered"}
    name = "test_layer_kind[Conv1D]"
    assert "Conv1D layers are not supported" in results[name].reason
    assert outcomes(derived(simulator=Board), only={"test_layer_kind"})[name].status == "passed"
    with pytest.raises(UnsupportedError, match=r"cell\.reset"):
        Board(networks.dense(), options=ChipOptions(chip=True))
    assert Board(networks.dense()).batch_size > 1


def test_options_of_the_suite_reach_the_simulator():
    class ThreadOptions(Options):
        threads: int = 1

    seen = set()

    class Threaded(ReferenceSNN):
        options_type = ThreadOptions

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
    expected_failures = {
        name: "the chip has no bias"
        for name in (
            "test_bias",
            "test_bias_per_step",
            "test_deep_bias",
            "test_refractory_time[current and bias]",
            "test_spike_code",
            "test_bounds_and_minima",
            "test_graded_pooling",
            "test_positions_that_no_synapse_reaches[Conv2D]",
            "test_positions_that_no_synapse_reaches[DepthwiseConv2D]",
            "test_positions_that_no_synapse_reaches[Conv2DTranspose]",
        )
    }

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
    assert "23 xfailed" in report  # five codes and nine cases of bounds and pools among them
    assert "FAILED test_conformance.py::TestMended::test_bias" in report
    assert "FAILED test_conformance.py::TestMended::test_reset[zero]" in report
    assert "[XPASS(strict)] mended long ago" in report


def test_a_class_in_no_package_is_reported_as_not_registered():
    result = outcomes(derived(simulator=Queued))["test_is_registered"]
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


class Slow(ReferenceSNN):
    """Weighs the input a little less than the reference: spikes come late, rates nearly hold."""

    capabilities = replace(ReferenceSNN.capabilities, rate_tolerance=0.05)

    def simulate(self, signal, recorder):
        super().simulate(replace(signal, x_b_l=signal.x_b_l * np.float32(63 / 64)), recorder)


def test_spikes_are_compared_one_by_one_where_a_suite_has_an_oracle_of_its_own():
    only = {"test_layer_kind"}
    assert not failed(outcomes(derived(simulator=Slow), only=only))
    assert failed(outcomes(derived(simulator=Slow, by_spike=True), only=only))
    results = outcomes(derived(simulator=Slow, by_spike=True, oracle=Slow), only=only)
    assert {result.status for result in results.values()} == {"passed"}


def test_an_oracle_is_only_asked_for_what_is_declared():
    class Chip(ReferenceSNN):
        capabilities = CHIP

    class Oracle(ReferenceSNN):
        def __init__(self, network, settings=None, options=None, **more):
            super().__init__(network, settings, options, **more)
            assert self.settings.cell.reset == "zero"

    results = outcomes(derived(simulator=Chip, oracle=Oracle), only={"test_reset"})
    assert results["test_reset[zero]"].status == "passed"
    assert results["test_reset[modulo]"].status == "skipped"
