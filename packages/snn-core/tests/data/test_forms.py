"""What people have in memory becomes the same data set, or they are told what is wanted."""

import io

import numpy as np
import pytest

from snn_core.data import Dataset
from snn_core.data.loading import as_dataset
from snn_core.errors import DataError
from snn_core.settings import InputSettings

X = np.arange(5 * 4 * 4 * 1, dtype=np.float32).reshape(5, 4, 4, 1)
Y = np.array([0, 1, 2, 1, 0])
SHAPE = (4, 4, 1)


class Tensor:
    """A tensor with a gradient on another device, as PyTorch has them."""

    def __init__(self, values, where="gpu"):
        self.values, self.where = values, where

    def detach(self):
        return Tensor(self.values, "detached")

    def cpu(self):
        return self.values if self.where == "detached" else Tensor(self.values)

    def __array__(self, *arguments, **keywords):
        raise RuntimeError("Can't call numpy() on a tensor that requires grad")


class Indexed:
    """A data set with a length and indices alone."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Loader:
    """A loader of batches."""

    def __init__(self, *batches, endless=False):
        self.batches, self.endless = batches, endless

    def __iter__(self):
        return iter(self.batches)

    def cardinality(self):
        return np.int64(-1 if self.endless else len(self.batches))


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return np.load(file)


PAIRS = list(zip(X, Y, strict=True))
FORMS = {
    "pair": (X, Y),
    "list": [X, Y],
    "lists": (X.tolist(), Y.tolist()),
    "tensors": (Tensor(X), Tensor(Y)),
    "dictionary": {"x": X, "y": Y},
    "file": npz(x=X, y=Y),
    "items": Indexed(PAIRS),
    "list of pairs": PAIRS,
    "grey items": Indexed([(x[..., 0], y) for x, y in PAIRS]),
    "tensors of items": Indexed([(Tensor(x), Tensor(y)) for x, y in PAIRS]),
    "dictionaries": Indexed([{"x": x, "y": y} for x, y in PAIRS]),
    "batches": Loader((X[:2], Y[:2]), (X[2:4], Y[2:4]), (X[4:], Y[4:])),
    "listed batches": Loader([X[:3], Y[:3]], [X[3:], Y[3:]]),
    "indexed batches": Indexed([(X[:4], Y[:4]), (X[4:], Y[4:])]),
    "one-hot rows": Indexed([(x, np.eye(3)[y]) for x, y in PAIRS]),
}


@pytest.mark.parametrize("form", FORMS)
def test_samples_and_labels_in_every_form(form):
    found = as_dataset(FORMS[form], input_shape=SHAPE).fit_to(input_shape=SHAPE)
    np.testing.assert_array_equal(found.x_b_l, X)
    np.testing.assert_array_equal(found.labels_b, Y)


@pytest.mark.parametrize(
    "data", [X, Tensor(X), {"x": X}, Indexed(list(X)), Loader(X[:2], X[2:]), (X,), X.tolist()]
)
def test_samples_alone_in_every_form(data):
    found = as_dataset(data, input_shape=SHAPE)
    np.testing.assert_array_equal(found.x_b_l, X)
    assert found.labels_b is None


def test_rows_may_be_tuples():
    rows = [(1.0, 2.0), (3.0, 4.0)]
    np.testing.assert_array_equal(as_dataset(rows).x_b_l, np.float32(rows))
    found = as_dataset(iter([(np.float32([1, 2]), 0), (np.float32([3, 4]), 1)]), input_shape=(2,))
    np.testing.assert_array_equal(found.x_b_l, np.float32(rows))
    np.testing.assert_array_equal(found.labels_b, [0, 1])


def test_a_data_set_stays_itself():
    dataset = Dataset.of(X, Y)
    assert as_dataset(dataset) is dataset
    assert repr(dataset) == "<Dataset: arrays in memory, 5 samples of 4×4×1, labels>"


def test_names_of_classes_come_along():
    assert as_dataset({"x": X, "y": Y, "classes": ["a", "b", "c"]}).classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "Found data of type NoneType; expected samples x, a pair"),
        (5, "Found data of type int; expected"),
        ((), "Found a tuple of 0; expected"),
        ((X, Y, Y), "Found a tuple of 3; expected"),
        ({}, "the dictionary holds nothing; expected the arrays x and y"),
        ({"images": X, "labels": Y}, "the dictionary holds images, labels; expected the arrays x"),
        ({"x": "abc"}, "of type <U3; expected numbers"),
        ([[1, 2], [3]], "of one shape for all samples"),
        ((X, "abc"), "labels of type <U3"),
        ((X, [[1], [1, 2]]), "labels of type list cannot become one array"),
        (Tensor("abc"), "expected numbers"),
        (Loader(), "the Loader has no samples"),
        (Loader((X, Y), endless=True), r"the Loader never ends; take a number .* data.take\(10\)"),
        (Loader((X, Y, Y)), "yields 3 things at a time; expected pairs"),
        (Loader({"image": X, "label": Y}), "yields image, label; expected pairs"),
        (Loader((X, Y), X), "labels for some samples only"),
        (Indexed([(X[0], 0), (X[0, :2], 1)]), "samples of different shapes"),
    ],
)
def test_what_cannot_be_data_is_refused_with_what_is_wanted(data, message):
    with pytest.raises(DataError, match=message):
        as_dataset(data, input_shape=SHAPE)


def test_channels_first_items_are_told_to_move_their_channels():
    items = Indexed([(np.zeros((3, 4, 5), np.float32), 0)])
    found = as_dataset(items, input_shape=(4, 5, 3))
    with pytest.raises(DataError, match=r"channels first.*x\.transpose\(0, 2, 3, 1\)"):
        found.fit_to(input_shape=(4, 5, 3))


def test_a_file_of_samples_alone(tmp_path):
    np.save(tmp_path / "x.npy", X)
    found = as_dataset(tmp_path / "x.npy")
    np.testing.assert_array_equal(found.x_b_l, X)
    assert found.labels_b is None
    with pytest.raises(DataError, match=r"write it with np.save\(path, samples\)"):
        as_dataset(tmp_path / "y.npy")
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(DataError, match=r"cannot be read .*np.save\(path, samples\)"):
        as_dataset(tmp_path / "bad.npy")
    rows = np.arange(24).reshape(6, 4)  # which may be events
    np.save(tmp_path / "rows.npy", rows)
    found = as_dataset(tmp_path / "rows.npy", settings=InputSettings(dataset_format="npz"))
    np.testing.assert_array_equal(found.x_b_l, rows)
    np.save(tmp_path / "pickled.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match=r"cannot be read .*np.save\(path, samples\)"):
        as_dataset(tmp_path / "pickled.npy")
