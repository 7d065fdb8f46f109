"""Conformance: input spikes, random draws, operation counts and the length of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snn_core.data.events import scaled_frame
from snn_core.errors import UnsupportedError
from snn_core.ir import Network
from snn_core.testing import comparison, deep_networks, networks
from snn_core.testing.runner import cases
from snn_core.testing.suite import Suite
from snn_core.typing import Array

SPIKING_INPUTS = ("regular", "poisson")


class Signals(Suite):
    """Tests of the ways in and out of a network, and of ``dt``."""

    def test_regular_input(self) -> None:
        """Regular input spikes arrive in the steps in which the core sends them.

        If this fails: take the steps of ``signal.chunks``; an input spike acts in its own step.
        """
        network = networks.regular_input()
        x_b_l = np.array([[15, 9, 5, 3]], np.float32) * np.float32(networks.INPUT_UNIT)
        self._check_with_input(network, x_b_l, input={"encoding": "regular"})

    @cases("first sample", "other sample", "other seed")
    def test_poisson_input(self, case: str) -> None:
        """Poisson spikes are those the core draws for the seed and the sample.

        If this fails: take the spikes of ``signal.chunks`` instead of drawing your own, and hand on
        ``seed`` and ``sample_ids``. Every simulator then sees the same input.
        """
        sample_id, seed = 7 if case == "other sample" else 0, 5 if case == "other seed" else 0
        x_b_l = networks.clock_samples((24,))
        network = networks.one_to_one(24)
        poisson = {"encoding": "poisson"}
        self._check_with_input(network, x_b_l, sample_ids=[sample_id], seed=seed, input=poisson)

    @cases("regular", "poisson")
    def test_input_amplitude(self, case: str) -> None:
        """Input spikes of a sample with values above 1 carry the largest of them.

        If this fails: ``signal.chunks`` yields the value of each spike, not just 0 and 1.
        """
        network = networks.weights((40, 25, 30, 45), (9, 9, 9, 9), (20, 30, 15, 10))
        x_b_l = np.array([[2, 0, 2]], np.float32)  # 2 spikes in every step, 0 in none
        self.check(network, x_b_l, input={"encoding": case})

    @cases("rectified", "signed")
    def test_event_input(self, case: str) -> None:
        """The events of a camera arrive in the steps and with the values that the core sends.

        If this fails: take the steps of ``signal.chunks``; ``signal.x_b_l`` is only the sum of all
        events, for the analog network.
        """
        network = networks.one_to_one(24, weight=103)  # events carry 2: five of them make a spike
        steps = self.settings().num_steps
        events = networks.events(24, steps=steps, signed=case == "signed")
        self._check_with_input(
            network,
            scaled_frame(events)[None],
            events_b=[events],
            input={
                "encoding": "events",
                "eventframe_width": networks.STEP_US,
                "event_amplitude": 2.0,
            },
        )

    def test_synaptic_operations(self) -> None:
        """Input spikes count as synaptic operations: one for each synapse they meet.

        If this fails: call ``recorder.input(..., spiking=not signal.is_constant)`` for every step.
        """
        accepted = self.capabilities.accepted("input.encoding")
        encoding = next((name for name in SPIKING_INPUTS if name in accepted), None)
        if encoding is None:
            pytest.skip("declares inputs without spikes")
        network = networks.weights((90, 0, 0), (80, 70, 60), (50, 40, 0))
        x_b_l = np.array([[1, 0, 1]], np.float32)  # 1 spikes in every step: 1 + 2 synapses
        recording = self.run(network, x_b_l, input={"encoding": encoding})
        operations_b_t = recording.synaptic_operations_n_b_t.get(network.input.name)
        assert operations_b_t is not None, "no operations of the input were counted"
        expected = np.full((1, self.settings().num_steps), 3)
        comparison.assert_same_values(
            expected, operations_b_t, name=network.input.name, what="operations"
        )

    def test_counts_without_recording(self) -> None:
        """Spikes and operations are counted the same whether spike trains are recorded or not.

        If this fails: hand every layer to the recorder in any case, its spikes or, where
        ``recorder.wants_spikes`` is false, their ``totals``.
        """
        self.needs_records("spiketrains")
        if not self.capabilities.deterministic:
            pytest.skip("declares deterministic = False")
        weights = tuple(networks.averaging(5, seed=seed) for seed in (43, 44))
        x_b_l = networks.clock_samples((5,))
        recorded, plain = (
            self.run(networks.chain(weights), x_b_l, output={"log_vars": names})
            for names in (["spiketrains"], [])
        )
        for name, counts_b_l in recorded.spikecounts_n_b_l.items():
            found_b_l = plain.spikecounts_n_b_l[name]
            assert np.array_equal(found_b_l, counts_b_l), (
                f"layer {name!r}: {counts_b_l.sum()} spikes while recording, else {found_b_l.sum()}"
            )
        operations = (
            int(recording.synaptic_operations_b_t.sum()) for recording in (recorded, plain)
        )
        while_recording, otherwise = operations
        assert while_recording == otherwise, (
            f"{while_recording} operations while recording, else {otherwise}"
        )

    def test_softmax(self) -> None:
        """A softmax output draws its spikes against the core's random numbers.

        If this fails: take them from `snn_core.simulation.signal.output_uniforms`; a spike is
        drawn where the number is at most the probability, and resets nothing. If only the deeper
        network fails, the numbers are those of other steps than the layer's own.
        """
        self.check(networks.softmax(), networks.samples((4,)))
        self.check(deep_networks.softmax(), networks.clock_samples((5,)))

    def test_softmax_rests(self) -> None:
        """Drawn spikes begin a refractory time, or the combination is refused by the layer's name.

        If this fails: a neuron that rests draws no spike. Where spikes are drawn once the
        simulation is over, refuse ``cell.tau_refrac`` for such a network in ``problems``.
        """
        network, cell = networks.softmax(), {"tau_refrac": 2.0}
        reason = self.undeclared(network, self.settings(cell=cell))
        if reason:
            pytest.skip(reason)
        refusal = ""
        try:
            self.check(network, networks.samples((4,)), cell=cell)
        except UnsupportedError as error:
            refusal = str(error)
        assert not refusal or network.output.name in refusal, f"refused without layer: {refusal}"

    def test_input_scales_with_dt(self) -> None:
        """A step of half a millisecond adds half the input.

        If this fails: use ``signal.constant_b_l``, which is the sample times dt.
        """
        self.needs_setting("input.encoding", "constant")
        self.check(
            networks.dense(seed=52),
            networks.samples((4,)),
            simulation={"dt": 0.5},
            input={"encoding": "constant"},
        )

    def test_bias_scales_with_dt(self) -> None:
        """A step of half a millisecond adds half the bias, so that spikes keep their time in ms.

        If this fails: biases are given per ms; multiply by ``settings.simulation.dt``.
        """
        bias_o = networks.gentle_weights((6,), fan_in=1, seed=53)
        x_b_l = np.zeros((1, 4), np.float32)
        by_dt = [
            self.run(networks.dense(bias_o=bias_o), x_b_l, simulation={"dt": dt}).output_b_l_t
            for dt in (1.0, 0.5)
        ]
        whole_b_l_t, half_b_l_t = by_dt
        pairs_b_l_t = half_b_l_t.reshape(*whole_b_l_t.shape, 2).sum(axis=-1)
        self.compare_outputs(whole_b_l_t, pairs_b_l_t, networks.dense())

    def _check_with_input(self, network: Network, x_b_l: Array, **run: Any) -> None:
        """Compare with the reference: first the input, if it can be recorded, then the spikes."""
        expected = self.reference(network, x_b_l, **run)
        names = sorted({"input", "spiketrains"} & self.capabilities.records)
        actual = self.run(network, x_b_l, **run, output={"log_vars": names})
        if expected.input_b_l_t is not None and actual.input_b_l_t is not None:
            comparison.assert_same_values(
                expected.input_b_l_t, actual.input_b_l_t, name=network.input.name, what="input"
            )
        self.compare(expected, actual, network)
