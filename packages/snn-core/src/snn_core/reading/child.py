"""A try in a process of its own, for libraries that damaged files make hang or crash."""

from __future__ import annotations

import faulthandler
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

from snn_core.reading.budget import BudgetExceededError, bytes_left, describe_rest

_LACKS_MEMORY = 3
"""Exit status of a try that needs more memory than it may take."""

_LIBRARY_BYTES = 2**26
"""What Python and a library may take for themselves besides what a file holds."""


def end_in_child(work: Callable[[], object], *, limit_s: int) -> None:
    """Make sure that some work comes to an end, by doing it in a copy of this process first.

    Whether it fails there does not matter, as it will again; only what cannot be caught does, and
    a lack of memory: on Linux the copy may take what is left of the budget and no more. The copy
    is made by ``fork``, which costs milliseconds; where a system has none, as Windows, nothing is
    tried.

    Parameters
    ----------
    work
        Needs nothing but memory and files; raises a `MemoryError` if it lacks memory.
    limit_s
        Seconds of the processor that it may take.

    Raises
    ------
    ValueError
        If it crashes or takes longer.
    BudgetExceededError
        If it takes more memory than the file may.
    """
    if not hasattr(os, "fork"):
        return
    with warnings.catch_warnings():
        # The copy has one thread, runs the work alone and touches no lock of others.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _work_and_exit(work, limit_s)
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:  # Ctrl-C, for one
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in (signal.SIGALRM, signal.SIGXCPU):
            raise ValueError(
                f"the library that reads it did not end within {limit_s} s of the processor"
            )
        name = signal.Signals(number).name
        raise ValueError(f"the library that reads it crashes ({name})")
    if os.WEXITSTATUS(status) == _LACKS_MEMORY:
        raise BudgetExceededError(
            f"its texts are damaged or would take too much memory; {describe_rest()}"
        )


_WAITS = 12
"""How much longer than its processor time the work may take, where others use the processor."""


def _limit_processor_time(limit_s: int) -> None:
    import resource  # which Windows lacks, as it lacks fork

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + limit_s
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _limit_memory(size: int) -> None:
    """Let this process take some bytes more than it has, where the system tells what it has.

    Counted is what can be written to. Address space would not do: libraries reserve much more
    than they use, TensorFlow for one.
    """
    import resource

    statm = Path("/proc/self/statm")
    if not statm.exists():  # not Linux
        return
    taken = int(statm.read_text().split()[5]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = taken + size + _LIBRARY_BYTES
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _work_and_exit(work: Callable[[], object], limit_s: int) -> None:
    status = 0
    try:
        faulthandler.disable()  # a crash is told by the caller
        for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        # Both end the process, whatever it is busy with. On a busy machine it waits for others.
        _limit_processor_time(limit_s)
        signal.alarm(_WAITS * limit_s)
        _limit_memory(bytes_left())
        work()
    except MemoryError:
        status = _LACKS_MEMORY
    except BaseException:  # noqa: BLE001, S110 - nothing may get back to the caller's code
        pass
    finally:
        os._exit(status)
