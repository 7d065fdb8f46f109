"""The arrays of one batch of a run: from its simulation, and from its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from snn_core.errors import ArtifactError
from snn_core.recording.log import SPIKETRAINS, Log
from snn_core.recording.spike_trains import CompactSpikes
from snn_core.running.stored_arrays import ARRAYS
from snn_core.simulation.batches import BatchResult
from snn_core.typing import Array


@dataclass(frozen=True, kw_only=True)
class BatchArrays:
    """The arrays of one batch as they are stored.

    Parameters
    ----------
    values
        The arrays of `RunResult` for these samples, by name.
    log
        Recorded variables, ``variable/layer`` to array; only what ``output.log_vars`` asked for.
        A `Log` keeps spike trains as bits or events.
    """

    values: Mapping[str, Array]
    log: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, batch: BatchResult) -> BatchArrays:
        """Return the stored arrays of a simulated batch."""
        recording, score = batch.recording, batch.score
        spikes = list(recording.num_spikes_n_b.values())
        values = {
            "sample_ids_b": np.asarray(batch.sample_ids, np.int64),
            "labels_b": np.asarray(batch.labels_b, np.int64),
            "targets_b_o": batch.targets_b_o,
            "output_b_o": batch.output_b_o,
            "ann_output_b_o": batch.ann_output_b_o.astype(np.float32),
            "error_b_t": score.error_b_t,
            "ann_error_b": score.ann_error_b,
            "deviation_b_t": score.deviation_b_t,
            "ann_decision_b": np.asarray(score.ann_decision_b, np.int64),
            "ann_topkerr_b": score.ann_topkerr_b,
            "decision_b_t": score.decision_b_t.astype(np.int32),
            "topkerr_b_t": score.topkerr_b_t,
            "synaptic_operations_b_t": recording.synaptic_operations_b_t,
            "neuron_operations_b_t": np.ascontiguousarray(batch.neuron_operations_b_t),
            "spikes_b_n": np.stack(spikes, axis=1),
            "simulate_s": np.asarray([batch.simulate_s]),
        }
        trains = recording.spiketrains_n_b_l_t
        log: dict[str, Array | CompactSpikes] = {
            f"{SPIKETRAINS}{name}": trains.kept(name) for name in trains
        }
        log |= {f"mem/{name}": a for name, a in recording.mem_n_b_l_t.items()}
        log |= {f"activations/{name}": a for name, a in batch.activations_n_b_l.items()}
        if recording.input_b_l_t is not None:
            log["input"] = recording.input_b_l_t
        return cls(values=values, log=Log(log))


def batch_of(arrays: dict[str, Array], *, version: int) -> BatchArrays:
    """Return a batch from the arrays of its file.

    Parameters
    ----------
    version
        Version of the folder's format.

    Raises
    ------
    ValueError
        If arrays are missing, or those of recorded variables do not belong together.
    """
    if version < 2 and {"decision_b_t", "labels_b", "ann_decision_b"} <= set(arrays):
        arrays = {**_since_version_2(arrays), **arrays}
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    log = {name.removeprefix("log/"): a for name, a in arrays.items() if name.startswith("log/")}
    try:
        kept = Log.from_arrays(log)
    except ArtifactError as error:
        raise ValueError(error) from error  # the boundary names the file
    return BatchArrays(values={name: arrays[name] for name in ARRAYS}, log=kept)


def _since_version_2(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return what batches of version 1 lack; they hold classes alone, and no outputs."""
    decision_b_t, ann_decision_b = arrays["decision_b_t"], arrays["ann_decision_b"]
    none = np.zeros((len(decision_b_t), 0), np.float32)
    return {
        **dict.fromkeys(("targets_b_o", "output_b_o", "ann_output_b_o"), none),
        "error_b_t": (decision_b_t != arrays["labels_b"][:, None]).astype(np.float32),
        "ann_error_b": (ann_decision_b != arrays["labels_b"]).astype(np.float32),
        "deviation_b_t": (decision_b_t != ann_decision_b[:, None]).astype(np.float32),
    }
