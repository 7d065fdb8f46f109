"""Spike codes: how spikes stand for numbers, in time and in operations.

Conversion, simulation and reading share what is stated here, one class per code.
`docs/spike-codes.md` explains each.
"""

from snn_core.codes.base import SpikeCode
from snn_core.codes.pattern import to_binary, to_binary_numpy
from snn_core.codes.registry import (
    CODES,
    code_of,
    rates_of,
    set_duration,
    set_timesteps,
    spikecounts_to_rates,
    spiketrains_to_rates,
)

__all__ = [
    "CODES",
    "SpikeCode",
    "code_of",
    "rates_of",
    "set_duration",
    "set_timesteps",
    "spikecounts_to_rates",
    "spiketrains_to_rates",
    "to_binary",
    "to_binary_numpy",
]
