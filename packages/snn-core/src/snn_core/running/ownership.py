"""One run at a time works in a result folder, and in that folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from snn_core.errors import ArtifactError
from snn_core.files import make_folder, require_unlinked
from snn_core.files.locking import LockedError, locked, require_unlocked

LOCK = ".run.lock"
"""File that the process which works in the folder keeps locked; a killed one leaves it behind."""


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Work in the folder of a run during the block, as the only one; it is made if there is none.

    Whoever writes or removes anything in the folder of a run does so in such a block. Others may
    read meanwhile. Nothing is left of a folder that is empty in the end.

    Raises
    ------
    DataError
        If the folder cannot be made, or its batches lie elsewhere.
    ArtifactError
        If another run works in it.
    """
    if not folder.exists():
        make_folder(folder)
    try:
        with _explain_lock(folder), locked(folder / LOCK):
            require_unlinked(folder / "batches", within=folder)
            yield
    finally:
        with suppress(OSError):  # it is not empty, for example
            folder.rmdir()


def require_free(folder: Path) -> None:
    """Make sure that a folder can be `owned`, without making anything.

    Raises
    ------
    SNNError
        As `owned` does.
    """
    with _explain_lock(folder):
        require_unlocked(folder / LOCK)
    require_unlinked(folder / "batches", within=folder)


@contextmanager
def _explain_lock(folder: Path) -> Iterator[None]:
    try:
        yield
    except LockedError as error:
        raise ArtifactError(
            f"Another run works in {folder}: {error} Wait until it has ended, or choose another "
            f"folder."
        ) from error
