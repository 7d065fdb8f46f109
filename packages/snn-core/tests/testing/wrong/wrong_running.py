"""Wrong simulators: they mistake the input, the recording, or what a run may touch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from wrong_simulators import fails

from snn_core import artifact
from snn_core.errors import SimulationError
from snn_core.ir import Spiking, Weighted
from snn_core.recording.recorder import Recorder
from snn_core.simulation.contract import Capabilities
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, PathLikeStr

# The input.


@fails("test_negative_input")
class IgnoresNegativeInput(ReferenceSNN):
    """Cuts samples at 0."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(replace(signal, x_b_l=np.maximum(signal.x_b_l, 0)), recorder)


@fails("test_input_scales_with_dt")
class AddsInputPerStep(ReferenceSNN):
    """Adds the whole sample in every step, however short."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        if signal.is_constant:
            dt = np.float32(self.settings.simulation.dt)
            signal = replace(signal, x_b_l=signal.x_b_l / dt)
        super().simulate(signal, recorder)


@fails("test_poisson_input")
class IgnoresSeed(ReferenceSNN):
    """Draws the same input spikes in every run."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(replace(signal, seed=0), recorder)


@fails("test_poisson_input")
class IgnoresSampleIds(ReferenceSNN):
    """Draws the same input spikes for the first sample of every batch."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(replace(signal, sample_ids=range(len(signal.x_b_l))), recorder)


@fails("test_poisson_input")
class DrawsWithoutSeed(ReferenceSNN):
    """Draws other input spikes in every run."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        seed = int(np.random.default_rng().integers(2**31))
        super().simulate(replace(signal, seed=seed), recorder)


class UnitSpikes(InputSignal):
    """Input spikes of 1 and -1 only."""

    def chunks(self, size: int) -> Iterator[Array]:
        """Yield signs instead of values."""
        is_spiking = self.settings.input.encoding in ("poisson", "regular")
        for x_t_b_l in super().chunks(size):
            yield np.sign(x_t_b_l) if is_spiking else x_t_b_l


@fails("test_input_amplitude")
class ForgetsAmplitude(ReferenceSNN):
    """Takes every input spike for 1."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(_turned_into(UnitSpikes, signal), recorder)


class AnalogRegular(InputSignal):
    """Regular input without its spikes."""

    def chunks(self, size: int) -> Iterator[Array]:
        """Yield the sample in every step, unless spikes are random."""
        if self.settings.input.encoding != "regular":
            yield from super().chunks(size)
            return
        for _ in range(0, self.num_steps, size):
            yield self.constant_b_l[None]


@fails("test_regular_input")
class SmoothsRegularInput(ReferenceSNN):
    """Spreads regular input spikes evenly over all steps."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(_turned_into(AnalogRegular, signal), recorder)


class UnitEvents(InputSignal):
    """Events of 1 and -1 only."""

    def chunks(self, size: int) -> Iterator[Array]:
        """Yield signs instead of values."""
        is_event = self.settings.input.encoding == "events"
        for x_t_b_l in super().chunks(size):
            yield np.sign(x_t_b_l) if is_event else x_t_b_l


@fails("test_event_input")
class ForgetsEventAmplitude(ReferenceSNN):
    """Takes every event for 1."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(_turned_into(UnitEvents, signal), recorder)


class AnalogEvents(InputSignal):
    """The frame of all events instead of the events."""

    def chunks(self, size: int) -> Iterator[Array]:
        """Yield the frame in every step."""
        if self.settings.input.encoding != "events":
            yield from super().chunks(size)
            return
        for _ in range(0, self.num_steps, size):
            yield self.constant_b_l[None]


@fails("test_event_input")
class SumsEvents(ReferenceSNN):
    """Sends the frame of all events in every step."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate another input."""
        super().simulate(_turned_into(AnalogEvents, signal), recorder)


def _turned_into(kind: type[InputSignal], signal: InputSignal) -> InputSignal:
    return kind(**{item.name: getattr(signal, item.name) for item in fields(signal)})


# The recording.


class Tampering:
    """Stands between a simulator and its recorder; subclasses change what passes."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on."""
        return getattr(self._recorder, name)

    def flush(self) -> None:
        """Do what remains to be done after the last step."""


