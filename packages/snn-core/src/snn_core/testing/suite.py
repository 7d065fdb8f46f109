"""Base class of the groups of the conformance kit: a simulator runs beside the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from snn_core.data.events import CellEvents
from snn_core.ir import Network
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.capabilities import layer_problems, setting_problems
from snn_core.simulation.contract import AbstractSNN, Capabilities
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import comparison, networks
from snn_core.typing import Array, Float

LONG = 16
"""Inexact simulators run this many times longer, so that their rates tell something."""


class Suite:
    """Base class of the groups of tests.

    Parameters
    ----------
    simulator
        The class under test.
    heavy_modules
        Modules that must not be imported before a network is built.
    options
        Options of the simulator to run all tests with, as in its section of the settings.
    oracle
        The simulator to compare with: one in integers, for example, for a chip that computes in
        integers. It is only asked for what the class under test declares, and takes the same
        networks and settings; the reference simulates the rest.
    by_spike
        Whether to compare spikes one by one, whatever tolerance on rates is declared, as an oracle
        of the simulator's own allows.
    """

    simulator: ClassVar[type[AbstractSNN]]
    heavy_modules: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, object]] = {}
    oracle: ClassVar[type[AbstractSNN]] = ReferenceSNN
    by_spike: ClassVar[bool] = False

    @property
    def capabilities(self) -> Capabilities:
        """Capabilities that the simulator declares for the options of the suite."""
        can = self.simulator.capabilities_for(self.simulator.options_type(**self.options))
        return replace(can, rate_tolerance=0.0) if self.by_spike else can

    def settings(self, **sections: Mapping[str, object]) -> Settings:
        """Return settings that the simulator supports, changed by the given sections."""
        can = self.capabilities
        steps = networks.NUM_STEPS * (LONG if can.rate_tolerance else 1)
        defaults: dict[str, dict[str, object]] = {
            "simulation": {"duration": float(steps), "batch_size": 2},
            "input": {"encoding": _first(can, "input.encoding", "constant", "regular", "poisson")},
            "cell": {"reset": _first(can, "cell.reset", "subtraction", "zero", "modulo")},
            "output": {"log_vars": sorted({"spiketrains"} & can.records)},
        }
        for name, values in sections.items():
            defaults.setdefault(name, {}).update(values)
        return Settings.of(defaults)

    def make(
        self,
        network: Network,
        *,
        seed: int = 0,
        stop: Callable[[], bool] | None = None,
        **sections: Mapping[str, object],
    ) -> AbstractSNN:
        """Return a simulator, or skip the test if it declares not to support what is asked."""
        settings = self.settings(**sections)
        reason = self.undeclared(network, settings)
        if reason:
            pytest.skip(reason)
        return self.create(network, settings, seed=seed, stop=stop)

    def create(
        self,
        network: Network,
        settings: Settings,
        *,
        seed: int | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> AbstractSNN:
        """Create a simulator with the options of the suite."""
        options = self.simulator.options_type(**self.options)
        return self.simulator(network, settings, options, seed=seed, stop=stop)

    def undeclared(self, network: Network, settings: Settings) -> str | None:
        """Return why the declaration excludes a network or settings, or ``None``."""
        return undeclared(self.simulator, self.capabilities, network, settings)

    def run(
        self,
        network: Network,
        x_b_l: Float[Array, "b *l"],
        *,
        sample_ids: Sequence[int] | None = None,
        events_b: Sequence[CellEvents] | None = None,
        seed: int = 0,
        **sections: Mapping[str, object],
    ) -> Recording:
        """Simulate one batch on a new simulator."""
        snn = self.make(network, seed=seed, stop=None, **sections)
        recording = snn.run_batch(x_b_l, sample_ids=sample_ids, events_b=events_b)
        snn.end_sim()
        return recording

    def reference(
        self,
        network: Network,
        x_b_l: Float[Array, "b *l"],
        *,
        sample_ids: Sequence[int] | None = None,
        events_b: Sequence[CellEvents] | None = None,
        seed: int = 0,
        **sections: Mapping[str, object],
    ) -> Recording:
        """Simulate one batch on the oracle, which records everything."""
        sections["output"] = {"log_vars": ["spiketrains", "mem", "input"]}
        settings = self.settings(**sections)
        kind = ReferenceSNN if self.undeclared(network, settings) else self.oracle
        snn = kind(network, settings, seed=seed)
        return snn.run_batch(x_b_l, sample_ids=sample_ids, events_b=events_b)

    def check(
        self,
        network: Network,
        x_b_l: Float[Array, "b *l"],
        **run: Any,
    ) -> None:
        """Assert that the simulator gives the spikes and synaptic operations of the reference."""
        __tracebackhide__ = True
        expected = self.reference(network, x_b_l, **run)
        actual = self.run(network, x_b_l, **run)
        self.compare(expected, actual, network)

    def compare(
        self,
        expected: Recording,
        actual: Recording,
        network: Network,
    ) -> None:
        """Assert that a recording is that of the reference, as exactly as declared."""
        __tracebackhide__ = True
        comparison.assert_same(expected, actual, network, capabilities=self.capabilities)

    def compare_outputs(self, first_b_l_t: Array, second_b_l_t: Array, network: Network) -> None:
        """Assert that two runs of the simulator gave the same output, as exactly as declared."""
        __tracebackhide__ = True
        if self.capabilities.rate_tolerance:
            first_b_l_t, second_b_l_t = (
                spikes_b_l_t.mean(axis=-1, keepdims=True)
                for spikes_b_l_t in (first_b_l_t, second_b_l_t)
            )
        comparison.assert_same_values(
            first_b_l_t,
            second_b_l_t,
            name=network.output.name,
            what="mean spikes" if self.capabilities.rate_tolerance else "spikes",
            tolerance=self.capabilities.rate_tolerance,
        )

    def compare_potentials(
        self,
        expected_b_l_t: Array,
        actual_b_l_t: Array,
        name: str,
        *,
        tolerance: float | None = None,
    ) -> None:
        """Compare potentials; those of an inexact simulator within its tolerance at every step."""
        __tracebackhide__ = True
        allowed = comparison.MEMBRANE_TOLERANCE if tolerance is None else tolerance
        if self.capabilities.rate_tolerance:
            allowed = self.capabilities.rate_tolerance * expected_b_l_t.shape[-1]
        comparison.assert_same_values(
            expected_b_l_t, actual_b_l_t, name=name, what="potential", tolerance=allowed
        )

    def needs_exact_times(self) -> None:
        """Skip the test if the simulator declares that its spike times are not exact."""
        if self.capabilities.rate_tolerance:
            pytest.skip(f"declares a rate tolerance of {self.capabilities.rate_tolerance:g}")

    def needs_setting(self, setting: str, value: object) -> None:
        """Skip the test unless a value of a setting is accepted."""
        if not self.capabilities.accepts(setting, value):
            pytest.skip(f"declares {setting} without {value}")

    def needs_records(self, *values: str) -> None:
        """Skip the test unless the simulator records all of some variables."""
        missing = sorted(set(values) - self.capabilities.records)
        if missing:
            pytest.skip(f"declares records without {', '.join(missing)}")

    def needs_batches(self) -> None:
        """Skip the test if the simulator declares that batches hold one sample."""
        if not self.capabilities.batched:
            pytest.skip("declares batched = False")


def undeclared(
    simulator: type[AbstractSNN], can: Capabilities, network: Network, settings: Settings
) -> str | None:
    """Return why a simulator's declaration excludes a network or settings, or ``None``.

    This is decided from the declaration alone, so that a simulator which refuses too much or too
    little is found out.
    """
    problems = setting_problems(can, network, settings)
    for layer in network.layers[1:]:
        reason = simulator.refuses(layer)
        problems += layer_problems(can, network, layer)
        problems += [f"{layer.name}: {reason}"] if reason else []
    return f"declares that {problems[0]}" if problems else None


def _first(can: Capabilities, setting: str, *preferred: str) -> str:
    """Return the first of some values that is accepted."""
    return next((value for value in preferred if can.accepts(setting, value)), preferred[0])
