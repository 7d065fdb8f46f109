"""Presets: named sets of settings of a conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snn_core.errors import SettingsError
from snn_core.settings import Settings

PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "seed": {
        "normalization": {"method": "percentile", "percentile": 99.9, "per_channel": False},
        "conversion": {
            "readout": "counts",
            "softmax_to_relu": True,
            "pool_spiking": True,
            "maxpool_type": "fir_max",
        },
        "cell": {"v_init": 0.0},
    },
    "fast": {
        "normalization": {"method": "mse", "per_channel": True},
        "conversion": {
            "readout": "membrane",
            "pool_spiking": False,
            "maxpool_type": "pre_spike_max",
        },
        "cell": {"v_init": 0.5},
        "simulation": {"duration": 32.0},
    },
}
"""Named sets of settings: ``seed`` behaves like the original, ``fast`` decides in few steps."""


def preset(name: str) -> Settings:
    """Return the settings of a preset.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise SettingsError(f"Unknown preset {name!r}; known: {', '.join(sorted(PRESETS))}.")
    return Settings.of(PRESETS[name])
