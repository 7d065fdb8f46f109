"""Reading of outputs: scores, decisions and errors of classes, and values, after each step."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from snn_core.codes import CODES, code_of
from snn_core.evaluation.forward import scale_of_outputs, top_k_hits
from snn_core.ir import Network, Spiking
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.capabilities import draws_softmax
from snn_core.typing import Array, Bool, Float32, Int

UNDECIDED = -1

RATE = "temporal_mean_rate"


def scores_over_time(output_b_c_t: Array, *, readout: str, spike_code: str = RATE) -> Array:
    """Return the score of each class after each step: from its spikes so far, or its potential.

    `SpikeCode.scores` says what counts. Silent classes score minus infinity under the counts
    read-out, so that they are never credited.
    """
    if readout == "membrane":
        return output_b_c_t
    scores_b_c_t = CODES[spike_code].scores(output_b_c_t)
    scores_b_c_t[scores_b_c_t <= 0] = -np.inf
    return scores_b_c_t


def decide(scores_b_c_t: Array) -> Int[Array, "b t"]:
    """Return the class with the largest score, the lowest index on ties, `UNDECIDED` if silent."""
    guess_b_t: Array = scores_b_c_t.argmax(axis=1).astype(np.int32)
    guess_b_t[np.isneginf(scores_b_c_t.max(axis=1))] = UNDECIDED
    return guess_b_t


def decisions(output_b_c_t: Array, *, readout: str, spike_code: str = RATE) -> Int[Array, "b t"]:
    """Return the decided class of each sample after each step; see `decide`."""
    return decide(scores_over_time(output_b_c_t, readout=readout, spike_code=spike_code))


def top_k_errors(scores_b_c_t: Array, labels_b: Int[Array, "b"], *, k: int) -> Bool[Array, "b t"]:
    """Return per sample and step whether the label is missing among the ``k`` best scores."""
    samples, classes, steps = scores_b_c_t.shape
    flat = np.moveaxis(scores_b_c_t, -1, 1).reshape(samples * steps, classes)
    hits = top_k_hits(flat, np.repeat(labels_b, steps), k=min(k, classes))
    return ~hits.reshape(samples, steps)


class Reading:
    """What can be read off the output of a batch.

    Parameters
    ----------
    recording
        Recording of the batch.
    network, settings
        The network, with its source's scales, and the settings of the run.
    """

    def __init__(self, recording: Recording, network: Network, settings: Settings) -> None:
        self._recording, self.network, self._settings = recording, network, settings
        self._code = code_of(settings)

    @cached_property
    def scores_b_o_t(self) -> Array:
        """Scores of the outputs; see `scores_over_time`. Scales that differ are undone."""
        scores = scores_over_time(
            self.output_b_o_t, readout=self.network.readout, spike_code=self._code.name
        )
        scale_o = scale_of_outputs(self.network)
        return scores * scale_o[:, None] if np.ptp(scale_o) else scores

    @property
    def output_b_o_t(self) -> Array:
        """The recorded spikes or potentials, flattened."""
        output = self._recording.output_b_l_t
        return output.reshape(len(output), -1, output.shape[-1])

    @property
    def is_above_b_o_t(self) -> Bool[Array, "b o t"]:
        """Whether outputs are above 0 after each step: their potentials, or any of their spikes."""
        above: Array = self.scores_b_o_t > 0
        return above

    @cached_property
    def values_b_o_t(self) -> Float32[Array, "b o t"]:
        """Outputs after each step in the units of the source."""
        return self._values(self._recording.output_b_l_t, last=False)

    @cached_property
    def final_b_o(self) -> Float32[Array, "b o"]:
        """Outputs after the last step in the units of the source; none where they do not tell."""
        if value_problems(self.network, self._settings):
            return np.zeros((len(self._recording.output_b_l_t), 0), np.float32)
        return self._values(self._recording.output_b_l_t, last=True)[..., 0]

    def _values(self, output_b_l_t: Array, *, last: bool) -> Float32[Array, "b o t"]:
        """Return spikes or potentials as what they stand for.

        A sum over t steps stands for the activation times the time that has passed, or for a
        number without a unit; then follows what `forward` does with the sum of a layer.
        """
        layer, settings = self.network.output, self._settings
        is_counted = self.network.readout == "counts"
        if last:
            kept = (
                output_b_l_t.sum(axis=-1, keepdims=True) if is_counted else output_b_l_t[..., -1:]
            )
        else:
            kept = output_b_l_t.cumsum(axis=-1) if is_counted else output_b_l_t
        sums_t_b_l: Array = np.moveaxis(kept, -1, 0).astype(np.float32)
        if self._code.is_per_ms:
            duration_t_b = self._steps_t_b(last=last) * np.float32(settings.simulation.dt)
            shape = (*duration_t_b.shape, *[1] * (sums_t_b_l.ndim - 2))
            sums_t_b_l = sums_t_b_l / duration_t_b.reshape(shape)
        if not is_counted and isinstance(layer, Spiking):
            sums_t_b_l = layer.activation(sums_t_b_l * layer.threshold) / layer.threshold
        flat_t_b_o = sums_t_b_l.reshape(*sums_t_b_l.shape[:2], -1)
        values: Array = np.moveaxis(flat_t_b_o * scale_of_outputs(self.network), 0, -1)
        return values.astype(np.float32)

    def _steps_t_b(self, *, last: bool) -> Int[Array, "t b"]:
        """Return how many steps of each sample a sum holds, at least one."""
        samples, steps = len(self._recording.output_b_l_t), self._recording.output_b_l_t.shape[-1]
        counted = np.arange(steps if last else 1, steps + 1)[:, None]
        active_b = self._recording.num_active_steps_b
        limit_b = np.full(samples, steps) if active_b is None else np.maximum(active_b, 1)
        return np.minimum(counted, limit_b)


def value_problems(network: Network, settings: Settings) -> list[str]:
    """Return why the values of the outputs cannot be read, one line for each reason."""
    code, cell = code_of(settings), settings.cell
    is_counted = network.readout == "counts"
    reasons = {
        f"conversion.spike_code = {code.name!r} tells which output is the largest, not how large "
        f"it is; convert for temporal_mean_rate, temporal_pattern or ttfs_exact": (
            not code.tells_values
        ),
        f"{network.output.name}: spikes drawn from a softmax do not tell its values; convert with "
        f"readout = 'membrane'": draws_softmax(network),
        "cell.payloads: spikes that carry different values cannot be counted; convert with readout "
        "= 'membrane'": is_counted and cell.payloads,
        "normalization.online_normalization: spikes that carry different values cannot be counted; "
        "convert with readout = 'membrane'": is_counted
        and settings.normalization.online_normalization,
        "cell.leak, cell.tau_m, cell.v_clip: what leaks or is cut off is missing in the potentials "
        "of the output; leave them out, or convert with readout = 'counts'": not is_counted
        and (cell.leak > 0 or cell.tau_m is not None or cell.v_clip is not None),
        "simulation.reset_between_nth_sample: the potentials of the output go on from sample to "
        "sample; convert with readout = 'counts'": not is_counted
        and settings.simulation.reset_between_nth_sample != 1,
    }
    return [reason for reason, applies in reasons.items() if applies]
