"""Settings: typed, validated, with the sections and keys of snn_toolbox's INI files."""

from snn_core.settings.cell import CellSettings
from snn_core.settings.files import read_assignments
from snn_core.settings.input import DataflowKwargs, DatagenKwargs, InputSettings
from snn_core.settings.output import record_flag, recorded_variable, short_names
from snn_core.settings.section import (
    MOST_SECONDS,
    MOST_STEPS,
    MOST_THREADS,
    Options,
    Section,
    Stage,
)
from snn_core.settings.tree import (
    RECORDABLE,
    SPIKE_CODES,
    ConversionSettings,
    NormalizationSettings,
    OutputSettings,
    Settings,
    SimulationSettings,
    leaves,
)

__all__ = [
    "MOST_SECONDS",
    "MOST_STEPS",
    "MOST_THREADS",
    "RECORDABLE",
    "SPIKE_CODES",
    "CellSettings",
    "ConversionSettings",
    "DataflowKwargs",
    "DatagenKwargs",
    "InputSettings",
    "NormalizationSettings",
    "Options",
    "OutputSettings",
    "Section",
    "Settings",
    "SimulationSettings",
    "Stage",
    "leaves",
    "read_assignments",
    "record_flag",
    "recorded_variable",
    "short_names",
]
