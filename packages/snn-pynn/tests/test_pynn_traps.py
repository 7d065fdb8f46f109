"""What goes wrong on each simulator unless something is done about it."""

import itertools
import math
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from snn_core.data.events import scaled_frame
from snn_core.errors import SimulationError, SimulatorImportError, UnsupportedError
from snn_core.simulation.reference import ReferenceSNN
from snn_core.testing import networks
from snn_core.testing.builder import NetworkBuilder


@pytest.fixture
def nest(helpers):
    """Return the module of NEST's engine, imported as a network does."""
    from snn_pynn.nest import start

    start.import_nest()
    from snn_pynn.nest import engine

    return engine


@pytest.fixture
def convolution(helpers):
    """Return a network whose synapses NEST puts in another order when it first simulates."""
    rng = np.random.default_rng(1)
    net = NetworkBuilder((3, 7, 2)).conv2d(helpers.dyadic(rng, (3, 2, 2, 5), fan_in=4)).flatten()
    return net.dense(helpers.dyadic(rng, (30, 4), fan_in=8)).build()


class TestNest:
    def test_initial_potentials_of_delta_cells_are_set_and_recorded(self, nest):
        nest.cells.set_up(1.0, longest_delay=1)
        cell = nest.cells.IF_curr_delta(v_rest=0.0, v_reset=0.0, v_thresh=1.0, tau_m=1e6)
        population = nest.sim.Population(2, cell, initial_values={"v": np.array([0.25, 0.5])})
        population.record("v")
        nest.sim.run(3.0)
        (signal,) = population.get_data().segments[-1].analogsignals
        # A leak of 1e6 ms takes a millionth per step.
        np.testing.assert_allclose(signal.magnitude[-1], [0.25, 0.5], rtol=1e-5)

    def test_weights_are_not_rounded_by_a_change_of_units(self, nest):
        weight = np.random.default_rng(0).normal(size=200)
        assert (weight * 1000 * 0.001 != weight).any()
        nest.cells.set_up(1.0, longest_delay=1)
        cell = nest.cells.integrate_and_fire("subtraction")
        source, target = (nest.sim.Population(200, cell()) for _ in range(2))
        everyone = np.arange(200)
        rows = np.column_stack([everyone, everyone, weight, np.ones(200)])
        projection = nest.sim.Projection(
            source, target, nest.sim.FromListConnector(rows), nest.cells.PlainSynapse()
        )
        assert sorted(projection.nest_connections.weight) == sorted(weight)

    def test_potentials_equal_to_the_threshold_spike_after_thousands_of_steps(self, nest, helpers):
        # 2**-10 in each step reaches the threshold exactly, every 1024 steps.
        network = networks.dense(inputs=1, outputs=1, bias_o=[2.0**-10])
        from snn_pynn.nest import SNN

        snn = SNN(network, helpers.settings_of(steps=4096, batch_size=1))
        found = snn.run_batch(np.zeros((1, 1), np.float32))
        assert np.flatnonzero(found.output_b_l_t).tolist() == [1023, 2047, 3071, 4095]

    def test_neurons_without_refractory_time_need_spikes_on_the_grid(self, nest):
        nest.cells.set_up(1.0, longest_delay=1)
        assert nest.sim.simulator.state.spike_precision == "on_grid"
        nest.sim.Population(1, nest.sim.IF_curr_exp(tau_refrac=0.0))

    def test_sources_spike_in_the_nearest_step(self, nest):
        # 3 * 0.1 is more than 0.3 in binary.
        nest.cells.set_up(0.1, longest_delay=1)
        source = nest.cells.add_sources(1, "source")
        steps = np.arange(1, 40)
        nest.cells.send(source, [steps], 0.1)
        source.record("spikes")
        nest.cells.run(50, 0.1)
        (train,) = source.get_data().segments[-1].spiketrains
        assert nest.cells.steps_of(np.asarray(train.magnitude), 0.1).tolist() == steps.tolist()

    def test_a_neuron_that_spikes_otherwise_is_found_out_at_the_start(self, nest, monkeypatch):
        nest.check_neuron()
        monkeypatch.setitem(nest.cells.MODELS, "subtraction", "iaf_psc_delta")
        with pytest.raises(SimulationError, match=r"nest-simulator==3\.10\.0"):
            nest.check_neuron()

    @pytest.mark.parametrize("threads", [1, 2])
    def test_threads_change_no_spike(self, nest, helpers, all_kinds, threads):
        from snn_pynn import NestOptions
        from snn_pynn.nest import SNN

        snn = SNN(all_kinds, helpers.settings_of(), NestOptions(threads=threads))
        helpers.assert_equal_to_reference(snn, helpers.samples(all_kinds, 3))
        assert nest.sim.simulator.state.threads == threads

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("size", [1, 52, 53, 54, 106, 107])
    def test_all_neurons_that_share_a_potential_are_recorded(self, nest, helpers, size, threads):
        from snn_pynn import NestOptions
        from snn_pynn.nest import SNN

        # Neurons of the first layer spike in every step, those of the second in turns.
        every, turns = np.eye(size), np.diag(np.exp2(-(np.arange(size) % 4)))
        network = networks.chain((every, turns, np.eye(size)))
        snn = SNN(network, helpers.settings_of(steps=20), NestOptions(threads=threads))
        helpers.assert_equal_to_reference(snn, np.ones((2, size), np.float32))

    def test_nest_keeps_account_of_nothing_that_grows_with_the_samples(self, nest, helpers):
        from snn_pynn.nest import SNN

        # PyNN asks for the whole status in every run: it took longer with every sample.
        network = networks.chain((np.ones((8, 64)), np.ones((64, 64)), np.eye(64)))
        snn = SNN(network, helpers.settings_of(batch_size=1))
        sizes = []
        for _ in range(4):
            snn.run_batch(np.ones((1, 8), np.float32))
            status = nest.nest.GetKernelStatus()["spike_buffer_resize_log"]
            sizes.append(len(status["times"]))
        assert sizes[1:] == sizes[:1] * 3

    @pytest.mark.parametrize("threads", [1, 2])
    def test_each_sample_drives_its_own_neurons_after_nest_has_sorted_synapses(
        self, nest, helpers, threads
    ):
        from snn_pynn import NestOptions
        from snn_pynn.nest import SNN

        # NEST's sorting leaves some sizes as they are.
        for sizes in ((16, 20, 5), (16, 32, 10), (16, 33, 7), (40, 64, 10), (72, 18, 5), (9, 130)):
            rng = np.random.default_rng(sizes)
            weights = (helpers.dyadic(rng, ends, fan_in=4) for ends in itertools.pairwise(sizes))
            network = networks.chain(tuple(weights))
            snn = SNN(network, helpers.settings_of(), NestOptions(threads=threads))
            x_b_l = helpers.samples(network, 3)
            for part in (x_b_l, x_b_l[::-1]):
                helpers.assert_equal_to_reference(snn, part)

    @pytest.mark.parametrize("threads", [1, 2])
    def test_each_sample_scales_its_own_synapses_after_nest_has_sorted_them(
        self, nest, helpers, convolution, threads
    ):
        from snn_pynn import NestOptions
        from snn_pynn.nest import SNN

        shape = convolution.input.output_shape
        events_b = [
            replace(networks.events(math.prod(shape), steps=steps, signed=True), shape=shape)
            for steps in (12, 6, 9)
        ]
        x_b_l = np.stack([scaled_frame(events) for events in events_b])
        settings = helpers.settings_of(encoding="events").updated(
            {"input": {"eventframe_width": networks.STEP_US}}
        )
        expected = ReferenceSNN(convolution, settings).run_batch(x_b_l, events_b=events_b)
        snn = SNN(convolution, settings, NestOptions(threads=threads))
        for _ in range(2):
            found = snn.run_batch(x_b_l, events_b=events_b)
            for name, spikes_b_l_t in expected.spiketrains_n_b_l_t.items():
                assert spikes_b_l_t.any()
                np.testing.assert_array_equal(found.spiketrains_n_b_l_t[name], spikes_b_l_t)

    def test_synapses_that_users_add_leave_those_of_the_network_right(self, nest, helpers):
        from snn_pynn.nest import SNN

        network = networks.chain(tuple(np.eye(40, dtype=np.float32)[:, :n] for n in (40, 32)))
        snn = SNN(network, helpers.settings_of(batch_size=1))
        x_b_l = helpers.samples(network, 3)
        helpers.assert_equal_to_reference(snn, x_b_l[:1])
        first, *_, second = snn.layers
        nest.sim.Projection(
            second, first, nest.sim.AllToAllConnector(), nest.cells.PlainSynapse(weight=0.0)
        )
        helpers.assert_equal_to_reference(snn, x_b_l[1:])

    @pytest.mark.parametrize("encoding", ["constant", "regular"])
    def test_synapses_found_through_pynn_are_the_same_after_a_run(self, nest, helpers, encoding):
        from snn_pynn.nest import SNN

        rng = np.random.default_rng(1)
        weights = [helpers.dyadic(rng, ends, fan_in=4) for ends in ((16, 32), (32, 10))]
        network = networks.chain(tuple(weights))
        snn = SNN(network, helpers.settings_of(encoding=encoding))
        held = [projection.nest_connections for projection in snn.connections]
        before = [(list(item.targets()), item.weight) for item in held]
        snn.run_batch(helpers.samples(network, 2))
        assert [(list(item.targets()), item.weight) for item in held] == before

    @pytest.mark.parametrize(
        ("dt", "nearest"), [(1 / 3, "0.333"), (0.0005, "0.001"), (1e-6, "0.001"), (1.2504, "1.25")]
    )
    def test_steps_that_nest_cannot_hold_are_refused_with_the_nearest(self, helpers, dt, nearest):
        from snn_pynn.nest import SNN

        settings = helpers.settings_of(dt=dt)
        match = rf"simulation\.dt = .* multiples of 0\.001 ms; the nearest one is {nearest}$"
        with pytest.raises(UnsupportedError, match=match):
            SNN(networks.dense(), settings)
        SNN(networks.dense(), helpers.settings_of(dt=float(nearest)))

    # NEST takes both for less than one step.
    @pytest.mark.parametrize("dt", [0.35, 0.7])
    def test_steps_that_round_in_binary_are_held(self, nest, helpers, dt):
        from snn_pynn import NestOptions
        from snn_pynn.nest import SNN

        # Input spikes and weights do not depend on the length of a step.
        network = networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in (1, 2)))
        settings = helpers.settings_of(dt=dt, steps=100, encoding="regular")
        snn = SNN(network, settings, NestOptions(delay=3 * dt))
        helpers.assert_equal_to_reference(snn, helpers.samples(network, 2))

    def test_importing_compiles_nothing_where_the_user_works(self, tmp_path):
        tool = tmp_path / "bin" / "nest-config"
        tool.parent.mkdir()
        tool.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
        tool.chmod(0o755)
        code = "from snn_pynn.nest.start import import_nest; import_nest()"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PATH": str(tool.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert {path.name for path in tmp_path.iterdir()} == {"bin"}

    def test_nest_says_nothing_of_threads_on_standard_output(self):
        """Results as JSON go there."""
        code = (
            "from snn_core.simulation import registry\n"
            "from snn_core.testing import networks\n"
            "import os\n"
            "registry.get('pynn-nest')(networks.dense()).build()\n"
            "assert os.environ['OMP_NUM_THREADS'] == '1'\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr

    def test_threads_give_way_while_they_wait(self):
        # Otherwise two take ten times as long as one where a processor has other work.
        code = "from snn_pynn.nest.start import import_nest; import_nest()"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"OMP_DISPLAY_ENV": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr

    def test_large_networks_get_more_threads(self, nest, helpers, monkeypatch):
        from snn_pynn.nest import SNN

        monkeypatch.setattr(nest, "processors", lambda: 4)
        network = networks.chain((np.ones((500, 700), np.float32),))  # 350 000 synapses
        snn = SNN(network, helpers.settings_of(encoding="regular"))
        snn.build()
        assert nest.sim.simulator.state.threads == 3  # one for every hundred thousand

    def test_a_missing_simulator_is_a_clear_error(self, nest, monkeypatch):
        from snn_pynn.nest import start

        monkeypatch.setitem(sys.modules, "pyNN.nest", None)
        with pytest.raises(SimulatorImportError, match=r"pip install '.*snn-pynn\[nest\]'"):
            start.import_nest()


class TestBrian2:
    @pytest.fixture
    def engine(self):
        pytest.importorskip("brian2")
        from snn_pynn.brian2 import engine

        return engine

    def test_input_in_the_step_of_a_spike_is_not_lost(self, engine, helpers):
        from snn_pynn.brian2 import SNN

        # Spikes in every step, each of which is worth 3/4 of the threshold.
        network = networks.weights((768,))
        settings = helpers.settings_of(encoding="regular", reset="zero", batch_size=1, steps=8)
        found = SNN(network, settings).run_batch(np.ones((1, 1), np.float32))
        assert found.output_b_l_t[0, 0].tolist() == [0, 1, 0, 1, 0, 1, 0, 1]

    def test_sources_keep_the_length_of_the_networks_steps(self, engine):
        with engine.brian2_on_numpy():
            engine.cells.set_up(1.0)
            group = engine.cells.add_sources(3, "sources").brian2_group
        assert group.clock is engine.sim.simulator.state.network.clock

    def test_preferences_and_device_are_put_back(self, engine, helpers):
        import brian2

        from snn_pynn.brian2 import SNN

        before = brian2.prefs.codegen.target, brian2.get_device()
        snn = SNN(networks.dense(), helpers.settings_of())
        snn.run_batch(helpers.samples(snn.network, 1))
        assert (brian2.prefs.codegen.target, brian2.get_device()) == before

    @pytest.mark.parametrize("copies", [1, 2, 3])
    def test_samples_in_copies_of_the_network(self, engine, helpers, all_kinds, copies):
        from snn_pynn import Brian2Options
        from snn_pynn.brian2 import SNN

        # Five samples in a batch of three: more than one run, and copies without a sample.
        settings = helpers.settings_of(encoding="regular")
        snn = SNN(all_kinds, settings, Brian2Options(copies=copies))
        helpers.assert_equal_to_reference(snn, helpers.samples(all_kinds, 5))

    def test_a_missing_simulator_is_a_clear_error(self, engine, helpers, monkeypatch):
        from snn_pynn.brian2 import SNN

        monkeypatch.setitem(sys.modules, "snn_pynn.brian2.engine", None)
        with pytest.raises(SimulatorImportError, match=r"pip install '.*snn-pynn\[brian2\]'"):
            SNN(networks.dense(), helpers.settings_of()).build()


class TestNeuron:
    def test_spikes_of_sources_do_not_add_up_over_samples(self, helpers):
        from snn_pynn.neuron import SNN

        network = networks.chain((networks.passing_on(5, seed=1),))
        settings = helpers.settings_of(encoding="regular")
        snn = SNN(network, settings)
        helpers.assert_equal_to_reference(snn, helpers.samples(network, 3))
        source = snn.layers[0].all_cells[0]._cell
        assert len(source._recorded_spikes) == 0

    def test_a_neuron_above_its_threshold_after_a_spike_spikes_on(self, helpers):
        from snn_pynn.neuron import SNN

        network = networks.weights((3072,))  # three thresholds in every step
        for reset in ("subtraction", "zero"):
            settings = helpers.settings_of(reset=reset, batch_size=1)
            found = SNN(network, settings).run_batch(np.ones((1, 1), np.float32))
            assert found.output_b_l_t.all()

    @pytest.mark.parametrize("dt", [0.1, 0.3])
    def test_steps_that_are_no_binary_fractions_do_not_drift(self, helpers, dt):
        from snn_pynn.neuron import SNN

        network = networks.chain(tuple(networks.passing_on(5, seed=seed) for seed in (1, 2, 3)))
        settings = helpers.settings_of(dt=dt, steps=2000, batch_size=1, encoding="regular")
        snn = SNN(network, settings)
        # Input spikes and weights do not depend on the length of a step.
        helpers.assert_equal_to_reference(snn, helpers.samples(network, 1))

    def test_synapses_of_a_projection_can_be_changed_through_pynn(self, helpers):
        from snn_pynn.neuron import SNN

        network = networks.chain((np.full((2, 2), 0.25, np.float32),))
        snn = SNN(network, helpers.settings_of(batch_size=1, encoding="regular", steps=8))
        snn.run_batch(np.ones((1, 2), np.float32))
        last = snn.connections[-1]
        weight = last.get("weight", format="array")
        weight[:, 1] *= 2
        last.set(weight=weight)
        np.testing.assert_array_equal(last.get("weight", format="array"), [[0.25, 0.5]] * 2)
        found = snn.run_batch(np.ones((1, 2), np.float32))
        # Both sources spike in every other step.
        assert found.output_b_l_t[0].sum(axis=-1).tolist() == [2, 4]

    def test_earlier_networks_are_let_go(self, helpers):
        from snn_pynn.neuron import SNN

        for _ in range(3):
            SNN(networks.dense(), helpers.settings_of(encoding="regular")).build()
        from pyNN.neuron import projections

        assert len(projections._projections) == 1


def test_importing_and_simulating_warns_of_nothing(simulator, helpers):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What libraries say about each other.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        snn = simulator(networks.dense(), helpers.settings_of())
        snn.run_batch(helpers.samples(snn.network, 2))
