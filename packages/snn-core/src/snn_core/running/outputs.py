"""Outputs that mean less than they seem to: untold values, and numbers that became infinite."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np

from snn_core.errors import SNNWarning, warn
from snn_core.ir import Network
from snn_core.running.result import RunResult


class OutputWarning(SNNWarning):
    """Outputs of the spiking network cannot be those of the analog one."""


@contextmanager
def noted_overflow() -> Iterator[set[str]]:
    """Note what NumPy says of infinite numbers, instead of showing it with a place in our code."""
    noted: set[str] = set()

    def note(what: str, _flags: int) -> None:
        noted.add(what)

    with np.errstate(over="call", invalid="call", call=note):
        yield noted


def warn_of_outputs(result: RunResult, network: Network, overflow: Collection[str]) -> None:
    """Warn if outputs cannot be what they stand for.

    Parameters
    ----------
    result
        Outputs of the spiking and of the analog network.
    network
        Tells how outputs are read.
    overflow
        What `noted_overflow` has noted.
    """
    negative = int((result.ann_output_b_o < 0).sum())
    if result.task == "regression" and network.readout == "counts" and negative:
        warn(
            f"{negative} of {result.ann_output_b_o.size} outputs of the analog network are "
            f"negative, which numbers of spikes cannot be; convert with readout = 'membrane'.",
            OutputWarning,
        )
    lost = int((~np.isfinite(result.output_b_o)).sum())
    if lost or overflow:
        found = f"{lost} of {result.output_b_o.size} outputs of" if lost else "Numbers in"
        warn(
            f"{found} the spiking network became infinite, or no numbers, while simulating. The "
            f"samples are far outside what it was converted for, or its weights are too large.",
            OutputWarning,
        )
