"""Event cameras: reading recordings, cutting them into samples, and making frames of events."""

from snn_core.data.events.cells import CellEvents, frame_shape, on_chip, scaled_frame, to_cells
from snn_core.data.events.files import EVENT_SUFFIXES, read_events
from snn_core.data.events.schedule import Schedule, schedule
from snn_core.data.events.slicing import cut
from snn_core.data.events.stream import EventStream

__all__ = [
    "EVENT_SUFFIXES",
    "CellEvents",
    "EventStream",
    "Schedule",
    "cut",
    "frame_shape",
    "on_chip",
    "read_events",
    "scaled_frame",
    "schedule",
    "to_cells",
]
