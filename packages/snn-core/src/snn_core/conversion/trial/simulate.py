"""Simulating a few samples on the reference simulator, and comparing with the analog network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.codes import CODES, code_of
from snn_core.codes.first_spike import FirstSpike
from snn_core.conversion.trial.layers import decode
from snn_core.data.events import CellEvents
from snn_core.evaluation.forward import activations
from snn_core.ir import Linear, Network, Softmax, Spiking
from snn_core.operations import ConnectivityStatistics
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.scoring import decisions
from snn_core.typing import Array, Float, Float32, Int

LIMIT = 0.9
"""Share of equal decisions below which a network is not what was wanted. Of 20 samples, a network
that agrees on 99 % of all falls below it once in a thousand trials."""
OUTPUT_LIMIT = 0.1
"""Mean error of outputs that are no classes, as a share of their mean size, above which a network
is not what was wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """The samples of a trial, with what the analog network makes of them.

    Parameters
    ----------
    x_b_l
        The samples.
    analog_b_c
        Outputs of the analog network.
    are_classes
        Whether the outputs are scores of classes, so that the largest is a decision.
    events_b
        The events behind each sample, for the encoding ``events``.
    """

    x_b_l: Float32[Array, "b *l"]
    analog_b_c: Float[Array, "b c"]
    are_classes: bool
    events_b: Sequence[CellEvents] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x_b_l)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a network did in a simulation.

    Parameters
    ----------
    settings
        Settings of the simulation.
    recording
        What was recorded.
    decision_b
        Decisions, -1 where the output is silent.
    agreeing
        Decisions that are those of the analog network; ``None`` if the outputs are no classes.
    output_error
        Mean difference from the analog outputs, as a share of their mean size; ``None`` where
        outputs cannot be compared, those of a softmax that draws its spikes.
    """

    settings: Settings
    recording: Recording
    decision_b: Int[Array, "b"]
    agreeing: int | None
    output_error: float | None

    @property
    def is_good(self) -> bool:
        """Whether the spiking network does what the analog one does."""
        if self.agreeing is not None:
            return self.agreeing >= LIMIT * len(self.decision_b)
        return self.output_error is None or self.output_error <= OUTPUT_LIMIT

    def __str__(self) -> str:
        """Return what agrees."""
        return in_words(len(self.decision_b), self.agreeing, self.output_error)


def in_words(samples: int, agreeing: int | None, output_error: float | None) -> str:
    """Return how much of a simulation agrees with the analog network."""
    if agreeing is not None:
        return f"{agreeing} of {samples} decisions as the analog network"
    if output_error is None:
        return "outputs cannot be compared with those of the analog network"
    return f"outputs {output_error:.1%} off those of the analog network"


def simulate(network: Network, settings: Settings, samples: Samples) -> Outcome:
    """Simulate a network.

    Raises
    ------
    SNNError
        If the reference simulator cannot.
    """
    # The rate code is read by its counts, which are always there.
    wanted = [] if code_of(settings).is_rate else ["spiketrains"]
    snn = _Uncounted(network, settings.updated({"output": {"log_vars": wanted}}))
    recording = snn.run_batch(samples.x_b_l, events_b=samples.events_b)
    output_b_c_t = recording.output_b_l_t.reshape(len(samples), -1, snn.settings.num_steps)
    decision_b = decisions(
        output_b_c_t, readout=network.readout, spike_code=settings.conversion.spike_code
    )[:, -1]
    analog_b = samples.analog_b_c.argmax(axis=1)
    return Outcome(
        settings=snn.settings,
        recording=recording,
        decision_b=decision_b,
        agreeing=int((decision_b == analog_b).sum()) if samples.are_classes else None,
        output_error=_output_error(network, snn.settings, samples.x_b_l, recording),
    )


class _Uncounted(ReferenceSNN):
    """The reference simulator without counts of synapses, which take longer than a trial."""

    @property
    def connectivity(self) -> ConnectivityStatistics:
        """Numbers of neurons alone."""
        layers = (self.network.input, *self.network.spiking_layers)
        nothing = [np.zeros(layer.output_shape, np.int64) for layer in layers]
        return ConnectivityStatistics(
            names=[layer.name for layer in layers],
            num_neurons=[part.size for part in nothing],
            num_neurons_with_bias=[0] * len(layers),
            fanin=[0] * len(layers),
            fanout=nothing,
        )


def _output_error(
    network: Network, settings: Settings, x_b_l: Array, recording: Recording
) -> float | None:
    """Return how far the outputs are from the analog ones, before a function of the read-out."""
    output = network.output
    if network.readout == "membrane" and isinstance(output, Spiking):
        network = network.replace(replace(output, activation=Linear()))
        found_b_o = recording.output_b_l_t[..., -1] / np.float32(_potential_of_one(settings))
    elif isinstance(output, Spiking) and isinstance(output.activation, Softmax):
        return None
    else:
        found_b_o = decode(settings, recording)[output.name]
    expected_b_o = activations(network, x_b_l, layers=[output.name])[output.name]
    size = float(np.abs(expected_b_o).mean()) or 1.0
    return float(np.abs(found_b_o - expected_b_o).mean()) / size


def _potential_of_one(settings: Settings) -> float:
    """Return the final potential, in thresholds, of an output whose activation is one threshold."""
    code, ramp = CODES[settings.conversion.spike_code], settings.conversion.ttfs_ramp
    if code.is_per_ms and not (issubclass(code, FirstSpike) and ramp):
        return settings.num_steps * settings.simulation.dt
    return 1.0
