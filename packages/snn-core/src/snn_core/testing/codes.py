"""Conformance: spike codes other than the rate give the spikes of the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_core.ir import Network
from snn_core.testing import comparison, deep_networks, networks
from snn_core.testing.runner import cases
from snn_core.testing.suite import Suite

CODES: Mapping[str, Mapping[str, Any]] = {
    "temporal_pattern": {"num_bits": 4},
    "ttfs": {},
    "ttfs_dyn_thresh": {},
    "ttfs_corrective": {},
    "ttfs_exact": {"window_steps": 8},
}
"""Spike code to its other settings."""

STEPS = 16
"""Steps of the codes that leave their number open; a power of two keeps their shares exact."""


class Codes(Suite):
    """Tests of the spike codes that a simulator claims."""

    @cases(*CODES)
    def test_spike_code(self, case: str) -> None:
        """Spikes of all layers, the output and the operations are those of the reference.

        If this fails: `docs/spike-codes.md` states what a neuron does under each code, and
        `snn_core.simulation.codes` is the same in NumPy. Look at the first layer that differs.
        """
        __tracebackhide__ = True
        self.needs_setting("input.encoding", "constant")
        self.needs_exact_times()
        for readout in deep_networks.READOUTS_OF_CODES[case]:
            self._check(case, deep_networks.coded(readout))

    @cases(*CODES)
    def test_bounds_and_minima(self, case: str) -> None:
        """Upper bounds of activations, and minima of max pooling, hold under every code.

        If this fails while `test_spike_code` passes: a pattern or a spike time stands for the bound
        at most; with first spikes, a neuron does not fire before one that always received its
        bound. A minimum is the smallest pattern, or the last spike of a window of cells.
        """
        __tracebackhide__ = True
        self.needs_setting("input.encoding", "constant")
        self.needs_exact_times()
        for readout in deep_networks.READOUTS_OF_CODES[case]:
            self._check(case, deep_networks.coded(readout, bounds_and_minima=True))

    def _check(self, code: str, network: Network) -> None:
        """Compare spikes, operations and output with the reference."""
        __tracebackhide__ = True
        x_b_l = networks.samples(network.input.output_shape, count=2, seed=80)
        sections = self._sections(code)
        expected = self.reference(network, x_b_l, **sections)
        actual = self.run(network, x_b_l, **sections)
        self.compare(expected, actual, network)
        comparison.assert_same_values(
            expected.output_b_l_t,
            actual.output_b_l_t,
            name=network.output.name,
            what="output",
            tolerance=comparison.MEMBRANE_TOLERANCE,
        )

    @cases(*CODES)
    def test_spike_code_in_batches(self, case: str) -> None:
        """A sample gives the same spikes in a batch as alone, under every code.

        If this fails: a range, an early exit or a bias depends on what else is in the batch.
        """
        self.needs_setting("input.encoding", "constant")
        self.needs_batches()
        network = deep_networks.coded(deep_networks.READOUTS_OF_CODES[case][0])
        x_b_l = networks.samples(network.input.output_shape, count=2, seed=81)
        x_b_l = x_b_l * np.array([1, 0.25], np.float32).reshape(-1, 1, 1, 1)
        batch = self.run(network, x_b_l, **self._sections(case)).output_b_l_t
        for sample_l, found_l_t in zip(x_b_l, batch, strict=True):
            alone = self.run(network, sample_l[None], **self._sections(case)).output_b_l_t
            self.compare_outputs(alone, found_l_t[None], network)

    def _sections(self, code: str) -> dict[str, Any]:
        # Half milliseconds: products with the length of a step show.
        return {
            "conversion": {"spike_code": code, **CODES[code]},
            "simulation": {"dt": 0.5, "duration": STEPS / 2, "top_k": 2},
        }
