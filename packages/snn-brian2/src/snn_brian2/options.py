"""Options of the simulator on Brian2."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from snn_core.errors import SettingsError
from snn_core.ir.timing import delay_in_steps

TARGETS = ("auto", "numpy", "cython", "cpp_standalone")


@dataclass(frozen=True, kw_only=True)
class Brian2Options:
    """Options of Brian2; none of them changes spikes.

    Parameters
    ----------
    target
        Brian2's runtime target: ``"numpy"`` needs no compiler, ``"cython"`` compiles each part of
        the network, ``"cpp_standalone"`` a program that simulates it; ``"auto"`` chooses between
        the first and the last by the size of the network and the number of samples.
    copies
        Copies of the network that Brian2 simulates side by side, one sample each; 0 chooses by the
        size of the network. Further samples of a batch follow one another in the same run.
    delay
        Time in ms from a spike to its effect on the next layer, a multiple of the step; skips over
        several layers wait. 0 lets spikes pass through the whole network in the step in which they
        occur.
    cache_dir
        Folder for compiled code; empty: ``snn-brian2`` in the user's cache folder.
    memory_limit_mb
        A network for which Brian2 needs more memory than this is refused.

    Raises
    ------
    SettingsError
        For an impossible value.
    """

    target: str = "auto"
    copies: int = 0
    delay: float = 0.0
    cache_dir: str = ""
    memory_limit_mb: float = 4000.0

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise SettingsError(
                f"brian2.target is {self.target!r}; expected one of {', '.join(TARGETS)}."
            )
        if not _is_number(self.copies) or self.copies < 0 or self.copies != int(self.copies):
            raise SettingsError(
                f"brian2.copies is {self.copies!r}; expected a whole number of at least 0."
            )
        if not _is_number(self.delay) or self.delay < 0:
            raise SettingsError(f"brian2.delay is {self.delay!r}; expected ms, at least 0.")
        if not _is_number(self.memory_limit_mb) or self.memory_limit_mb <= 0:
            raise SettingsError(
                f"brian2.memory_limit_mb is {self.memory_limit_mb!r}; expected more than 0."
            )
        if not isinstance(self.cache_dir, str):
            raise SettingsError(
                f"brian2.cache_dir is {self.cache_dir!r}; expected the path of a folder."
            )

    def delay_steps(self, dt: float) -> int:
        """Return the delay in steps of ``dt`` ms.

        Raises
        ------
        SettingsError
            If it is no whole number of steps.
        """
        return delay_in_steps(self.delay, dt, option="brian2.delay")

    def cache_folder(self) -> Path:
        """Return the folder for compiled code."""
        if self.cache_dir:
            return Path(self.cache_dir).expanduser().absolute()
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser() / "snn-brian2"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
