"""The event engine: a batch in parts that fit the cache, one for each thread at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np

from snn_core.ir import Network
from snn_core.recording.recorder import Recorder
from snn_core.settings import Settings
from snn_core.simulation.signal import InputSignal
from snn_core.typing import Array, Int
from snn_inisim.dense import Record
from snn_inisim.event.batch import EventBatch, Found
from snn_inisim.event.frame import Frames
from snn_inisim.event.plan import EventNetwork
from snn_inisim.options import INIsimOptions

FRAME_BYTES = 4_000_000
"""Size that the spikes of the samples and steps that are simulated together may have."""

SHARED = 5_000_000
"""Neurons times steps that it pays to leave to another thread."""


class EventEngine:
    """A network whose cost follows the number of spikes.

    Parameters
    ----------
    network, settings, options
        What to simulate, and how.
    fanout_n_l
        Number of synapses that leave each neuron.
    seed
        Seed of the run, for random potentials.

    Attributes
    ----------
    busy
        Layers whose many inputs were added up in groups in the last batch, and the share of these
        inputs that spiked in a step.
    """

    def __init__(
        self,
        network: Network,
        settings: Settings,
        options: INIsimOptions,
        fanout_n_l: Mapping[str, Int[Array, "*l"]],
        *,
        seed: int,
    ) -> None:
        self._network = network
        self._settings = settings
        self._fanout_n_l = fanout_n_l
        self._seed = seed
        self._threads = options.threads or _cores()
        self.busy: dict[str, float] = {}
        self._plans: dict[tuple[bool, bool], tuple[EventNetwork, Frames]] = {}

    def _plan(self, signal: InputSignal) -> tuple[EventNetwork, Frames]:
        """Return the plan for a kind of input, and its frames; kept from batch to batch."""
        key = signal.is_constant, _is_binary(signal)
        if key not in self._plans:
            plan = EventNetwork(
                self._network,
                self._settings,
                seed=self._seed,
                fanout_n_l=self._fanout_n_l,
                is_constant=key[0],
                is_binary=key[1],
            )
            self._plans[key] = plan, Frames(plan)
        return self._plans[key]

    def simulate(
        self,
        signal: InputSignal,
        recorder: Recorder,
        *,
        record: Record,
        checkpoint: Callable[[], None],
    ) -> None:
        """Simulate a batch.

        Parameters
        ----------
        signal, recorder
            Input and recorder of the batch.
        record
            Called for each layer with neurons and chunk of steps.
        checkpoint
            Called between parts; may raise to stop.
        """
        plan, frames = self._plan(signal)
        parts = _parts(plan, len(signal.x_b_l), signal.num_steps, threads=self._threads)
        x_b_l = signal.constant_b_l
        batches: dict[int, EventBatch] = {}
        busy: dict[int, dict[str, float]] = {}

        def advance(index: int) -> dict[str, Found]:
            checkpoint()
            part = parts[index]
            batch = batches.pop(index, None) or EventBatch(
                plan, frames, x_b_l[part], sample_ids=signal.sample_ids[part]
            )
            found = batch.advance(
                None if signal.is_constant else x_t_b_l[:, part],
                start=start,
                num_steps=len(x_t_b_l),
                spikes=recorder.wants_spikes,
                potentials=recorder.wants_membrane,
            )
            busy[index] = batch.busy
            if start + len(x_t_b_l) < signal.num_steps:  # potentials take much memory
                batches[index] = batch
            return found

        start, workers = 0, min(self._threads, len(parts))
        with _pool(workers) if workers > 1 else nullcontext() as pool:
            for x_t_b_l in signal.chunks(plan.steps_per_chunk(signal.num_steps)):
                recorder.input(start, x_t_b_l, spiking=not signal.is_constant)
                over = map if pool is None else pool.map
                found = list(over(advance, range(len(parts))))
                for name in list(found[0]):
                    record(name, start, _joined([part.pop(name) for part in found]))
                start += len(x_t_b_l)
        self.busy = {
            name: rate for _, of_part in sorted(busy.items()) for name, rate in of_part.items()
        }


_FOUND = {
    "counts": ("counts_b_l", 0),
    "operations": ("operations_t_b", 1),
    "spikes": ("spikes_t_b_l", 1),
    "potentials": ("potentials_t_b_l", 1),
}
"""Name under which something is recorded to its name in `Found` and its axis of samples."""


def _joined(parts: list[Found]) -> dict[str, Array]:
    """Return what was found of a layer in all parts of a batch."""
    return {
        name: np.concatenate(arrays, axis=axis) if len(parts) > 1 else arrays[0]
        for name, (attribute, axis) in _FOUND.items()
        if (arrays := [getattr(part, attribute) for part in parts])[0] is not None
    }


def _parts(plan: EventNetwork, number: int, num_steps: int, *, threads: int) -> list[slice]:
    """Return the samples that are simulated together: few enough, and some for each thread."""
    size = max(1, FRAME_BYTES // max(1, plan.bytes_per_step * num_steps))
    workers = min(threads, number * num_steps * plan.neurons // SHARED)
    size = min(size, -(-number // max(workers, 1)))
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def _pool(workers: int) -> ThreadPoolExecutor:
    """Return threads in which NumPy treats infinite numbers as it does here."""

    def start(errors: Mapping[str, Any], call: Any) -> None:
        np.seterrcall(call)
        np.seterr(**errors)

    return ThreadPoolExecutor(workers, initializer=start, initargs=(np.geterr(), np.geterrcall()))


def _is_binary(signal: InputSignal) -> bool:
    """Return whether each step of the input holds nothing but 0 and 1."""
    if signal.settings.input.encoding == "constant" or (signal.amplitude_b != 1).any():
        return False
    # The frame of a sample is the sum of its events, in which those of both signs cancel out.
    signs = [events.sign_e for events in signal.events_b or ()]
    return bool((signal.x_b_l >= 0).all()) and all(bool((sign_e > 0).all()) for sign_e in signs)


def _cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
