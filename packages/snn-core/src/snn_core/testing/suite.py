"""What all groups of the conformance kit share: running a simulator beside the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from snn_core.data.events import CellEvents
from snn_core.ir import MaxPooling2D, Network, Softmax, Spiking
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.capabilities import cell_options
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
    """

    simulator: ClassVar[type[AbstractSNN]]
    heavy_modules: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[Mapping[str, Any]] = {}

    @property
    def capabilities(self) -> Capabilities:
        """What the simulator declares for the options of the suite."""
        return self.simulator.capabilities_for(self.simulator.parse_options(self.options))

    def settings(self, **sections: Mapping[str, Any]) -> Settings:
        """Return settings that the simulator supports, changed by the given sections."""
        can = self.capabilities
        steps = networks.NUM_STEPS * (LONG if can.rate_tolerance else 1)
        defaults: dict[str, dict[str, Any]] = {
            "simulation": {"duration": float(steps), "batch_size": 2},
            "input": {"encoding": _first(("constant", "regular", "poisson"), can.inputs)},
            "cell": {"reset": _first(("subtraction", "zero", "modulo"), can.resets)},
            "output": {"log_vars": sorted({"spiketrains"} & can.records)},
        }
        for name, values in sections.items():
            defaults.setdefault(name, {}).update(values)
        return Settings.of(defaults)

    def make(
        self, network: Network, *, seed: int = 0, **sections: Mapping[str, Any]
    ) -> AbstractSNN:
        """Return a simulator, or skip the test if it declares not to support what is asked."""
        settings = self.settings(**sections)
        reason = self.undeclared(network, settings)
        if reason:
            pytest.skip(reason)
        return self.created(network, settings, seed=seed)

    def created(self, network: Network, settings: Settings, *, seed: int = 0) -> AbstractSNN:
        """Return a simulator with the options of the suite."""
        options = self.simulator.parse_options(self.options)
        return self.simulator(network, settings, options, seed=seed)

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
        **sections: Mapping[str, Any],
    ) -> Recording:
        """Simulate one batch on a new simulator."""
        snn = self.make(network, seed=seed, **sections)
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
        **sections: Mapping[str, Any],
    ) -> Recording:
        """Simulate one batch on the reference, which records everything."""
        sections["output"] = {"log_vars": ["spiketrains", "mem", "input"]}
        snn = ReferenceSNN(network, self.settings(**sections), seed=seed)
        return snn.run_batch(x_b_l, sample_ids=sample_ids, events_b=events_b)

    def check(
        self,
        network: Network,
        x_b_l: Float[Array, "b *l"],
        *,
        steps: comparison.Steps = comparison.inner_steps,
        **run: Any,
    ) -> None:
        """Assert that the simulator gives the spikes of the reference."""
        expected = self.reference(network, x_b_l, **run)
        actual = self.run(network, x_b_l, **run)
        self.compare(expected, actual, network, steps=steps)

    def compare(
        self,
        expected: Recording,
        actual: Recording,
        network: Network,
        *,
        steps: comparison.Steps = comparison.inner_steps,
    ) -> None:
        """Assert that a recording is that of the reference, as exactly as declared."""
        comparison.assert_same(
            expected, actual, network, capabilities=self.capabilities, steps=steps
        )

    def compare_outputs(self, first_b_l_t: Array, second_b_l_t: Array, network: Network) -> None:
        """Assert that two runs of the simulator gave the same output, as exactly as declared."""
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

    def needs_exact_times(self) -> None:
        """Skip the test if the simulator declares that its spike times are not exact."""
        if self.capabilities.rate_tolerance:
            pytest.skip(f"declares a rate tolerance of {self.capabilities.rate_tolerance:g}")

    def needs(self, field: str, *values: str) -> None:
        """Skip the test unless a field of the capabilities holds all values."""
        missing = sorted(set(values) - getattr(self.capabilities, field))
        if missing:
            pytest.skip(f"declares {field} without {', '.join(missing)}")

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
    asked = [
        ("inputs", settings.input.encoding, can.inputs),
        ("resets", settings.cell.reset, can.resets),
        ("readouts", network.readout, can.readouts),
        *(("records", name, can.records) for name in sorted(settings.output.log_vars)),
        *(("cell", name, can.cell) for name in cell_options(settings)),
        *(("layers", layer.kind, can.layers) for layer in network.layers[1:]),
        *(
            ("max_pool_methods", layer.method, can.max_pool_methods)
            for layer in network.layers
            if isinstance(layer, MaxPooling2D)
        ),
    ]
    for field, value, declared in asked:
        if value not in declared:
            return f"declares {field} without {value}"
    output = network.output
    if isinstance(output, Spiking) and isinstance(output.activation, Softmax) and not can.softmax:
        return "declares softmax = False"
    refused = (simulator.refuses(layer) for layer in network.layers[1:])
    return next((f"refuses a layer: {reason}" for reason in refused if reason), None)


def _first(preferred: tuple[str, ...], declared: frozenset[str]) -> str:
    return next((name for name in preferred if name in declared), preferred[0])
