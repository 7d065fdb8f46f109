"""Presets: named sets of settings of a conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snn_core.errors import SettingsError, suggest
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

MEANING: Mapping[str, str] = {
    "seed": "as snn_toolbox does: thresholds at the 99.9th percentile, one for each layer, and 200 "
    "steps whose output spikes are counted",
    "fast": "few steps (32): thresholds of least error for each channel, and the class with the "
    "largest potential",
}
"""What the presets are, in a few words."""


def preset(name: str) -> Settings:
    """Return the settings of a preset.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    if name not in list(PRESETS):  # whatever is given can be looked for in a list
        hint = suggest(name, PRESETS)
        raise SettingsError(f"Unknown preset {name!r}.{hint} Known: {', '.join(sorted(PRESETS))}.")
    return Settings.of(PRESETS[name])
