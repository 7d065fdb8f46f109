"""MegaSim's files: schematic, parameters, states, stimuli and events, read strictly and written."""

from snn_megasim.files.lines import MegaSimFileError
from snn_megasim.files.modules import (
    Convolution,
    Flatten,
    FullyConnected,
    Kernel,
    Link,
    Matrix,
    Module,
    Neurons,
    Output,
)
from snn_megasim.files.netlist import SCHEMATIC, Netlist, event_file, read_netlist, write_netlist
from snn_megasim.files.schematic import Instance, Schematic, Source
from snn_megasim.files.state import State
from snn_megasim.files.stimulus import RESET, SOFTMAX, EventList, softmax_clock

__all__ = [
    "RESET",
    "SCHEMATIC",
    "SOFTMAX",
    "Convolution",
    "EventList",
    "Flatten",
    "FullyConnected",
    "Instance",
    "Kernel",
    "Link",
    "Matrix",
    "MegaSimFileError",
    "Module",
    "Netlist",
    "Neurons",
    "Output",
    "Schematic",
    "Source",
    "State",
    "event_file",
    "read_netlist",
    "softmax_clock",
    "write_netlist",
]
