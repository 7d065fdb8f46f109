"""Processes: neurons with soft and hard reset, a source of spikes, and delays.

Each neuron process computes many samples one after the other. It begins `first_step` steps after
the run, and anew after every `num_steps`; at each beginning the membrane is set to its start. What
goes in and out lies in files, one set for each run: lava sends variables number by number, and
waits forever for a process that has died. A run begins when the steps of the one before are over.
"""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from snn_core.typing import Array, Shape


class Neurons(AbstractProcess):
    """Integrate-and-fire neurons.

    Parameters
    ----------
    shape
        Shape of the population.
    threshold, start
        Thresholds and first membranes of all neurons; infinity for none.
    bias
        Constant input per step.
    first_step, num_steps
        When they begin, and for how long they compute each sample.
    tail
        Steps of a run after the last sample's, in which populations behind still compute it.
    folder, number
        Where their files are, and their number among the populations.
    """

    def __init__(
        self,
        *,
        shape: Shape,
        threshold: Array,
        start: Array,
        bias: Array,
        first_step: int,
        num_steps: int,
        tail: int,
        folder: str,
        number: int,
    ) -> None:
        super().__init__(
            shape=shape,
            first_step=first_step,
            num_steps=num_steps,
            tail=tail,
            folder=folder,
            number=number,
        )
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=start)
        self.threshold = Var(shape=shape, init=threshold)
        self.v_start = Var(shape=shape, init=start)
        self.bias = Var(shape=shape, init=bias)


class SoftReset(Neurons):
    """Neurons whose membrane a spike lowers by the threshold."""


class HardReset(Neurons):
    """Neurons whose membrane a spike sets to 0."""


class Source(AbstractProcess):
    """Input spikes from a file, sample after sample.

    Parameters
    ----------
    shape
        Shape of the input.
    tail
        Steps of a run after the last of the file.
    folder
        Where its files are.
    """

    def __init__(self, *, shape: Shape, tail: int, folder: str) -> None:
        super().__init__(shape=shape, tail=tail, folder=folder)
        self.s_out = OutPort(shape=shape)


class Delay(AbstractProcess):
    """Passes spikes on some steps later.

    Parameters
    ----------
    shape
        Shape of what passes.
    steps
        Number of steps, at least 1.
    """

    def __init__(self, *, shape: Shape, steps: int) -> None:
        super().__init__(shape=shape, steps=steps)
        self.s_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.kept = Var(shape=(steps, *shape), init=0)


def files_of(folder: str, run: int, number: int) -> dict[str, Any]:
    """Return the files of a population in a run, by what they hold."""
    return {
        what: f"{folder}/{what}-{run}-{number}.npy" for what in ("spikes", "membrane", "current")
    }


def input_file(folder: str, run: int) -> str:
    """Return the file with the input spikes of a run."""
    return f"{folder}/input-{run}.npy"
