"""Conformance: nothing is left over between runs, batches and samples."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pytest

from snn_core.simulation.contract import StopSimulation
from snn_core.testing import comparison, networks
from snn_core.testing.runner import cases
from snn_core.testing.suite import Suite


class Runs(Suite):
    """Tests of state, batches, randomness, stopping and saving."""

    def test_reset_between_batches(self) -> None:
        """A batch does not depend on the batches before it.

        If this fails: ``reset`` is called before every batch and brings back all state: potentials,
        spikes on their way, refractory times, the clock.
        """
        first, second = networks.samples((4,), seed=60), networks.samples((4,), seed=61)
        snn = self.make(networks.dense())
        snn.run_batch(first)
        actual = snn.run_batch(second)
        snn.end_sim()
        network = networks.dense()
        self.compare(self.reference(network, second), actual, network)

    def test_sequences(self) -> None:
        """Within a sequence, potentials go on from one sample to the next.

        If this fails: ``simulate`` starts from the state at the end of the last call, unless
        ``reset`` was called in between; the clock starts anew.
        """
        network, x_b_l = networks.dense(), networks.samples((4,), count=3, seed=65)
        self.check(network, x_b_l, simulation={"reset_between_nth_sample": 3})

    def test_samples_are_independent(self) -> None:
        """A sample of zeros stays silent beside one that makes neurons spike.

        If this fails: samples of a batch share a potential or an input; look at axes and reshapes.
        """
        self.needs_batches()
        x_b_l = np.stack([np.full(4, 15 / 16, np.float32), np.zeros(4, np.float32)])
        network = networks.weights(*[(400, 300, 200)] * 4)
        counts_b_l = self.run(network, x_b_l).spikecounts_n_b_l[network.output.name]
        assert counts_b_l[0].all(), "the first sample made no neuron spike"
        assert not counts_b_l[1].any(), "the sample of zeros made neurons spike"

    def test_batch_equals_singles(self) -> None:
        """A sample gives the same spikes in a batch as alone.

        If this fails: something is divided by, summed up over, or random per batch.
        """
        self.needs_batches()
        x_b_l = networks.samples((4,), seed=62)
        network = networks.dense()
        batch = self.run(network, np.repeat(x_b_l, 2, axis=0)).output_b_l_t
        single = self.run(networks.dense(), x_b_l).output_b_l_t
        for sample_l_t in batch:
            self.compare_outputs(single, sample_l_t[None], network)

    def test_larger_batch(self) -> None:
        """Each of five different samples gives the spikes of the reference for it.

        If this fails: samples beyond the second share state or input with others, or come back in
        another order.
        """
        self.needs_batches()
        network = networks.chain((networks.averaging(5, seed=67),))
        x_b_l = networks.clock_samples((5,), count=5, seed=67)
        self.check(network, x_b_l, simulation={"batch_size": 5})

    @cases("constant input", "Poisson events")
    def test_stopped_samples(self, case: str) -> None:
        """Nothing happens in a sample once it has had all its input spikes.

        If this fails: ``signal.num_active_steps_b`` says when each sample stops. The recorder
        leaves out later spikes if it gets those of every step: ask ``recorder.wants_spikes`` before
        handing it ``totals``. Take random input from ``signal.chunks``, which keeps to the limits.
        """
        sections: dict[str, Any] = {"input": {"encoding": "constant", "max_num_input_spikes": 12}}
        if case == "constant input":
            self.needs_setting("cell.reset", "subtraction")
            sections["cell"] = {"reset": "subtraction"}
        else:
            sections["input"] = {"encoding": "poisson", "num_poisson_events_per_sample": 12}
            sections["simulation"] = {"early_stopping": True}
        self.needs_setting("input.encoding", sections["input"]["encoding"])
        network = networks.chain((networks.averaging(5, seed=68),))
        x_b_l = np.array([[15, 10, 6, 15, 10], [3, 5, 3, 3, 6]], np.float32)
        x_b_l *= np.float32(networks.INPUT_UNIT)  # the second sample stops later
        x_b_l = x_b_l if self.capabilities.batched else x_b_l[:1]
        expected = self.reference(network, x_b_l, **sections)
        self.compare(expected, self.run(network, x_b_l, **sections), network)
        plain = self.run(network, x_b_l, **sections, output={"log_vars": []})
        self.compare(expected, plain, network)
        if self.capabilities.rate_tolerance:
            return
        for name, counts_b_l in expected.spikecounts_n_b_l.items():
            comparison.assert_same_values(
                counts_b_l[..., None],
                plain.spikecounts_n_b_l[name][..., None],
                name=name,
                what="spikes in all",
            )

    def test_smaller_batch(self) -> None:
        """The last batch may be smaller than the ones before.

        If this fails: don't keep arrays of the first batch's size, or fill the batch up and cut.
        """
        self.needs_batches()
        x_b_l = networks.samples((4,), seed=63)
        snn = self.make(networks.dense())
        snn.run_batch(np.zeros((2, 4), np.float32))
        actual = snn.run_batch(x_b_l)
        snn.end_sim()
        network = networks.dense()
        self.compare(self.reference(network, x_b_l), actual, network)

    def test_same_seed_same_spikes(self) -> None:
        """Two runs with the same seed give the same spikes.

        If this fails: a random number does not come from the seed, or results depend on the order
        in which threads finish. If that cannot be helped, declare ``deterministic = False``.
        """
        if not self.capabilities.deterministic:
            pytest.skip("declares deterministic = False")
        x_b_l = networks.samples((4,), seed=64)
        first, second = (
            self.run(networks.dense(outputs=24), x_b_l, seed=3).output_b_l_t for _ in range(2)
        )
        name = networks.dense(outputs=24).output.name
        comparison.assert_same_values(first, second, name=name, what="spikes as in the first run:")

    def test_network_is_untouched(self) -> None:
        """Simulating does not change the network.

        If this fails: copy weights before you scale, round or sort them.
        """
        network = networks.dense(bias_o=networks.gentle_weights((6,), fan_in=2, seed=65))
        before = {
            (layer.name, name): array.copy()
            for layer in network.layers
            for name, array in layer.arrays.items()
        }
        self.run(network, networks.samples((4,)))
        for (layer, name), array in before.items():
            now = network[layer].arrays[name]
            assert np.array_equal(now, array), f"{name} of layer {layer!r} has changed"
            assert not now.flags.writeable, f"{name} of layer {layer!r} was made writeable"

    def test_global_random_state(self) -> None:
        """Simulating leaves NumPy's global random number generator alone.

        If this fails: draw from a generator of your own, seeded with ``self.seed``.
        """
        snn = self.make(networks.dense())
        np.random.random()  # noqa: NPY002 - away from the state right after seeding
        before = np.random.get_state(legacy=False)  # noqa: NPY002
        snn.run_batch(networks.samples((4,)))
        snn.end_sim()
        now = np.random.get_state(legacy=False)  # noqa: NPY002
        assert repr(now) == repr(before), "the global state of `numpy.random` has changed"

    def test_can_be_stopped(self) -> None:
        """A run stops soon after the user asked for it.

        If this fails: call ``self.checkpoint()`` between steps or between chunks of steps.
        """
        snn = self.make(networks.dense(), stop=lambda: True)
        with pytest.raises(StopSimulation):
            snn.run_batch(networks.samples((4,)))
        snn.end_sim()

    def test_save_and_load(self) -> None:
        """A saved network, loaded into another simulator, simulates the same.

        If this fails: ``load`` must throw away whatever was built for the network before.
        """
        network = networks.dense()
        x_b_l = networks.samples((4,), seed=66)
        with tempfile.TemporaryDirectory() as folder:
            self.make(network).save(folder, "network")
            snn = self.make(networks.dense(inputs=3, outputs=2))
            snn.build()
            snn.load(folder, "network")
            actual = snn.run_batch(x_b_l)
            snn.end_sim()
        self.compare(self.reference(network, x_b_l), actual, network)
