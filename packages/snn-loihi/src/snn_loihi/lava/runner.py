"""A network on lava: started once, fed with many samples, and always stopped."""

from __future__ import annotations

import atexit
import contextlib
import logging
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Collection
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import SimulationError
from snn_core.installing import how_to_install
from snn_core.ir.timing import Timing
from snn_core.typing import Array
from snn_loihi.discretize.population import ChipNetwork, Population
from snn_loihi.emulator import Trace
from snn_loihi.lava.guard import end, guarded

logger = logging.getLogger(__name__)

POLL_S = 0.001
"""How often is asked whether a run is over."""

NEVER = 1 << 40
"""Threshold that no membrane reaches."""


class LavaNetwork:
    """Processes of a network.

    Parameters
    ----------
    chip
        The network.
    timing
        First step of each population, and delays.
    target
        ``"loihi1"`` or ``"loihi2"``, for lava's run configuration.
    membranes
        Names of the populations whose membranes are wanted.

    Raises
    ------
    SimulationError
        If lava cannot be imported.
    """

    def __init__(
        self, chip: ChipNetwork, timing: Timing, *, target: str, membranes: Collection[str]
    ) -> None:
        self._chip, self._timing, self._target = chip, timing, target
        self._membranes = frozenset(membranes)
        self._is_fixed = all(item.is_fixed for item in chip.populations)
        self._run = 0
        self._folder = tempfile.mkdtemp(prefix="snn-loihi-")
        self._state = _State(self._folder)
        self._closing = weakref.finalize(self, _close, self._state)
        with contextlib.ExitStack() as stack:
            stack.callback(self.stop)
            self._build()
            stack.pop_all()
        # After lava's import, to be called before multiprocessing, which waits for its processes.
        atexit.register(self._closing)

    # Building.

    def _build(self) -> None:
        try:
            from snn_loihi.lava import connections, processes
        except (ImportError, RuntimeError) as error:
            # The extra installs nothing on other Pythons.
            fits = sys.version_info < (3, 11)
            install = f" {how_to_install('snn-loihi', extra='lava')}" if fits else ""
            raise SimulationError(
                f"lava cannot be imported: {error}. It needs Python 3.10; without it, set "
                f"loihi.engine = 'emulator'.{install}"
            ) from error
        self._made: dict[str, Any] = {}
        for number, item in enumerate(self._chip.populations):
            kind = processes.SoftReset if self._chip.reset == "soft" else processes.HardReset
            self._made[item.name] = self._neurons(kind, item, number)
        name = self._chip.network.input.name
        if any(name in c.sources for item in self._chip.populations for c in item.connections):
            shape = (int(np.prod(self._chip.network.input.output_shape)),)
            self._made[name] = processes.Source(
                shape=shape, tail=self._timing.output_delay, folder=self._folder
            )
        for item in self._chip.populations:
            for connection in item.connections:
                connections.connect(
                    connection,
                    self._made,
                    delay=partial(self._timing.delay, target=item.name),
                    is_fixed=self._is_fixed,
                    counts={name},
                )
        self._state.processes = list(self._made.values())

    def _neurons(self, kind: Any, item: Population, number: int) -> Any:
        shape = item.layer.output_shape
        dtype = np.int64 if self._is_fixed else np.float64
        never = NEVER if self._is_fixed else np.inf
        threshold = (
            np.broadcast_to(item.threshold_c, shape) if item.fires else np.full(shape, never)
        )
        return kind(
            shape=(int(np.prod(shape)),),
            threshold=threshold.reshape(-1).astype(dtype),
            start=np.broadcast_to(item.start_c, shape).reshape(-1).astype(dtype),
            bias=item.bias_l.reshape(-1).astype(dtype),
            first_step=self._timing.first_step[item.name],
            num_steps=self._chip.num_steps,
            tail=self._timing.output_delay,
            folder=self._folder,
            number=number,
        )

    # Running.

    def run(
        self,
        x_b_l: Array | None,
        spikes_b_t_l: Array | None,
        *,
        checkpoint: Callable[[], None],
    ) -> dict[str, Trace]:
        """Run some samples, one after the other, in a single run of lava.

        Parameters
        ----------
        x_b_l
            Constant input of a step, if the input is a current.
        spikes_b_t_l
            Input spikes otherwise.
        checkpoint
            Called while the run goes on; what it raises ends the run.

        Raises
        ------
        SimulationError
            If a process fails; all processes are ended then.
        """
        samples = len(x_b_l if x_b_l is not None else spikes_b_t_l)  # type: ignore[arg-type]
        self._write(samples, x_b_l, spikes_b_t_l)
        steps = samples * self._chip.num_steps + self._timing.output_delay
        with contextlib.ExitStack() as stack:
            stack.callback(self.stop)  # unless the run ends well
            try:
                self._go(steps, checkpoint)
            except (RuntimeError, OSError, EOFError, AttributeError) as error:
                raise SimulationError(
                    f"A process of lava failed ({error}); its output above says why."
                ) from error
            stack.pop_all()
        found = self._read(samples)
        self._run += 1
        return found

    def _go(self, steps: int, checkpoint: Callable[[], None]) -> None:
        from lava.magma.core.run_conditions import RunSteps
        from lava.magma.core.run_configs import Loihi1SimCfg, Loihi2SimCfg

        first = self._made[self._chip.populations[0].name]
        if not self._state.is_started:
            kind = Loihi1SimCfg if self._target == "loihi1" else Loihi2SimCfg
            config = kind(select_tag="fixed_pt" if self._is_fixed else "floating_pt")
            with guarded(self._folder) as children:
                self._state.children = children
                first.create_runtime(run_cfg=config)
            self._state.actors = list(first.runtime._messaging_infrastructure.actors)
            self._state.is_started = True
        first.run(condition=RunSteps(num_steps=steps, blocking=False))
        self._wait(first, checkpoint)

    def _wait(self, first: Any, checkpoint: Callable[[], None]) -> None:
        """Wait until the run is over; lava would wait for processes that are dead, too."""
        runtime, actors = first.runtime, self._state.actors
        while not all(port.probe() for port in runtime.service_to_runtime):
            if not all(actor.is_alive() for actor in actors):
                raise RuntimeError("it ended amid the run")
            checkpoint()
            time.sleep(POLL_S)
        first.wait()

    def _write(self, samples: int, x_b_l: Array | None, spikes_b_t_l: Array | None) -> None:
        """Write the input of a run, and empty files for what comes out."""
        from snn_loihi.lava.processes import files_of, input_file

        steps, dtype = self._chip.num_steps, np.int64 if self._is_fixed else np.float64
        if spikes_b_t_l is not None:
            rows = spikes_b_t_l.reshape(samples * steps, -1)
            kind = np.int32 if self._is_fixed else np.float64
            np.save(input_file(self._folder, self._run), rows.astype(kind))
        for number, item in enumerate(self._chip.populations):
            files = files_of(self._folder, self._run, number)
            shape = (samples, steps, int(np.prod(item.layer.output_shape)))
            np.save(files["spikes"], np.zeros(shape, bool))
            if item.name in self._membranes:
                np.save(files["membrane"], np.zeros(shape, dtype))
            if item.current is not None and x_b_l is not None:
                current = item.current_b_l(x_b_l).reshape(samples, -1)
                np.save(files["current"], current.astype(dtype))

    def _read(self, samples: int) -> dict[str, Trace]:
        """Return what all populations did, and remove the files of the run."""
        from snn_loihi.lava.processes import files_of

        found = {}
        for number, item in enumerate(self._chip.populations):
            files = files_of(self._folder, self._run, number)
            shape = (samples, self._chip.num_steps, *item.layer.output_shape)
            spikes = np.load(files["spikes"]).reshape(shape).astype(np.int8)
            membrane = None
            if item.name in self._membranes:
                membrane = np.load(files["membrane"]).reshape(shape)
            found[item.name] = Trace(spikes_b_t_l=spikes, membrane_b_t_l=membrane)
        for path in Path(self._folder).glob(f"*-{self._run}*.npy"):
            path.unlink()
        return found

    def stop(self) -> None:
        """End all processes and remove all files; it may be called repeatedly."""
        atexit.unregister(self._closing)
        self._closing()


class _State:
    """What has to be ended, apart from the network itself, so that it can be forgotten."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.processes: list[Any] = []
        self.children: list[BaseProcess] = []
        self.actors: list[BaseProcess] = []
        self.is_started = False


def _close(state: _State) -> None:
    """End the processes, whatever state they are in, and remove the files.

    lava asks processes to stop and waits for answers, which never come from processes that are
    amid a run or dead. They hold nothing that is needed any more, so they are killed; only the
    server of shared memory is asked.
    """
    runtime = next((item.runtime for item in state.processes if item.runtime is not None), None)
    if runtime is not None:
        infrastructure = runtime._messaging_infrastructure
        actors = [] if infrastructure is None else list(infrastructure.actors)
        end(actors)
        runtime._is_started = runtime._is_running = False
        for step in (
            runtime.join,
            infrastructure and infrastructure.stop,
            runtime._watchdog_manager.stop,
        ):
            # Each of them may fail because a process is gone, which is what it is for.
            with contextlib.suppress(Exception):
                step()
    end(state.children)
    shutil.rmtree(state.folder, ignore_errors=True)
    state.processes, state.children = [], []
