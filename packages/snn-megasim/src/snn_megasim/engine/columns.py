"""Places of numbers in the plain arrays that compiled functions work on."""

from __future__ import annotations

from enum import IntEnum, auto


class Columns(IntEnum):
    """Places that are counted from 0 in the order of their names."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last: list[int]) -> int:
        return count


class Of(Columns):
    """Columns of the table of modules; most are attributes of the files."""

    KIND = auto()
    NODE = auto()
    FIRST = auto()
    COLUMNS = auto()
    ROWS = auto()
    XMIN = auto()
    YMIN = auto()
    HIGH = auto()
    LOW = auto()
    TH_PLUS = auto()
    TH_MINUS = auto()
    FIRES_PLUS = auto()
    FIRES_MINUS = auto()
    REMAINDER = auto()
    REST = auto()
    LEAK_PLUS = auto()
    LEAK_MINUS = auto()
    T_MIN = auto()
    T_REFRACT = auto()
    CROP_X0 = auto()
    CROP_X1 = auto()
    CROP_Y0 = auto()
    CROP_Y1 = auto()
    PRE_X = auto()
    PRE_Y = auto()
    BY_X = auto()
    BY_Y = auto()
    POS_X = auto()
    POS_Y = auto()
    RECTIFY = auto()
    PROCESS = auto()
    ACK = auto()
    FIFO = auto()
    REPEAT = auto()
    REPEAT_DELAY = auto()
    RESETS = auto()
    TIMED = auto()
    PLAIN = auto()
    QUEUE = auto()


class Kind(Columns):
    """Kinds of modules."""

    CONVOLUTION = auto()
    FULLY_CONNECTED = auto()
    FLATTEN = auto()
    SOFTMAX = auto()


class At(Columns):
    """Columns of the table of ports; what they mean depends on the kind of the module.

    ``COLUMNS`` and ``ROWS`` are those of the kernel, of the matrix or of the map. ``START`` is
    where the kernel begins, where the matrix's rows begin in the table of rows, or how many cells
    lie in ports before a flattening one's.
    """

    COLUMNS = auto()
    ROWS = auto()
    DX = auto()
    DY = auto()
    START = auto()


class Event(Columns):
    """Columns of the log of events, and of the stimuli."""

    TIME = auto()
    NODE = auto()
    X = auto()
    Y = auto()
    SIGN = auto()
    REQUEST = auto()
    ACKNOWLEDGE = auto()


class Clock(Columns):
    """Places in the state of a run."""

    NOW = auto()
    STIMULUS = auto()
    HEAD = auto()
    TAIL = auto()
    WAITING = auto()
    SENT = auto()
    SYNAPTIC = auto()
    WHERE = auto()
    X = auto()
    Y = auto()


class Status(Columns):
    """Why a run paused."""

    DONE = auto()
    FULL = auto()
    TOO_MANY = auto()
    OVERFLOW = auto()
    NO_RESET = auto()
    ADDRESS = auto()
    TOO_LATE = auto()
