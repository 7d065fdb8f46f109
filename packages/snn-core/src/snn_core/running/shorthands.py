"""Shorthands of settings: what flags of the commands and arguments of `run` stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from snn_core.codes import set_timesteps
from snn_core.errors import SettingsError
from snn_core.settings import Settings, Stage

FLAGS: Mapping[str, str] = {
    "simulator": "--simulator",
    "simulation.duration": "--timesteps",
    "simulation.dt": "--dt",
    "simulation.num_to_test": "--samples",
    "simulation.sample_idxs_to_test": "--sample-range",
    "simulation.batch_size": "--batch-size",
    "simulation.seed": "--seed",
    "simulation.task": "--task",
    "output.log_vars": "--record",
}
"""Flags of ``snn run`` that are short for settings; ``--set`` takes all others."""


def set_shorthands(
    settings: Settings,
    *,
    stage: Stage = "run",
    spike_code: str | None = None,
    timesteps: int | None = None,
    dt: float | None = None,
    samples: int | None = None,
    sample_range: Sequence[int] | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    task: str | None = None,
    record: str | Iterable[str] | None = None,
) -> Settings:
    """Return settings changed by the shorthands that are given.

    Parameters
    ----------
    stage
        Whether ``samples`` are those of the calibration (``normalization.num_samples``) or of the
        run (``simulation.num_to_test``).
    spike_code
        ``conversion.spike_code``.
    timesteps
        Number of steps; see `snn_core.codes.set_timesteps`.
    sample_range
        Positions of the samples to run (``simulation.sample_idxs_to_test``).
    record
        Variables to record (``output.log_vars``).
    dt, batch_size, seed, task
        ``simulation.dt`` and so on.

    Raises
    ------
    SettingsError
        If a value is impossible, or two contradict each other.
    """
    if samples is not None and sample_range is not None:
        raise SettingsError(
            "Found a number of samples (--samples) and a range (--sample-range); expected one."
        )
    if isinstance(record, str) and not record.strip(", "):
        raise SettingsError(
            f"Found record = {record!r} (--record); expected some of spikes, potentials, input and "
            f"activations, or all. Leave it out to record nothing."
        )
    if spike_code is not None:
        settings = settings.updated({"conversion": {"spike_code": spike_code}})
    if timesteps is not None:
        settings = set_timesteps(settings, timesteps, stage=stage, dt_ms=dt)
    simulation: dict[str, Any] = {"dt": dt, "batch_size": batch_size, "seed": seed, "task": task}
    calibration: dict[str, Any] = {}
    if stage == "convert":
        calibration = {"num_samples": samples}
    elif samples is not None:  # samples chosen by the settings would go first
        simulation |= {"num_to_test": samples, "sample_idxs_to_test": ()}
    if sample_range is not None:
        simulation["sample_idxs_to_test"] = sample_range
    sections = {
        "normalization": calibration,
        "simulation": simulation,
        "output": {"log_vars": record},
    }
    return settings.updated(
        {
            section: {key: value for key, value in items.items() if value is not None}
            for section, items in sections.items()
        }
    )
