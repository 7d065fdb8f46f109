"""`Dataset`: samples with their labels or targets, checked before use."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from snn_core.data.events import CellEvents
from snn_core.data.lazy import LazyItems, LazySamples
from snn_core.data.numbers import as_array
from snn_core.data.shapes import advise_on_shape
from snn_core.data.truth import read_truth
from snn_core.errors import DataError, shorten, warn
from snn_core.ir.display import format_shape
from snn_core.typing import Array, Float32, Int64, Shape, Shaped


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples with their labels.

    Parameters
    ----------
    x_b_l
        Samples, channels last: float32, or 8-bit integers, which stay so until a network tells
        how they enter it (`snn_core.ir.InputData`). Those in files are read when a part of them is
        asked for.
    labels_b
        Class of each sample; ``None`` if there are no labels, or they are no classes.
    targets_b_o
        What the outputs should be, if the labels are more than a column of integers: one-hot rows,
        several labels of each sample, or numbers.
    sample_ids
        Index of each sample in the whole data set, each once.
    name
        Where it comes from.
    sha256
        Hash of all samples and labels, before a selection.
    events_b
        The events behind each sample, where an event camera recorded them.
    advice
        What to do if the samples have another shape than a network expects; told from the shapes
        if empty.
    classes
        Name of each class, by its number; empty where they have no names.
    preparation
        What was done to images by the settings (`snn_core.data.preparation`); empty for other
        samples.
    are_booleans
        Whether the labels say yes or no of each sample.
    """

    x_b_l: Shaped[Array | LazySamples, "b *l"]
    labels_b: Int64[Array, "b"] | None
    sample_ids: Sequence[int]
    name: str
    sha256: str
    events_b: LazyItems[CellEvents] | None = None
    targets_b_o: Float32[Array, "b _"] | None = None
    advice: str = ""
    classes: tuple[str, ...] = ()
    preparation: str = ""
    are_booleans: bool = False

    def __post_init__(self) -> None:
        """Refuse samples that are there twice: no result could tell them apart."""
        ids = self.sample_ids
        if not isinstance(ids, range) and len(set(ids)) < len(ids):
            twice = next(index for index, number in Counter(ids).items() if number > 1)
            raise DataError(f"{self.name}: sample {twice} is there twice; expected each once.")

    def __repr__(self) -> str:
        """Return what it is, in one line."""
        labels = "no labels" if self.labels_b is None and self.targets_b_o is None else "labels"
        shape = format_shape(self.x_b_l.shape[1:])
        return f"<Dataset: {self.name}, {len(self)} samples of {shape}, {labels}>"

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.x_b_l)

    @classmethod
    def of(
        cls,
        x_b_l: Any,
        labels_b: Any = None,
        *,
        name: str = "arrays in memory",
        classes: Sequence[str] = (),
    ) -> Dataset:
        """Return a data set of arrays or tensors, checked as those from files are.

        Samples of type uint8 stay so; those of all other types become float32 with the same
        values. Labels may be class numbers, one-hot rows, or any numbers (`snn_core.data.truth`).

        Raises
        ------
        DataError
            Naming what is wrong.
        """
        if not isinstance(classes, (list, tuple, np.ndarray)):
            raise DataError(f"Found classes = {classes!r}; expected a list of their names.")
        x = _check_samples(as_array(x_b_l), name)
        labels = targets = None
        are_booleans = False
        if labels_b is not None:
            y = as_array(labels_b, "labels")
            labels, targets = read_truth(y, name)
            are_booleans = y.dtype == bool and y.size == len(y)
            if len(y) != len(x):
                raise DataError(
                    f"{name} has {len(x)} samples but {len(y)} labels; expected one for each."
                )
        digest = hashlib.sha256(str(x.shape).encode())
        digest.update(x.tobytes())
        for truth in (labels, targets):
            if truth is not None:
                digest.update(truth.tobytes())
        return cls(
            x_b_l=x,
            labels_b=labels,
            targets_b_o=targets,
            sample_ids=range(len(x)),
            name=name,
            sha256=digest.hexdigest(),
            classes=tuple(classes),
            are_booleans=are_booleans,
        )

    def fit_to(
        self,
        *,
        input_shape: Shape,
        num_classes: int | None = None,
        classes: Sequence[str] = (),
    ) -> Dataset:
        """Return the data set in the shape that a network expects.

        Images without a channel axis get one. The number and the names of classes are compared with
        those that the network knows; where the data have no names, they get these.

        Raises
        ------
        DataError
            If samples do not fit.

        Warns
        -----
        DataWarning
            If there are other classes than the network knows, so that numbers may be shifted.
        """
        x = self.x_b_l
        if (*x.shape[1:], 1) == input_shape and isinstance(x, np.ndarray):
            x = x[..., None]
        if x.shape[1:] != input_shape:
            raise DataError(
                f"{self.name}: samples of shape {x.shape[1:]}; the network expects "
                f"{input_shape} (channels last). "
                f"{self.advice or advise_on_shape(x.shape[1:], input_shape)}"
            )
        if self.are_booleans and num_classes is not None and num_classes > 2:
            raise DataError(
                f"{self.name} has labels of type bool, which tell two classes apart; the network "
                f"tells {num_classes}. Give the number of each sample's class, as an integer."
            )
        self._compare_classes(num_classes, classes)
        return replace(self, x_b_l=x, classes=self.classes or tuple(classes))

    def _compare_classes(self, num_classes: int | None, known: Sequence[str]) -> None:
        """Warn if the classes are not those of a network."""
        if not self.classes or self.classes == tuple(known):
            return
        names = _list_names(self.classes)
        if known:
            found = f"has the classes {names}; the network was converted with {_list_names(known)}"
        elif num_classes is not None and len(self.classes) != num_classes:
            classes = "1 class" if len(self.classes) == 1 else f"{len(self.classes)} classes"
            found = f"has {classes} ({names}); the network has {num_classes}"
        else:
            return
        warn(
            f"{self.name} {found}. Labels are wrong if the numbers do not mean the same: name the "
            f"classes in the order of training (input.label_dict, input.dataflow_kwargs.classes)."
        )

    def select(
        self,
        *,
        number: int | None = None,
        indices: Sequence[int] = (),
        consecutive: bool = False,
    ) -> Dataset:
        """Select samples: those of the given indices, or a number of them from all classes.

        A number of samples takes the first of each class, then the second of each, and so on; they
        stay in the order of the data. Without labels it takes the first samples.

        Parameters
        ----------
        number
            How many to take; all if not given.
        indices
            Positions of the samples to take.
        consecutive
            Take the first samples, whatever their class, as for the frames of a video.

        Raises
        ------
        DataError
            If an index is out of range or there are not that many samples.
        """
        if indices:
            beyond = [i for i in indices if not 0 <= i < len(self)]
            if beyond:
                raise DataError(
                    f"{self.name} has {len(self)} samples; there is no sample {beyond[0]} "
                    f"(simulation.sample_idxs_to_test)."
                )
            chosen = np.asarray(indices)
        else:
            if number is not None and number > len(self):
                raise DataError(
                    f"{self.name} has {len(self)} samples; {number} were asked for "
                    f"(--samples, simulation.num_to_test)."
                )
            chosen = self._take(len(self) if number is None else number, consecutive=consecutive)
        x = self.x_b_l
        return replace(
            self,
            x_b_l=x[chosen] if isinstance(x, np.ndarray) else x.choose(chosen),
            labels_b=None if self.labels_b is None else self.labels_b[chosen],
            targets_b_o=None if self.targets_b_o is None else self.targets_b_o[chosen],
            sample_ids=[self.sample_ids[i] for i in chosen],
            events_b=None if self.events_b is None else self.events_b.choose(chosen),
        )

    def _take(self, number: int, *, consecutive: bool) -> Int64[Array, "b"]:
        """Return the positions of a number of samples, classes in turn."""
        if self.labels_b is None or consecutive:
            return np.arange(number)
        order = np.argsort(self.labels_b, kind="stable")
        ordered = self.labels_b[order]
        turn_b = np.empty(len(order), np.int64)  # how many of its class come before a sample
        turn_b[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
        chosen: Int64[Array, "b"] = np.lexsort((self.labels_b, turn_b))[:number]
        return np.sort(chosen)


_MOST_SHOWN = 300
"""Letters of the names of classes that a message repeats."""


def _list_names(names: Sequence[str]) -> str:
    """Return the names of classes, without those in the middle if there are many."""
    return shorten(", ".join(names), _MOST_SHOWN)


def _check_samples(x: Array, name: str) -> Shaped[Array, "b *l"]:
    if x.dtype.kind not in "fiub":
        raise DataError(f"{name}: samples of type {x.dtype}; expected numbers.")
    if x.ndim and not len(x):
        raise DataError(f"{name}: no samples (shape {x.shape}); expected at least one.")
    if x.ndim < 2 or 0 in x.shape:
        raise DataError(
            f"{name}: samples of shape {x.shape}; expected (samples, ...) with at least one."
        )
    if x.dtype == np.uint8:
        return x
    with np.errstate(over="ignore"):  # what no float32 can hold becomes infinite
        x = np.asarray(x, np.float32)
    bad = ~np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if bad.any():
        raise DataError(
            f"{name}: NaN or infinite values in {int(bad.sum())} samples, the first is sample "
            f"{int(bad.argmax())}; remove or repair them."
        )
    return x
