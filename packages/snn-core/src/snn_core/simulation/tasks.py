"""Tasks: what the outputs of a network stand for, and how right they are.

A task is named in ``simulation.task``, or found from the outputs and the labels (`find_task`).
Every sample has an error after each step, of the spiking network and of the analog one, and a
deviation of the one from the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snn_core.codes import code_of
from snn_core.data import Dataset
from snn_core.data.truth import are_binary, as_yes_or_no, describe_no_classes
from snn_core.errors import DataError, UnsupportedError, warn
from snn_core.evaluation.forward import top_k_hits
from snn_core.ir import Network, Sigmoid, Softmax
from snn_core.ir.shapes import count
from snn_core.settings import Settings
from snn_core.simulation.scoring import (
    UNDECIDED,
    Reading,
    decide,
    top_k_errors,
    value_problems,
)
from snn_core.typing import Array, Bool, Float32, Int32, Int64


@dataclass(frozen=True, kw_only=True)
class Score:
    """How right a batch is.

    Parameters
    ----------
    error_b_t, ann_error_b
        Error of each sample: 0 or 1 for a decision, the share of wrong labels, or the mean of the
        squared differences from the targets. NaN without labels.
    deviation_b_t
        The same with the analog network in place of the labels.
    decision_b_t, ann_decision_b
        Decided class; `UNDECIDED` while there is none, and where a task has no classes.
    topkerr_b_t, ann_topkerr_b
        Whether the label is not among the k best classes.
    """

    error_b_t: Float32[Array, "b t"]
    ann_error_b: Float32[Array, "b"]
    deviation_b_t: Float32[Array, "b t"]
    decision_b_t: Int32[Array, "b t"]
    ann_decision_b: Int64[Array, "b"]
    topkerr_b_t: Bool[Array, "b t"]
    ann_topkerr_b: Bool[Array, "b"]


class Task(ABC):
    """What the outputs of a network stand for."""

    name: ClassVar[str]
    needs_values: ClassVar[bool] = False
    """Whether it needs more than the order or the sign of the outputs."""

    @abstractmethod
    def truth(self, dataset: Dataset, network: Network) -> Array | None:
        """Return what is right for each sample, ``None`` if the data do not say.

        Raises
        ------
        DataError
            If labels are there and do not fit the task or the network.
        """

    @abstractmethod
    def score(self, reading: Reading, ann_b_o: Array, truth: Array | None, *, k: int) -> Score:
        """Score a batch, given the outputs of the analog network in the units of the source."""

    def problems(self, network: Network, settings: Settings) -> list[str]:
        """Return why the task cannot be read off the output."""
        return value_problems(network, settings) if self.needs_values else []


class Classification(Task):
    """One of several classes: the output with the largest value is the decision."""

    name: ClassVar[str] = "classification"

    def truth(self, dataset: Dataset, network: Network) -> Int64[Array, "b"] | None:
        """Return the class of each sample."""
        if not has_labels(dataset):
            return None
        number = count(network.output.output_shape)
        return _classes(dataset, number=number, outputs=number)

    def score(self, reading: Reading, ann_b_o: Array, truth: Array | None, *, k: int) -> Score:
        """Compare the largest outputs."""
        scores = reading.scores_b_o_t
        decision_b_t, ann_decision_b = decide(scores), ann_b_o.argmax(axis=1)
        if truth is None:
            topkerr_b_t, ann_topkerr_b = (
                np.ones(decision_b_t.shape, bool),
                np.ones(len(scores), bool),
            )
        else:
            topkerr_b_t = top_k_errors(scores, truth, k=k)
            ann_topkerr_b = ~top_k_hits(ann_b_o, truth, k=k)
        return _score_decisions(
            decision_b_t, ann_decision_b, truth, topkerr=(topkerr_b_t, ann_topkerr_b)
        )


class Binary(Task):
    """Yes or no from a single output: class 1 above one half of a sigmoid, or above 0."""

    name: ClassVar[str] = "binary"

    def truth(self, dataset: Dataset, network: Network) -> Int64[Array, "b"] | None:
        """Return 0 or 1 for each sample; labels may also be -1 and 1."""
        if count(network.output.output_shape) != 1:
            raise DataError(
                f"The task 'binary' needs one output; the network has "
                f"{count(network.output.output_shape)}: choose 'classification' or 'multilabel'."
            )
        signs = as_yes_or_no(dataset.targets_b_o)
        if dataset.labels_b is None and signs is not None:
            return signs
        return _classes(dataset, number=2) if has_labels(dataset) else None

    def problems(self, network: Network, settings: Settings) -> list[str]:
        """Return why the sign of the output cannot be read."""
        return _sign_problems(network, settings)

    def score(self, reading: Reading, ann_b_o: Array, truth: Array | None, *, k: int) -> Score:
        """Compare which side of the boundary the outputs are on."""
        decision_b_t = reading.is_above_b_o_t[:, 0].astype(np.int32)
        ann_decision_b = (ann_b_o[:, 0] > boundary(reading.network)).astype(np.int64)
        return _score_decisions(decision_b_t, ann_decision_b, truth)


class Multilabel(Task):
    """Yes or no from each of several outputs, any number of which may be right."""

    name: ClassVar[str] = "multilabel"

    def truth(self, dataset: Dataset, network: Network) -> Float32[Array, "b o"] | None:
        """Return 0 or 1 for each output of each sample."""
        targets = _targets(dataset, network)
        if targets is not None and not are_binary(targets):
            raise DataError(
                f"{dataset.name} has labels other than 0 and 1; the task 'multilabel' expects a 1 "
                f"for each label that a sample has. Choose another task (--task, simulation.task)."
            )
        return targets

    def problems(self, network: Network, settings: Settings) -> list[str]:
        """Return why the signs of the outputs cannot be read."""
        return _sign_problems(network, settings)

    def score(self, reading: Reading, ann_b_o: Array, truth: Array | None, *, k: int) -> Score:
        """Return the shares of labels that are wrong."""
        found_b_o_t = reading.is_above_b_o_t.astype(np.float32)
        ann_b_o = (ann_b_o > boundary(reading.network)).astype(np.float32)
        return _score_values(_share_of_others, found_b_o_t, ann_b_o, truth)


class Regression(Task):
    """Numbers, to be compared with numbers."""

    name: ClassVar[str] = "regression"
    needs_values: ClassVar[bool] = True

    def truth(self, dataset: Dataset, network: Network) -> Float32[Array, "b o"] | None:
        """Return the targets of each sample."""
        return _targets(dataset, network)

    def score(self, reading: Reading, ann_b_o: Array, truth: Array | None, *, k: int) -> Score:
        """Return squared differences, averaged over the outputs of a sample."""
        return _score_values(_mean_square, reading.values_b_o_t, ann_b_o, truth)


TASKS: Mapping[str, Task] = {
    task.name: task for task in (Classification(), Binary(), Multilabel(), Regression())
}
"""The tasks by name."""


def find_task(network: Network, dataset: Dataset, settings: Settings) -> Task:
    """Return the task that the settings name, or that outputs and labels stand for.

    ``auto`` finds

    - for one output: ``binary`` if the labels are 0 and 1 and it is a sigmoid or they are integers;
      ``regression`` otherwise;
    - for several: ``classification`` if labels are class numbers or one-hot rows, ``multilabel`` if
      they are other rows of 0 and 1, ``regression`` if they are other numbers;
    - without labels: what the activation of the output is made for, ``regression`` for one linear
      output and ``classification`` for several.

    Raises
    ------
    UnsupportedError
        If the outputs cannot be read as the task needs it.
    DataError
        If the labels do not fit.
    """
    task = check_labels(network, dataset, settings)
    problems = task.problems(network, settings)
    if problems:
        raise UnsupportedError(
            problems, what=f"The outputs cannot be read as {task.name!r} needs it"
        )
    return task


def check_labels(network: Network, dataset: Dataset, settings: Settings) -> Task:
    """Return the task as `find_task` does, whether or not the outputs can be read for it.

    Raises
    ------
    DataError
        If the labels do not fit.
    """
    name = settings.simulation.task
    task = TASKS[_guess(network, dataset) if name == "auto" else name]
    task.truth(dataset, network)
    if name == "auto" and task.name == "regression":
        _warn_of_two_values(network, dataset)
    return task


def _warn_of_two_values(network: Network, dataset: Dataset) -> None:
    """Warn if numbers for a single output are likely to mean yes and no."""
    targets_b_o = dataset.targets_b_o
    if targets_b_o is None or count(network.output.output_shape) != 1:
        return
    values = np.unique(targets_b_o).tolist()
    if values in ([0, 1], [-1, 1]):
        warn(
            f"{dataset.name}: labels have the two values {values[0]:g} and {values[1]:g}, and are "
            f"taken as numbers that the output should reach (regression). If they mean no and yes, "
            f"choose the task: --task binary, simulation.task = 'binary'."
        )


def _guess(network: Network, dataset: Dataset) -> str:
    number = count(network.output.output_shape)
    activation = getattr(network.output, "activation", None)
    is_sigmoid, is_single = isinstance(activation, Sigmoid), number == 1
    labels_b, targets_b_o = dataset.labels_b, dataset.targets_b_o
    if not has_labels(dataset):
        if isinstance(activation, Softmax) or not (is_sigmoid or is_single):
            return "classification"
        return "regression" if not is_sigmoid else "binary" if is_single else "multilabel"
    if is_single:
        return _guess_of_one(labels_b, targets_b_o, is_sigmoid=is_sigmoid)
    if labels_b is not None or targets_b_o is None or targets_b_o.shape[1] == 1:
        return "classification"
    return "multilabel" if are_binary(targets_b_o) else "regression"


def _guess_of_one(labels_b: Array | None, targets_b_o: Array | None, *, is_sigmoid: bool) -> str:
    """Return what a single output stands for: 0 and 1, or numbers."""
    is_class = labels_b is not None and bool((labels_b <= 1).all())
    if targets_b_o is None:
        return "binary" if is_class or is_sigmoid else "regression"
    if targets_b_o.shape[1] > 1:  # two columns for two classes
        return "binary" if is_class else "regression"
    if is_sigmoid:
        is_share = bool(((targets_b_o >= 0) & (targets_b_o <= 1)).all())
        return "binary" if is_class or not is_share else "regression"
    return "regression"


def has_labels(dataset: Dataset) -> bool:
    """Return whether data say anything about their samples."""
    return dataset.labels_b is not None or dataset.targets_b_o is not None


def boundary(network: Network) -> float:
    """Return the value of an output above which it says yes: one half of a sigmoid, or 0."""
    return 0.5 if isinstance(getattr(network.output, "activation", None), Sigmoid) else 0.0


def _sign_problems(network: Network, settings: Settings) -> list[str]:
    """Return why it cannot be told whether an output is above 0."""
    code = code_of(settings)
    if code.tells_values or network.readout == "counts":
        return []
    found = f"conversion.spike_code = {code.name!r}: the potential of an output tells whether it is"
    advice = "convert for temporal_mean_rate, temporal_pattern or ttfs_exact"
    return [f"{found} the largest, not whether it is above 0; {advice}"]


def _classes(dataset: Dataset, *, number: int, outputs: int | None = None) -> Int64[Array, "b"]:
    if dataset.labels_b is None:
        raise DataError(describe_no_classes(dataset.targets_b_o, dataset.name, outputs=outputs))
    largest = int(dataset.labels_b.max(initial=0))
    if largest >= number:
        raise DataError(
            f"{dataset.name} has the label {largest}; the network knows the classes 0 to "
            f"{number - 1}. Check labels and model."
        )
    return dataset.labels_b


def _targets(dataset: Dataset, network: Network) -> Float32[Array, "b o"] | None:
    targets = dataset.targets_b_o
    if targets is None:
        if dataset.labels_b is None:
            return None
        targets = dataset.labels_b.astype(np.float32)[:, None]
    number = count(network.output.output_shape)
    if targets.shape[1] != number:
        raise DataError(
            f"{dataset.name} has {targets.shape[1]} number(s) for each sample; the network has "
            f"{number} output(s). Check labels and model, or choose another task (--task, "
            f"simulation.task)."
        )
    return targets


def _share_of_others(found: Array, expected: Array) -> Array:
    share: Array = (found != expected).mean(axis=1)
    return share


def _mean_square(found: Array, expected: Array) -> Array:
    mean: Array = np.square(found - expected).mean(axis=1)
    return mean


def _score_decisions(
    decision_b_t: Array,
    ann_decision_b: Array,
    truth: Array | None,
    *,
    topkerr: tuple[Array, Array] | None = None,
) -> Score:
    """Return the score of decided classes; the best class is the only one if not given."""
    deviation_b_t = (decision_b_t != ann_decision_b[:, None]).astype(np.float32)
    if truth is None:
        error_b_t, ann_error_b = (
            np.full_like(deviation_b_t, np.nan),
            np.full(len(deviation_b_t), np.nan),
        )
        wrong = np.ones(decision_b_t.shape, bool), np.ones(len(decision_b_t), bool)
    else:
        wrong = decision_b_t != truth[:, None], ann_decision_b != truth
        error_b_t, ann_error_b = wrong
    topkerr_b_t, ann_topkerr_b = topkerr or wrong
    return Score(
        error_b_t=error_b_t.astype(np.float32),
        ann_error_b=ann_error_b.astype(np.float32),
        deviation_b_t=deviation_b_t,
        decision_b_t=decision_b_t,
        ann_decision_b=ann_decision_b,
        topkerr_b_t=topkerr_b_t,
        ann_topkerr_b=ann_topkerr_b,
    )


def _score_values(
    error: Callable[[Array, Array], Array], found_b_o_t: Array, ann_b_o: Array, truth: Array | None
) -> Score:
    """Return the score of outputs that are no classes."""
    samples, _, steps = found_b_o_t.shape
    deviation_b_t = error(found_b_o_t, ann_b_o[..., None])
    if truth is None:
        error_b_t, ann_error_b = np.full((samples, steps), np.nan), np.full(samples, np.nan)
    else:
        error_b_t, ann_error_b = error(found_b_o_t, truth[..., None]), error(ann_b_o, truth)
    return Score(
        error_b_t=error_b_t.astype(np.float32),
        ann_error_b=ann_error_b.astype(np.float32),
        deviation_b_t=deviation_b_t.astype(np.float32),
        decision_b_t=np.full((samples, steps), UNDECIDED, np.int32),
        ann_decision_b=np.full(samples, UNDECIDED, np.int64),
        topkerr_b_t=np.ones((samples, steps), bool),
        ann_topkerr_b=np.ones(samples, bool),
    )
