"""What a file tells of a layer or an operator, and which of it was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

_T = TypeVar("_T")


class Seen(Mapping[str, _T]):
    """Values by name, which remember which of them were looked at.

    Asking whether a name is there, or which there are, looks at no value.
    """

    def __init__(self, values: Mapping[str, _T]) -> None:
        self._values = values
        self._seen: set[str] = set()

    def __getitem__(self, key: str) -> _T:
        self._seen.add(key)
        return self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def unseen(self) -> dict[str, _T]:
        """Return what has not been looked at."""
        return {key: value for key, value in self._values.items() if key not in self._seen}
