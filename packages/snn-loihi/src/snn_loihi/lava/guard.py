"""Child processes that never outlive their parent, nor leave its files, and don't hear Ctrl-C."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator

INTERVAL_S = 0.5
"""How often a child looks whether its parent is there."""


class _Armed:
    """Whether processes that are forked now are guarded."""

    now = False
    folder = ""


def _in_child() -> None:
    """Watch the parent, in a process that was forked while `guarded`."""
    if not _Armed.now:
        return
    # The parent decides what a Ctrl-C means; children that it ends by halves leave it waiting.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch = threading.Thread(target=_end_with, args=(os.getppid(), _Armed.folder), daemon=True)
    watch.start()


def _end_with(parent: int, folder: str) -> None:
    while os.getppid() == parent:
        time.sleep(INTERVAL_S)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


os.register_at_fork(after_in_child=_in_child)


@contextlib.contextmanager
def guarded(folder: str) -> Iterator[list[multiprocessing.process.BaseProcess]]:
    """Guard every process that is forked inside; afterwards the list holds them.

    Parameters
    ----------
    folder
        Folder that they remove if their parent is gone.
    """
    before = set(multiprocessing.active_children())
    started: list[multiprocessing.process.BaseProcess] = []
    _Armed.now, _Armed.folder = True, folder
    try:
        yield started
    finally:
        _Armed.now = False
        started += set(multiprocessing.active_children()) - before


def end(processes: list[multiprocessing.process.BaseProcess]) -> None:
    """Kill those of some processes that are still there, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(ValueError):  # closed: it has ended
            process.kill()
    for process in processes:
        with contextlib.suppress(ValueError, AssertionError):
            process.join()
