"""Settings: typed, validated, with the sections and keys of snn_toolbox's INI files."""

from snn_core.settings.cell import CellSettings
from snn_core.settings.input import DataflowKwargs, DatagenKwargs, InputSettings
from snn_core.settings.section import Section, Stage
from snn_core.settings.tree import (
    RECORDABLE,
    SPIKE_CODES,
    ConversionSettings,
    NormalizationSettings,
    OutputSettings,
    Settings,
    SimulationSettings,
)

__all__ = [
    "RECORDABLE",
    "SPIKE_CODES",
    "CellSettings",
    "ConversionSettings",
    "DataflowKwargs",
    "DatagenKwargs",
    "InputSettings",
    "NormalizationSettings",
    "OutputSettings",
    "Section",
    "Settings",
    "SimulationSettings",
    "Stage",
]
