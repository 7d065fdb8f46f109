"""Reading of files that may be damaged or hostile: one boundary, one budget, checked containers.

Every reader of models, data, settings and results is built from these parts: `while_reading` turns
whatever goes wrong into an error that names the file, `spend` counts what a file takes in memory
before it is unpacked, and zip archives, arrays, JSON and HDF5 files are read here alone.
"""

from snn_core.errors import printable
from snn_core.reading.archives import (
    ArchivedArrays,
    describe_npy,
    open_archive,
    read_member,
    read_npy,
    read_npy_member,
    read_npz,
)
from snn_core.reading.boundary import limit_memory, while_reading
from snn_core.reading.budget import (
    LIMIT_VARIABLE,
    MOST_AXES,
    count_values,
    memory_limit,
    spend,
)
from snn_core.reading.states import FileStates
from snn_core.reading.texts import (
    MAX_TEXT_BYTES,
    parse_json,
    printable_tree,
    read_json,
    require_few_values,
)

__all__ = [
    "ArchivedArrays",
    "FileStates",
    "LIMIT_VARIABLE",
    "MAX_TEXT_BYTES",
    "MOST_AXES",
    "count_values",
    "describe_npy",
    "limit_memory",
    "memory_limit",
    "open_archive",
    "parse_json",
    "printable",
    "printable_tree",
    "read_json",
    "read_member",
    "read_npy",
    "read_npy_member",
    "read_npz",
    "require_few_values",
    "spend",
    "while_reading",
]
