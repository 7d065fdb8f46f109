"""Running samples through a network: on Brian2's runtime targets, or as a compiled program."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from snn_brian2.groups import Objects, Plan
from snn_brian2.targets import compiled_in, locked_folder, on_runtime, on_standalone
from snn_core.neurons.max_pooling import pool_coefficients
from snn_core.recording.spike_trains import Events
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.currents import constant_drive
from snn_core.simulation.synapses.handover import Found
from snn_core.simulation.synapses.tables import CELLS, Population, Tables
from snn_core.typing import Array, Float32

STIMULUS_BYTES = 128_000_000
"""Largest table of input values that one run of Brian2 is given."""

MEMBRANE_BYTES = 256_000_000
"""Most memory that potentials recorded in one run may take."""


class Engine(ABC):
    """A network built for one target.

    Parameters
    ----------
    tables, plan
        The network and how it is laid out.
    rounds
        Largest number of samples that follow one another in a run.
    """

    def __init__(self, tables: Tables, plan: Plan, *, rounds: int) -> None:
        self.tables, self.plan, self.rounds = tables, plan, rounds
        self.objects: Objects

    @abstractmethod
    def run(self, signal: InputSignal) -> Found:
        """Simulate up to ``rounds * copies`` samples."""

    # Input.

    def timed_values(self, signal: InputSignal | None, rounds: int) -> dict[str, tuple[Array, int]]:
        """Return the input of a run: name to values, a row for each so many steps.

        Without a signal everything is there, but 0.
        """
        found: dict[str, tuple[Array, int]] = {}
        for population in self.tables.populations:
            if population.role == CELLS:
                name = self.objects.coefficient_name(population)
                found[name] = (
                    np.tile(pool_coefficients(population.method, self.plan.steps), rounds),
                    1,
                )
            if self.objects.driven_by_input(population):
                current = self._current(population, signal, rounds)
                found[self.objects.current_name(population)] = (current, self.plan.period)
        if not self.plan.is_constant:
            found["stimulus"] = (self._stimulus(signal, rounds), 1)
        return found

    def _current(
        self, population: Population, signal: InputSignal | None, rounds: int
    ) -> Float32[Array, "r n"]:
        """Return the constant input of every round: weighted samples and biases."""
        size = len(self.objects.groups[population.name]) // self.plan.copies
        filled = np.zeros((rounds * self.plan.copies, size), np.float32)
        if signal is not None:
            drive_b_l = constant_drive(self.tables, population, signal)
            filled[: len(drive_b_l), : population.size] = drive_b_l
        return filled.reshape(rounds, -1)

    def _stimulus(self, signal: InputSignal | None, rounds: int) -> Float32[Array, "t n"]:
        """Return the input values of every step of a run."""
        copies, size = self.plan.copies, self.tables.input_size
        table = np.zeros((rounds, self.plan.period, copies, size), np.float32)
        if signal is not None:
            sample, step, cell, value = signal.events()
            table[sample // copies, step, sample % copies, cell] = value
        return table.reshape(rounds * self.plan.period, -1)

    # Output.

    def found(self, samples: int) -> Found:
        """Return what the monitors hold."""
        spikes = {
            name: self._spikes(name, monitor, samples)
            for name, monitor in self.objects.spikemonitors.items()
        }
        membranes = {
            name: self._membranes(name, monitor, samples)
            for name, monitor in self.objects.statemonitors.items()
        }
        return Found(spikes=spikes, membranes_t_b_l=membranes)

    def _spikes(self, name: str, monitor: Any, samples: int) -> Events:
        size = len(self.objects.groups[name]) // self.plan.copies
        copy, cell = np.divmod(np.asarray(monitor.variables["i"].get_value(), np.int32), size)
        steps = np.asarray(monitor.variables["t"].get_value()) * (1000 / self.plan.dt_ms)
        clock = np.rint(steps, out=steps).astype(np.int32)
        clock -= np.int32(self.plan.late(name))
        sample, step = np.divmod(clock, self.plan.period)
        sample *= np.int32(self.plan.copies)
        sample += copy
        # Copies and rounds that had no sample left may have spiked because of their biases, and so
        # may populations before and after their own steps.
        real = (clock >= 0) & (sample < samples)
        events = Events(sample, step, cell)
        return events if real.all() else events.taken(real)

    def _membranes(self, name: str, monitor: Any, samples: int) -> Float32[Array, "t b l"]:
        plan = self.plan
        late, v_t_n = plan.late(name), np.asarray(monitor.variables["v"].get_value())
        rounds = (len(v_t_n) - plan.timing.output_delay) // plan.period
        v_t_n = v_t_n[late : late + rounds * plan.period]
        v = v_t_n.reshape(rounds, plan.period, plan.copies, -1)
        by_sample = v.transpose(1, 0, 2, 3).reshape(plan.steps, rounds * plan.copies, -1)
        return np.array(by_sample[:, :samples], np.float32)


class RuntimeEngine(Engine):
    """Brian2 steps through the network in this process, with numpy or cython.

    Parameters
    ----------
    target
        ``"numpy"`` or ``"cython"``.
    cache
        Folder for compiled code.
    checkpoint
        Called in every step.
    """

    def __init__(
        self,
        tables: Tables,
        plan: Plan,
        *,
        rounds: int,
        target: str,
        cache: Path,
        checkpoint: Callable[[], None],
    ) -> None:
        super().__init__(tables, plan, rounds=rounds)
        self._target, self._cache, self._checkpoint = target, cache, checkpoint
        self._build()

    def _build(self) -> None:
        # Making synapses is one vectorised operation each, for which compiling does not pay.
        with on_runtime("numpy", self._cache):
            self.objects = Objects(
                self.tables,
                self.plan,
                checkpoint=self._checkpoint,
                shares_kernels=self._target != "cython",
            )
        self._is_clean = True

    def run(self, signal: InputSignal) -> Found:
        """Simulate up to ``rounds * copies`` samples."""
        import brian2

        if not self._is_clean:
            self._build()
        samples = len(signal.x_b_l)
        rounds = -(-samples // self.plan.copies)
        network = self.objects.network
        with on_runtime(self._target, self._cache):
            self.objects.add_monitors()
            network.t_ = 0.0
            timed = {
                name: brian2.TimedArray(
                    values, dt=steps * self.plan.dt_ms * brian2.ms, name=f"{name}_values"
                )
                for name, (values, steps) in self.timed_values(signal, rounds).items()
            }
            # A run that was stopped leaves spikes on their way behind.
            self._is_clean = False
            duration = self.plan.run_steps(rounds) * self.plan.dt_ms * brian2.ms
            network.run(duration, namespace=self.objects.namespace(timed))
            self._is_clean = True
        return self.found(samples)


class StandaloneEngine(Engine):
    """A compiled program simulates ``rounds * copies`` samples each time it is started.

    Parameters
    ----------
    cache
        Folder for compiled code; the program is kept there and compiled anew only when it changes.
    key
        Names the program.
    """

    def __init__(self, tables: Tables, plan: Plan, *, rounds: int, cache: Path, key: str) -> None:
        super().__init__(tables, plan, rounds=rounds)
        import brian2
        from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

        self._device = CPPStandaloneDevice()
        with on_standalone(self._device):
            self.objects = Objects(tables, plan, checkpoint=None)
            self.objects.add_monitors()
            self._timed = {
                name: brian2.TimedArray(
                    values, dt=steps * plan.dt_ms * brian2.ms, name=f"{name}_values"
                )
                for name, (values, steps) in self.timed_values(None, rounds).items()
            }
            duration = plan.run_steps(rounds) * plan.dt_ms * brian2.ms
            self.objects.network.run(duration, namespace=self.objects.namespace(self._timed))
            self._folder, self._lock = locked_folder(cache, key)
            compiled_in(self._device, self._folder)

    def run(self, signal: InputSignal) -> Found:
        """Simulate up to ``rounds * copies`` samples."""
        samples = len(signal.x_b_l)
        values = self.timed_values(signal, self.rounds)
        with on_standalone(self._device):
            self._device.run(
                run_args={timed: values[name][0] for name, timed in self._timed.items()},
                with_output=False,
            )
            for name in self._device.run_args_arrays:
                (self._folder / "static_arrays" / name).unlink(missing_ok=True)
            return self.found(samples)


def rounds_per_run(tables: Tables, plan: Plan, *, batch_size: int) -> int:
    """Return how many samples may follow one another in a run, limited by memory."""
    recorded = sum(item.size for item in tables.populations if item.name in plan.membranes)
    membrane_bytes = plan.period * plan.copies * recorded * np.float32().nbytes
    # Brian2 keeps tables of input values in double precision.
    stimulus_bytes = plan.period * plan.copies * tables.input_size * np.float64().nbytes
    rounds = -(-batch_size // plan.copies)
    if membrane_bytes:
        rounds = min(rounds, MEMBRANE_BYTES // membrane_bytes)
    if not plan.is_constant:
        rounds = min(rounds, STIMULUS_BYTES // stimulus_bytes)
    return max(1, rounds)
