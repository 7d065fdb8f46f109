"""What a spiking network did with the samples of a trial, by the measure of its task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from snn_core.data.events import CellEvents
from snn_core.ir import Network
from snn_core.recording.recording import Recording
from snn_core.settings import Settings
from snn_core.simulation.scoring import Reading, decide
from snn_core.simulation.statistics import r_squared, wilson_interval
from snn_core.simulation.tasks import Classification, Regression, Task, boundary
from snn_core.typing import Array, Float, Float32, Int

LIMIT = 0.9
"""Share of equal decisions below which a network is not what was wanted."""
OUTPUT_LIMIT = 0.1
"""Mean error of outputs that are no decisions, as a share of their mean size, above which a network
is not what was wanted."""
MSE_LIMIT = 0.1
"""Growth of the mean squared error, as a share of the targets' variance or of the error itself, if
that is larger, above which a network is not what was wanted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """The samples of a trial, with what the analog network makes of them.

    Parameters
    ----------
    x_b_l
        The samples.
    analog_b_c
        Outputs of the analog network, in the units of the source.
    task
        What the outputs stand for; ``None`` if they cannot be read so, or are an image of scores.
    truth
        What is right, as `Task.truth` returns it.
    events_b
        The events behind each sample, for the encoding ``events``.
    """

    x_b_l: Float32[Array, "b *l"]
    analog_b_c: Float[Array, "b c"]
    task: Task | None
    truth: Array | None = None
    events_b: Sequence[CellEvents] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x_b_l)

    def at(self, picked: Int[Array, "p"]) -> Samples:
        """Return the samples at some positions."""
        return replace(
            self,
            x_b_l=self.x_b_l[picked],
            analog_b_c=self.analog_b_c[picked],
            truth=None if self.truth is None else self.truth[picked],
            events_b=None if self.events_b is None else [self.events_b[b] for b in picked],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How a spiking network compares with the analog one, and both with what is right.

    Parameters
    ----------
    samples
        Number of samples.
    decisions
        Number of decisions: one for each sample, or for each of its labels; 0 if outputs decide
        nothing.
    agreeing
        Decisions that are those of the analog network; ``None`` if there are none.
    right, analog_right
        Right decisions of the spiking and of the analog network; ``None`` without labels.
    mse, analog_mse
        Mean squared error of both; ``None`` unless numbers are to be compared with targets.
    r2, analog_r2
        Coefficient of determination of both; ``None`` also where targets never change.
    """

    samples: int = 0
    decisions: int = 0
    agreeing: int | None = None
    right: int | None = None
    analog_right: int | None = None
    mse: float | None = None
    analog_mse: float | None = None
    r2: float | None = None
    analog_r2: float | None = None

    @property
    def unit(self) -> str:
        """What is decided."""
        return "decisions" if self.decisions <= self.samples else "labels"

    @property
    def agreement(self) -> float:
        """Share of equal decisions."""
        return (self.agreeing or 0) / max(self.decisions, 1)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of equal decisions among all samples there might be.

        The labels of a sample depend on each other, so that samples count, not labels.
        """
        low, high = wilson_interval(self.agreement, self.samples)
        return float(low), float(high)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What a network did in a simulation.

    Parameters
    ----------
    settings
        Settings of the simulation.
    recording
        What was recorded.
    result
        How it compares with the analog network.
    output_error
        Mean difference from the analog outputs, as a share of their mean size; ``None`` where
        outputs cannot be compared, those of a softmax that draws its spikes.
    class_b
        Decided classes, -1 where the output is silent; ``None`` unless the task has classes.
    """

    settings: Settings
    recording: Recording
    result: Result
    output_error: float | None
    class_b: Int[Array, "b"] | None = None

    @property
    def is_good(self) -> bool:
        """Whether the spiking network does what the analog one does."""
        found = self.result
        if found.agreeing is not None:
            return found.agreement >= LIMIT
        if found.r2 is not None and found.analog_r2 is not None:
            # Shares of the variance: 1 - R² is the mean squared error.
            return found.analog_r2 - found.r2 <= MSE_LIMIT * max(1, 1 - found.analog_r2)
        return self.output_error is None or self.output_error <= OUTPUT_LIMIT

    @property
    def is_bad(self) -> bool:
        """Whether it does not, and there are enough samples to tell."""
        is_sure = self.result.agreeing is None or self.result.interval[1] < LIMIT
        return is_sure and not self.is_good

    def __str__(self) -> str:
        """Return what agrees."""
        return in_words(self.result, self.output_error)


def in_words(result: Result, output_error: float | None) -> str:
    """Return how much of a simulation agrees with the analog network."""
    if result.agreeing is not None:
        text = f"{result.agreeing} of {result.decisions} {result.unit} as the analog network"
        if result.agreement < LIMIT:
            low, high = result.interval
            text += f", which stands for {low:.0%} to {high:.0%} of all"
        return text
    if output_error is None:
        return "outputs cannot be compared with those of the analog network"
    return f"outputs {output_error:.1%} off those of the analog network"


def truth_in_words(result: Result) -> str:
    """Return how right both networks are; empty if that is not known."""
    if result.right is not None:
        text = f"{result.right} of {result.decisions} right"
        same = result.right == result.analog_right
        return text if same else f"{text} (analog network: {result.analog_right})"
    if result.mse is None:
        return ""
    text = f"MSE {result.mse:.3g} (analog network: {result.analog_mse:.3g})"
    if result.r2 is None:
        return text
    return f"{text}, R² {result.r2:.3f} (analog network: {result.analog_r2:.3f})"


def decide_analog(task: Task | None, network: Network, analog_b_c: Array) -> Array | None:
    """Return the decisions of an analog network, ``None`` if its outputs decide nothing.

    Parameters
    ----------
    network
        Whose outputs these are, in the units of the source.

    Returns
    -------
    Classes, shape ``(b,)``; or whether each output says yes, shape ``(b, c)``.
    """
    if task is None or isinstance(task, Regression):
        return None
    if isinstance(task, Classification):
        classes_b: Array = analog_b_c.argmax(axis=1)
        return classes_b
    above_b_c: Array = analog_b_c > boundary(network)
    return above_b_c


def decide_spiking(task: Task, reading: Reading) -> Array:
    """Return the decisions at the end of a simulation, as `decide_analog` does; -1 if silent."""
    if isinstance(task, Classification):
        return decide(reading.scores_b_o_t[..., -1:])[:, 0]
    above_b_c: Array = reading.is_above_b_o_t[..., -1]
    return above_b_c


def compare(reading: Reading, samples: Samples) -> Result:
    """Compare what can be read off a simulation with the analog network and what is right."""
    nothing, task, truth = Result(samples=len(samples)), samples.task, samples.truth
    if task is None:
        return nothing
    analog = decide_analog(task, reading.network, samples.analog_b_c)
    if analog is None:
        return nothing if truth is None else _compare_numbers(reading.final_b_o, samples, truth)
    found = decide_spiking(task, reading)
    result = replace(nothing, decisions=found.size, agreeing=int((found == analog).sum()))
    if truth is None:
        return result
    truth = truth.reshape(found.shape)
    return replace(
        result, right=int((found == truth).sum()), analog_right=int((analog == truth).sum())
    )


def _compare_numbers(found_b_o: Array, samples: Samples, truth_b_o: Array) -> Result:
    """Return the errors of numbers."""
    r2, analog_r2 = r_squared(found_b_o, truth_b_o), r_squared(samples.analog_b_c, truth_b_o)
    is_known = math.isfinite(analog_r2)
    return Result(
        samples=len(samples),
        mse=float(np.square(found_b_o - truth_b_o).mean()),
        analog_mse=float(np.square(samples.analog_b_c - truth_b_o).mean()),
        r2=r2 if is_known else None,
        analog_r2=analog_r2 if is_known else None,
    )
