"""Options of the simulator on Brian2."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from snn_core.ir.timing import delay_in_steps
from snn_core.settings import Options


class Brian2Options(Options):
    """Options of Brian2; none of them changes spikes."""

    target: Literal["auto", "numpy", "cython", "cpp_standalone"] = Field(
        "auto", description="Brian2's runtime target: `numpy` needs no compiler, `cython` compiles "
        "each part of the network, `cpp_standalone` a program that simulates it; `auto` chooses "
        "between the first and the last by the size of the network and the number of samples",
    )  # fmt: skip
    copies: int = Field(
        0, ge=0, description="copies of the network that Brian2 simulates side by side, one sample "
        "each; 0 chooses by the size of the network. Further samples of a batch follow one another "
        "in the same run",
    )  # fmt: skip
    delay: float = Field(
        0.0, ge=0, description="time in ms from a spike to its effect on the next layer, a "
        "multiple of the step; skips over several layers wait. 0 lets spikes pass through the "
        "whole network in the step in which they occur",
    )  # fmt: skip
    cache_dir: str = Field(
        "", description="folder for compiled code; empty: `snn-brian2` in the user's cache folder"
    )
    memory_limit_mb: float = Field(
        4000.0, gt=0, description="a network for which Brian2 needs more memory is refused"
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
