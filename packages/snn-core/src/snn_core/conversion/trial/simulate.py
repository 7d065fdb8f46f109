"""Simulating a few samples on the reference simulator, and comparing with the analog network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_core.codes import CODES, code_of
from snn_core.codes.first_spike import FirstSpike
from snn_core.conversion.trial.layers import decode
from snn_core.conversion.trial.outcome import Outcome, Samples, compare, decide_spiking
from snn_core.evaluation.forward import activations
from snn_core.ir import Linear, Network, Softmax, Spiking
from snn_core.operations import ConnectivityStatistics
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.reference import ReferenceSNN
from snn_core.simulation.scoring import Reading
from snn_core.simulation.tasks import Classification
from snn_core.typing import Array


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
    reading, task = Reading(recording, network, snn.settings), samples.task
    return Outcome(
        settings=snn.settings,
        recording=recording,
        result=compare(reading, samples),
        output_error=_output_error(network, snn.settings, samples.x_b_l, recording),
        class_b=decide_spiking(task, reading) if isinstance(task, Classification) else None,
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
