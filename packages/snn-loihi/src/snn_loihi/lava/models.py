"""Models of the processes: integers as on the chip, and their floating-point twins.

Connections are lava's own ``Dense``, ``Sparse`` and ``Conv``, which send in each step what arrived
in the step before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from snn_core.typing import Array
from snn_loihi.lava.processes import Delay, HardReset, SoftReset, Source, files_of, input_file
from snn_loihi.neurons import saturated, wrapped
from snn_loihi.ranges import MSB_SHIFT


class _Neurons(PyLoihiProcessModel):
    """What the models of neurons have in common: their clock and their files."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._first, self._steps = proc_params["first_step"], proc_params["num_steps"]
        self._folder, self._number = proc_params["folder"], proc_params["number"]
        self._tail = proc_params["tail"]
        self._run, self._clock, self._end = -1, 0, 0

    def run_spk(self) -> None:
        """Compute one step."""
        arriving = self.a_in.recv()
        if self._clock == self._end:
            self._open(self._run + 1)
        sample, step = divmod(self._clock - self._first, self._steps)
        self._clock += 1
        if not 0 <= sample < len(self._spikes):
            self.s_out.send(np.zeros(self.v.shape, bool))
            return
        if step == 0:
            self.v[:] = self.v_start
        constant = self.bias if self._current is None else self._current[sample]
        self.v[:] = self.integrated(arriving, constant)
        fired = self.v >= self.threshold
        self.fire(fired)
        self._spikes[sample, step] = fired
        if self._membrane is not None:
            self._membrane[sample, step] = self.v
        self.s_out.send(fired)

    def _open(self, run: int) -> None:
        """Open the files of a run, which starts the clock anew."""
        files = files_of(self._folder, run, self._number)
        self._run, self._clock = run, 0
        self._spikes = np.load(files["spikes"], mmap_mode="r+")
        self._end = len(self._spikes) * self._steps + self._tail
        self._membrane = self._current = None
        if Path(files["membrane"]).exists():
            self._membrane = np.load(files["membrane"], mmap_mode="r+")
        if Path(files["current"]).exists():
            self._current = np.load(files["current"])

    def integrated(self, arriving: Array, constant: Array) -> Array:
        """Return the membranes after the input of a step."""
        raise NotImplementedError

    def fire(self, fired: Array) -> None:
        """Reset the membranes of the neurons that fired."""
        raise NotImplementedError


class _Fixed(_Neurons):
    """Integers: the current wraps around, the membrane saturates."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool, precision=1)
    v: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=24)
    threshold: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=24)
    v_start: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=24)
    bias: np.ndarray = LavaPyType(np.ndarray, np.int64, precision=24)

    def integrated(self, arriving: Array, constant: Array) -> Array:
        """Return the membranes after the input of a step."""
        current = wrapped(np.left_shift(np.asarray(arriving, np.int64), MSB_SHIFT))
        return saturated(self.v + current + constant)


class _Float(_Neurons):
    """Floating point, in the order in which the emulator adds."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, bool, precision=1)
    v: np.ndarray = LavaPyType(np.ndarray, float)
    threshold: np.ndarray = LavaPyType(np.ndarray, float)
    v_start: np.ndarray = LavaPyType(np.ndarray, float)
    bias: np.ndarray = LavaPyType(np.ndarray, float)

    def integrated(self, arriving: Array, constant: Array) -> Array:
        """Return the membranes after the input of a step."""
        found: Array = self.v + arriving + constant
        return found


class _Subtracting(_Neurons):
    def fire(self, fired: Array) -> None:
        """Take the threshold from the membranes of the neurons that fired."""
        self.v[fired] -= self.threshold[fired]


class _Zeroing(_Neurons):
    def fire(self, fired: Array) -> None:
        """Set the membranes of the neurons that fired to 0."""
        self.v[fired] = 0


@implements(proc=SoftReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySoftResetFixed(_Subtracting, _Fixed):
    """Soft reset in integers."""


@implements(proc=SoftReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySoftResetFloat(_Subtracting, _Float):
    """Soft reset in floating point."""


@implements(proc=HardReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyHardResetFixed(_Zeroing, _Fixed):
    """Hard reset in integers."""


@implements(proc=HardReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyHardResetFloat(_Zeroing, _Float):
    """Hard reset in floating point."""


class _Source(PyLoihiProcessModel):
    """Sends what the file of the run holds, then nothing."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._folder, self._shape = proc_params["folder"], proc_params["shape"]
        self._tail = proc_params["tail"]
        self._run, self._clock, self._end = -1, 0, 0

    def run_spk(self) -> None:
        """Send the spikes of one step."""
        if self._clock == self._end:
            self._run, self._clock = self._run + 1, 0
            self._values = np.load(input_file(self._folder, self._run), mmap_mode="r")
            self._end = len(self._values) + self._tail
        if self._clock < len(self._values):
            self.s_out.send(np.array(self._values[self._clock]))
        else:
            self.s_out.send(np.zeros(self._shape, self._values.dtype))
        self._clock += 1


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySourceFixed(_Source):
    """Whole numbers of spikes."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)


@implements(proc=Source, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySourceFloat(_Source):
    """Spikes that carry any value."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=Delay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt")
class PyDelay(PyLoihiProcessModel):
    """Keeps spikes in a ring."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    kept: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._steps, self._clock = proc_params["steps"], 0

    def run_spk(self) -> None:
        """Send the oldest spikes and keep the new ones."""
        place = self._clock % self._steps
        self._clock += 1
        oldest = self.kept[place].copy()
        self.kept[place] = self.s_in.recv()
        self.s_out.send(oldest)
