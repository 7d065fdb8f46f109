"""Recorded variables as results keep them, in memory and in files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from snn_core.recording.spike_trains import CompactSpikes, compact
from snn_core.typing import Array

SPIKETRAINS = "spiketrains/"
"""Beginning of the names of recorded spike trains."""

_PART = "#"
"""In a file, separates the name of spike trains from that of one of their arrays."""


class Log(Mapping[str, Array]):
    """Recorded variables by name, as dense arrays.

    Spike trains are kept as bits or events and made dense on access: shape ``(b, *l, t)``, signed
    numbers of spikes.

    Parameters
    ----------
    entries
        Name to array, or to spikes with the time axis first.
    """

    def __init__(self, entries: Mapping[str, Array | CompactSpikes]) -> None:
        self._entries = entries

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Log:
        """Return variables, all spike trains among them compact."""
        if isinstance(arrays, Log):
            return arrays
        return cls(
            {
                name: compact(np.moveaxis(a, -1, 0)) if name.startswith(SPIKETRAINS) else a
                for name, a in arrays.items()
            }
        )

    def kept(self, name: str) -> Array | CompactSpikes:
        """Return a variable as it is kept."""
        return self._entries[name]

    def arrays(self) -> dict[str, Array]:
        """Return what `from_arrays` takes, for writing to a file."""
        found: dict[str, Array] = {}
        for name, entry in self._entries.items():
            if isinstance(entry, CompactSpikes):
                found |= {f"{name}{_PART}{part}": a for part, a in entry.arrays().items()}
            else:
                found[name] = entry
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Log:
        """Return the variables that `arrays` described.

        Raises
        ------
        ArtifactError
            If the arrays of a spike train do not belong together.
        """
        entries: dict[str, Array | CompactSpikes] = {}
        parts: dict[str, dict[str, Array]] = {}
        for key, array in arrays.items():
            name, mark, part = key.rpartition(_PART)
            if mark and key.startswith(SPIKETRAINS):
                parts.setdefault(name, {})[part] = array
            else:
                entries[key] = array
        spikes = {name: CompactSpikes.from_arrays(found) for name, found in parts.items()}
        return cls({**spikes, **entries})

    def __getitem__(self, name: str) -> Array:
        """Return a variable; the last axis of spike trains is time."""
        entry = self._entries[name]
        return np.moveaxis(entry.dense(), 0, -1) if isinstance(entry, CompactSpikes) else entry

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of variables."""
        return len(self._entries)

    @property
    def nbytes(self) -> int:
        """Size of what is kept."""
        return sum(entry.nbytes for entry in self._entries.values())
