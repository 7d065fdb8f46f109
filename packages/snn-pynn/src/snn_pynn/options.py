"""Options of the simulators behind PyNN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from snn_core.ir.timing import delay_in_steps
from snn_core.settings import MOST_THREADS, Options

CellName = Literal[
    "exact", "IF_curr_delta", "IF_curr_exp", "IF_curr_alpha", "IF_cond_exp", "IF_cond_alpha"
]


class PyNNOptions(Options):
    """Options of all simulators behind PyNN."""

    cell: CellName = Field(
        "exact", description="neurons: `exact` integrates and fires without leak, spike for spike "
        "as the reference does; the others are PyNN's standard cells, which reset to `v_reset` and "
        "come close to the reference",
    )  # fmt: skip
    delay: float = Field(
        0.0, ge=0, description="time in ms from a spike to its effect on the next layer, a "
        "multiple of the step; 0 is the shortest, one step. Skips over several layers wait",
    )  # fmt: skip
    cm: float = Field(1.0, gt=0, description="capacity of standard cells in nF")
    tau_syn_E: float = Field(  # noqa: N815 - PyNN's name
        0.01, gt=0, description="time constant in ms of standard cells' excitatory synapses"
    )
    tau_syn_I: float = Field(  # noqa: N815 - PyNN's name
        0.01, gt=0, description="time constant in ms of standard cells' inhibitory synapses"
    )
    e_rev_E: float = Field(  # noqa: N815 - PyNN's name
        1000.0, description="reversal potential in mV of excitatory conductances; the further from "
        "the threshold, the less a spike's effect depends on the potential",
    )  # fmt: skip
    e_rev_I: float = Field(  # noqa: N815 - PyNN's name
        -1000.0, description="reversal potential in mV of inhibitory conductances"
    )
    v_rest: float = Field(0.0, description="potential in mV to which standard cells leak")
    v_reset: float = Field(0.0, description="potential in mV of standard cells after a spike")
    memory_limit_mb: float = Field(
        4000.0, gt=0, description="a network for which the simulator needs more memory is refused"
    )

    @property
    def is_exact(self) -> bool:
        """Whether the neurons spike as those of the reference."""
        return self.cell == "exact"

    def delay_steps(self, dt: float, *, name: str) -> int:
        """Return the delay in steps of ``dt`` ms.

        Raises
        ------
        SettingsError
            If it is no whole number of steps.
        """
        return max(1, delay_in_steps(self.delay, dt, option=f"{name}.delay"))


class NestOptions(PyNNOptions):
    """Options of NEST."""

    threads: int = Field(
        0, ge=0, le=MOST_THREADS, description="threads that NEST uses; 0 takes one for every "
        "hundred thousand synapses, as far as there are processors. With other numbers, sums that "
        "round may do so differently",
    )  # fmt: skip


class NeuronOptions(PyNNOptions):
    """Options of NEURON."""

    # PyNN has no IF_curr_delta on NEURON.
    cell: Literal["exact", "IF_curr_exp", "IF_curr_alpha", "IF_cond_exp", "IF_cond_alpha"] = Field(
        "exact", description="neurons; as for the other simulators"
    )
    cache_dir: str = Field(
        "", description="folder for compiled cells; empty: `snn-pynn` in the user's cache folder"
    )

    def cache_folder(self) -> Path:
        """Return the folder for compiled cells."""
        if self.cache_dir:
            return Path(self.cache_dir).expanduser().absolute()
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser() / "snn-pynn"


class Brian2Options(PyNNOptions):
    """Options of Brian2."""

    copies: int = Field(
        0, ge=0, description="copies of the network that Brian2 simulates side by side, one sample "
        "each; 0 chooses by the size of the network",
    )  # fmt: skip
