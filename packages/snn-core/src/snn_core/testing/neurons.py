"""Conformance: the neuron integrates, compares and resets as the reference does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from snn_core.ir import Network
from snn_core.testing import deep_networks, networks
from snn_core.testing.runner import cases
from snn_core.testing.suite import Suite

OPTION_CASES: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "v_init": {"cell": {"v_init": "uniform"}},
    "v_clip": {"cell": {"v_clip": 1.25}},
    "clamp_indices": {"cell": {"clamp_indices": {"2": 9}}},
    "payloads": {"cell": {"payloads": True}},
    "online_normalization": {
        "normalization": {
            "online_normalization": True,
            "diff_to_min_rate": 0,
            "timestep_fraction": 8,
        }
    },
}
"""Option of the cell to settings that make use of it."""

ONE = np.ones((1, 1), np.float32)


class Neurons(Suite):
    """Tests of the arithmetic of neurons, and of what is recorded of them."""

    def test_bias(self) -> None:
        """Every neuron receives its bias in every step.

        If this fails: the bias is lost, comes once instead of in every step, or starts a step late.
        """
        bias_o = networks.gentle_weights((6,), fan_in=1, seed=40)
        self.check(networks.dense(bias_o=bias_o), np.zeros((1, 4), np.float32))

    @cases("counts", "membrane")
    def test_deep_bias(self, case: str) -> None:
        """Biases and initial potentials act in every layer, from the layer's first step on.

        If this fails while `test_bias` and `test_v_init` pass: the biases of later layers come a
        step late, or an output that is read by its potential has no bias, no ``v_init``, or its
        potentials in steps that are not its own.
        """
        network, x_b_l = deep_networks.biased(case), networks.samples((4,), seed=47)
        expected, actual = self.reference(network, x_b_l), self.run(network, x_b_l)
        self.compare(expected, actual, network)
        if case == "membrane":
            output_b_l_t = expected.output_b_l_t
            self.compare_potentials(output_b_l_t, actual.output_b_l_t, network.output.name)

    def test_bias_per_step(self) -> None:
        """A layer may have a bias for each step and channel, on top of its constant one.

        If this fails: row i of ``layer.bias_t_c`` is added in step i + 1, times dt, and nothing
        after the last row. Don't declare ``bias_per_step`` before it does.
        """
        self.check(networks.biased_by_step(), networks.samples((4, 4, 1), seed=46))

    def test_negative_weights(self) -> None:
        """Inhibition lowers the potential, also below zero.

        If this fails: signs are lost, potentials stop at zero, or inhibitory synapses need another
        receptor type in your simulator.
        """
        network = networks.weights((120, -40, -150), (-60, 130, 130), (30, 20, 140))
        for values in ((15, 8, 15), (8, 15, 4)):
            self.check(network, np.array([values], np.float32) * np.float32(networks.INPUT_UNIT))

    def test_negative_input(self) -> None:
        """Samples may hold negative values.

        If this fails: negative currents are lost; images are often normalised to mean 0.
        """
        self.needs_setting("input.encoding", "constant")
        network = networks.weights((120, 80, 105), (60, 20, 30))
        self.check(network, np.array([[15, -8]], np.float32) * np.float32(networks.INPUT_UNIT))

    def test_silent_neuron(self) -> None:
        """Neurons without synapses, and samples of zeros, stay silent and keep their place.

        If this fails: a neuron that occurs in no list of synapses still needs a cell.
        """
        for x_b_l in (networks.samples((3,)), np.zeros((1, 3), np.float32)):
            self.check(networks.unconnected_neuron(), x_b_l)

    def test_first_step(self) -> None:
        """A spike in the first step is there.

        If this fails: times count from 0 in your simulator and 0 is taken for no spike, or input
        starts a step late.
        """
        self.needs_exact_times()
        self.check(networks.weights((1536, 1700, 90)), ONE)

    def test_last_step(self) -> None:
        """A spike in the last step is there.

        If this fails: simulate one step longer, or collect spikes once more at the end.
        """
        self.needs_exact_times()
        # 66 * 16 = 1056 passes the threshold of 1024 in step 16, after 990 in step 15.
        self.check(networks.weights((66, 20)), ONE)

    def test_exact_threshold(self) -> None:
        """A neuron spikes when its potential equals the threshold.

        If this fails: compare with >=, not with >; or a leak or rounding keeps the potential just
        below.
        """
        self.needs_exact_times()
        self.check(networks.weights((128, 256)), ONE)  # hits 1024 after 8 and after 4 steps

    def test_threshold_per_channel(self) -> None:
        """Each output channel may have a threshold of its own.

        If this fails: ``layer.threshold`` has shape () or (channels,).
        """
        threshold = np.array([0.75, 1.25, 1.0], np.float32)
        self.check(networks.conv2d((4, 4, 1), threshold=threshold), networks.samples((4, 4, 1)))

    @cases("per layer", "per channel")
    def test_v_init(self, case: str) -> None:
        """Potentials start at ``v_init``, given in units of the threshold.

        If this fails: set the potential anew before every batch, and multiply by the threshold.
        """
        v_init = np.array([0.25, 0.5, 0.125], np.float32) if case == "per channel" else 0.5
        network = networks.conv2d((4, 4, 1), v_init=v_init, threshold=1.25)
        self.check(network, networks.samples((4, 4, 1)))

    @cases("subtraction", "zero", "modulo")
    def test_reset(self, case: str) -> None:
        """A spike subtracts the threshold, sets the potential to 0, or leaves the remainder.

        If this fails: the three differ where a spike overshoots the threshold. The second neuron
        gets 2.25 thresholds at once: after subtraction it spikes again in the next step.
        """
        network = networks.chain((networks.overshoot(),))
        self.check(network, networks.clock_samples((3,), seed=1), cell={"reset": case})

    @cases("1 step", "3 steps", "3 half steps", "current and bias")
    def test_refractory_time(self, case: str) -> None:
        """A refractory time of k steps silences a neuron for exactly k steps after its spike.

        If this fails: count the steps after the one of the spike; in them the neuron ignores its
        input, currents and biases among it, and does not fire, however much is left of its
        potential. A time in ms has tau_refrac / dt steps.
        """
        if case == "current and bias":
            self.needs_setting("input.encoding", "constant")
            cell, encoding = {"tau_refrac": 2.0}, {"encoding": "constant"}
            self.check(networks.overshooting(bias=300), ONE, cell=cell, input=encoding)
            return
        number, dt = int(case[0]), 0.5 if "half" in case else 1.0
        network = networks.overshooting()
        self._check_cell({"tau_refrac": number * dt}, dt=dt, network=network)

    @cases("constant", "constant, half steps", "exponential", "exponential, half steps")
    def test_leak(self, case: str) -> None:
        """Potentials leak: by a constant part of the threshold per ms, or exponentially.

        If this fails: a constant leak acts after the input is added, on potentials above 0, and
        ends at 0. An exponential one multiplies by exp(-dt / tau_m) before the input is added.
        """
        dt = 0.5 if "half" in case else 1.0
        if "constant" in case:
            cell, drive = {"leak": 0.125}, 517 + 128 * dt
        else:  # the potential shrinks by 1/2 per ms
            cell, drive = {"tau_m": 1 / math.log(2)}, 690 if dt == 1 else 605
        self._check_cell(cell, dt=dt, network=networks.leaking(drive))

    @cases(*OPTION_CASES)
    def test_option(self, case: str) -> None:
        """Options of the cell do what `snn_core.neurons.state` says.

        If this fails: don't claim the option in ``capabilities.settings`` before it does.
        """
        if case == "payloads":
            self.needs_setting("cell.reset", "subtraction")
        sections: Mapping[str, Any] = OPTION_CASES[case]
        self.check(networks.optional(), networks.samples((4,), seed=44), **sections)

    @cases("QuantizedReLU", "BinarySigmoid", "BinaryTanh")
    def test_activation(self, case: str) -> None:
        """Neurons for quantised and binary activations spike as `snn_core.neurons.state` says.

        If this fails: binary neurons compare with 0 and keep their potential, quantised ones round
        it in every step. Spikes of `BinaryTanh` may be negative.
        """
        if case not in self.capabilities.activations:
            pytest.skip(f"declares activations without {case}")
        self.check(networks.activated(case), networks.samples((4,), seed=45))

    def test_membrane_readout(self) -> None:
        """Under the membrane read-out the output integrates without spiking.

        If this fails: output neurons have no threshold then, and no reset; their potential after
        each step goes to ``recorder.membrane`` in units of the threshold.
        """
        network = networks.weights((300, 20, 700), threshold=2.0, readout="membrane")
        expected, actual = self.reference(network, ONE), self.run(network, ONE)
        self.compare_potentials(expected.output_b_l_t, actual.output_b_l_t, network.output.name)
        spikes = actual.spikecounts_n_b_l[network.output.name]
        assert not spikes.any(), f"{int(spikes.sum())} output spikes"

    def test_membrane_potentials(self) -> None:
        """Recorded potentials of all layers are those after the reset, in units of the threshold.

        If this fails: they may be recorded before the reset, a step late, or not divided by the
        threshold.
        """
        self.needs_records("mem")
        self.needs_exact_times()
        network = deep_networks.potentials()
        log_vars = {"log_vars": ["mem"]}
        expected, actual = self.reference(network, ONE), self.run(network, ONE, output=log_vars)
        for name, mem_b_l_t in expected.mem_n_b_l_t.items():
            # The threshold is passed by less than 1/64: what becomes of it is up to test_reset.
            self.compare_potentials(mem_b_l_t, actual.mem_n_b_l_t[name], name, tolerance=1 / 64)

    @cases("spiketrains", "mem", "input")
    def test_records(self, case: str) -> None:
        """What the declaration says can be recorded is recorded, for every layer and step.

        If this fails: hand the spikes (and potentials) of hidden layers to the recorder, too.
        """
        network = networks.chain((networks.averaging(5, seed=41), networks.averaging(5, seed=42)))
        x_b_l = networks.clock_samples((5,))
        recording = self.run(network, x_b_l, output={"log_vars": [case]})
        steps = self.settings().num_steps
        if case == "input":
            assert recording.input_b_l_t is not None, "no input was recorded"
            assert recording.input_b_l_t.shape == (1, 5, steps)
            return
        recorded = getattr(recording, f"{case}_n_b_l_t")
        for layer in network.spiking_layers:
            assert layer.name in recorded, f"nothing was recorded of layer {layer.name!r}"
            values_b_l_t = recorded[layer.name]
            assert values_b_l_t.shape == (1, *layer.output_shape, steps)
            assert values_b_l_t.any(), f"layer {layer.name!r} recorded nothing but zeros"

    def _check_cell(self, cell: Mapping[str, Any], *, dt: float, network: Network) -> None:
        """Compare with the reference under settings of the cell and a length of steps.

        The input is a spike of 1 in every step, however short.
        """
        __tracebackhide__ = True
        self.needs_setting("input.encoding", "poisson")
        simulation = {"dt": dt, "duration": self.settings().simulation.duration * dt}
        poisson = {"encoding": "poisson", "input_rate": 1000 / dt}
        x_b_l = ONE / np.float32(dt)
        self.check(network, x_b_l, cell=cell, simulation=simulation, input=poisson)
