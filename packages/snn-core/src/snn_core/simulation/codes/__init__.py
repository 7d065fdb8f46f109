"""Engines of the spike codes whose neurons are more than integrate-and-fire, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping

from snn_core.simulation.codes.engine import Engine, NumPySums, Sums
from snn_core.simulation.codes.temporal_pattern import TemporalPattern
from snn_core.simulation.codes.ttfs import FirstSpike
from snn_core.simulation.codes.ttfs_corrective import Corrective
from snn_core.simulation.codes.ttfs_dyn_thresh import DynamicThreshold
from snn_core.simulation.codes.ttfs_exact import ExactFirstSpike

ENGINES: Mapping[str, type[Engine]] = {
    "temporal_pattern": TemporalPattern,
    "ttfs": FirstSpike,
    "ttfs_dyn_thresh": DynamicThreshold,
    "ttfs_corrective": Corrective,
    "ttfs_exact": ExactFirstSpike,
}
"""Spike code to the engine that simulates it."""

__all__ = ["ENGINES", "Engine", "NumPySums", "Sums"]
