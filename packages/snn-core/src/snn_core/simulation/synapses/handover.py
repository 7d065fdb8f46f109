"""From what a simulator found to the recorder, a part of the batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from snn_core.ir import Spiking
from snn_core.recording.recorder import Recorder
from snn_core.recording.spike_trains import Events
from snn_core.simulation.signal import InputSignal
from snn_core.simulation.synapses.tables import CELLS, INTEGRATORS, Tables
from snn_core.typing import Array, Float32

CHUNK = 16
"""Steps of a constant input that are handed over at a time."""

NONE = Events(*[np.zeros(0, np.int32)] * 3)

Draw = Callable[[Spiking, Float32[Array, "t b *l"]], Array]
"""Draws the spikes of a softmax output from its potentials."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a simulator found about some samples, by population; steps are the population's own.

    Parameters
    ----------
    spikes
        Spikes of every population with a threshold, samples counted from the first of the part.
    membranes_t_b_l
        Potentials after each step, as far as they are needed; cells may be flat.
    """

    spikes: Mapping[str, Events]
    membranes_t_b_l: Mapping[str, Float32[Array, "t b *l"]] = field(default_factory=dict)


class HandOver:
    """Hands the parts of a batch to a recorder.

    Parameters
    ----------
    recorder
        Takes them.
    tables
        The populations.
    """

    def __init__(self, recorder: Recorder, tables: Tables) -> None:
        self._recorder = recorder
        self._layers = {layer.name: layer for layer in recorder.network.spiking_layers}
        self._populations = [item for item in tables.populations if item.role != CELLS]
        self._membranes: list[Mapping[str, Array]] = []
        self._first = 0

    def current(self, signal: InputSignal) -> None:
        """Hand over the input of the whole batch where it is a current."""
        for index, x_t_b_l in enumerate(signal.chunks(CHUNK)):
            self._recorder.input(index * CHUNK, x_t_b_l, spiking=False)

    def part(self, signal: InputSignal, found: Found) -> None:
        """Hand over the spikes of the next samples, those of the input included."""
        if signal.settings.input.encoding != "constant":
            events = signal.events()
            self._recorder.input_events(
                events.sample_e + np.int32(self._first),
                events.step_e,
                events.cell_e,
                events.value_e,
            )
        for population in self._populations:
            if population.role != INTEGRATORS:
                events = found.spikes[population.name].moved(self._first)
                self._recorder.events(population.name, *events)
        self._membranes.append(found.membranes_t_b_l)
        self._first += len(signal.x_b_l)

    def finish(self, *, draw: Draw | None) -> None:
        """Hand over potentials, and the spikes of an output without threshold.

        Parameters
        ----------
        draw
            Draws the output's spikes from its potentials, if it is a softmax.
        """
        for population in self._populations:
            name, layer = population.name, self._layers[population.name]
            v_t_b_l = _joined([part[name] for part in self._membranes if name in part])
            if v_t_b_l is not None:
                v_t_b_l = v_t_b_l.reshape(*v_t_b_l.shape[:2], *layer.output_shape)
            if population.role == INTEGRATORS:
                if draw is None or v_t_b_l is None:
                    self._recorder.events(name, *NONE)
                else:
                    self._recorder.spikes(name, 0, draw(layer, v_t_b_l))
            if v_t_b_l is not None and self._recorder.wants_membrane(name):
                self._recorder.membrane(name, 0, v_t_b_l / layer.threshold)


def _joined(parts: Sequence[Array]) -> Array | None:
    """Return the potentials of all parts as one, or ``None`` where they are not needed."""
    if len(parts) < 2:
        return parts[0] if parts else None
    joined: Array = np.concatenate(parts, axis=1)
    return joined