class Tampered(ReferenceSNN):
    """Simulates correctly and records something else."""

    tampering: ClassVar[type[Tampering]]

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate with a recorder that changes what it gets."""
        tampered = self.tampering(recorder)
        super().simulate(signal, cast("Recorder", tampered))
        tampered.flush()


class _WithoutFirstStep(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        self._recorder.spikes(name, start, spikes_t_b_l * (start > 0))


@fails("test_first_step")
class DropsFirstStep(Tampered):
    """Takes the time 0 for no spike."""

    tampering = _WithoutFirstStep


class _WithoutLastStep(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        last = self._recorder.num_steps - 1
        self._recorder.spikes(name, start, spikes_t_b_l * (start < last))


@fails("test_last_step")
class DropsLastStep(Tampered):
    """Ends a step too early."""

    tampering = _WithoutLastStep


class _OutputOnly(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        if name == self._recorder.network.output.name:
            self._recorder.spikes(name, start, spikes_t_b_l)


@fails("test_records")
class RecordsOutputOnly(Tampered):
    """Records no hidden layer."""

    tampering = _OutputOnly


class _WhileRecording(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        if self._recorder.wants_spikes(name):
            self._recorder.spikes(name, start, spikes_t_b_l)


@fails("test_counts_without_recording")
class CountsWhileRecording(Tampered):
    """Hands on only the spikes that are recorded."""

    tampering = _WhileRecording


class _BeforeReset(Tampering):
    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        self._spikes_t_b_l = spikes_t_b_l
        self._recorder.spikes(name, start, spikes_t_b_l)

    def membrane(self, name: str, start: int, mem_t_b_l: Array) -> None:
        self._recorder.membrane(name, start, mem_t_b_l + self._spikes_t_b_l.astype("f4"))


@fails("test_membrane_potentials")
class RecordsBeforeReset(Tampered):
    """Records potentials before the reset."""

    tampering = _BeforeReset


class _Raw(Tampering):
    def membrane(self, name: str, start: int, mem_t_b_l: Array) -> None:
        layer = cast("Spiking", self._recorder.network[name])
        if "mem" in self._recorder.record:
            mem_t_b_l = mem_t_b_l * layer.threshold
        self._recorder.membrane(name, start, mem_t_b_l)


@fails("test_membrane_potentials")
class RecordsRawPotentials(Tampered):
    """Records potentials that are not divided by the threshold."""

    tampering = _Raw


class _AnalogInput(Tampering):
    def input(self, start: int, input_t_b_l: Array, *, spiking: bool) -> None:
        self._recorder.input(start, input_t_b_l, spiking=False)


@fails("test_synaptic_operations")
class ForgetsInputOperations(Tampered):
    """Counts no operations for input spikes."""

    tampering = _AnalogInput


class _Jitter(Tampering):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._kept: dict[str, list[Array]] = {}

    def spikes(self, name: str, start: int, spikes_t_b_l: Array) -> None:
        self._kept.setdefault(name, []).append(spikes_t_b_l)

    def flush(self) -> None:
        generator = np.random.default_rng()
        for name, parts in self._kept.items():
            spikes_t_b_l = np.concatenate(parts)
            late_b_l = generator.random(spikes_t_b_l.shape[1:]) < 0.5
            moved = np.where(late_b_l, np.roll(spikes_t_b_l, 1, axis=0), spikes_t_b_l)
            self._recorder.spikes(name, 0, moved)


@fails("test_same_seed_same_spikes")
class Jitters(Tampered):
    """Promises approximate rates, and the same in every run, but is different each time."""

    capabilities: ClassVar[Capabilities] = replace(ReferenceSNN.capabilities, rate_tolerance=1 / 64)
    tampering = _Jitter


# What a run may touch.


@fails("test_reset_between_batches")
class KeepsState(ReferenceSNN):
    """Begins a batch with the potentials at the end of the last one of the same size."""

    def reset(self) -> None:
        """Forget all state, but only once."""
        if not hasattr(self, "_neurons"):
            super().reset()

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        neurons = self._neurons.get(layer.name)
        if neurons is not None and len(neurons.v_b_l) != len(drive_b_l):
            del self._neurons[layer.name]
        return super()._update(layer, drive_b_l, index, recorder)


@fails("test_sequences")
class ResetsEverySample(ReferenceSNN):
    """Begins every sample from rest."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Reset, then simulate."""
        self.reset()
        super().simulate(signal, recorder)


@fails("test_samples_are_independent")
class LeaksBetweenSamples(ReferenceSNN):
    """Hands a sample's potentials on to the next sample of the batch."""

    def _update(self, layer: Spiking, drive_b_l: Array, index: int, recorder: Recorder) -> Array:
        spikes = super()._update(layer, drive_b_l, index, recorder)
        neurons = self._neurons[layer.name]
        neurons.v_b_l = np.roll(neurons.v_b_l, 1, axis=0)
        return spikes


@fails("test_smaller_batch")
class WantsFullBatches(ReferenceSNN):
    """Was built for batches of one size."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Refuse batches of another size than the first."""
        self._size = getattr(self, "_size", len(signal.x_b_l))
        if len(signal.x_b_l) != self._size:
            raise SimulationError(f"Found {len(signal.x_b_l)} samples, expected {self._size}.")
        super().simulate(signal, recorder)


@fails("test_network_is_untouched")
class WorksInPlace(ReferenceSNN):
    """Leaves the network with scaled weights until it is simulated the next time."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Undo the scaling, simulate, then scale."""
        if getattr(self, "_is_scaled", False):
            self._scale(0.5)
        super().simulate(signal, recorder)
        self._scale(2)
        self._is_scaled = True

    def _scale(self, factor: float) -> None:
        for layer in self.network.layers:
            if isinstance(layer, Weighted):
                layer.weight.setflags(write=True)
                layer.weight[...] *= factor
                layer.weight.setflags(write=False)


@fails("test_global_random_state")
class SeedsGlobally(ReferenceSNN):
    """Seeds NumPy's global generator."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Seed and simulate."""
        np.random.seed(self.seed)  # noqa: NPY002
        super().simulate(signal, recorder)


@fails("test_can_be_stopped")
class CannotBeStopped(ReferenceSNN):
    """Never asks whether to stop."""

    def checkpoint(self) -> None:
        """Go on."""


@fails("test_save_and_load")
class KeepsOldNetwork(ReferenceSNN):
    """Loads a network and goes on with the one it has built."""

    def load(self, path: PathLikeStr, filename: str) -> None:
        """Replace the network, but not what was made of it."""
        self.network = artifact.load(Path(path) / f"{filename}.snn")


@fails("test_command_line")
class Chatters(ReferenceSNN):
    """Writes to standard output, where programs expect the result."""

    def simulate(self, signal: InputSignal, recorder: Recorder) -> None:
        """Simulate and talk about it."""
        super().simulate(signal, recorder)
        sys.stdout.write("done!\n")
