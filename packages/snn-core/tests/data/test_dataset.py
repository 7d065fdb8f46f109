import warnings
from dataclasses import replace

import numpy as np
import pytest

from snn_core.data import Dataset, load_dataset
from snn_core.data.truth import as_classes, describe_no_classes
from snn_core.errors import DataError, DataWarning

X = np.arange(12, dtype=np.float32).reshape(3, 4) / 12


def test_samples_and_labels_are_read(tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=[2, 0, 1], classes=["ant", "bee", "cat"])
    found = load_dataset(tmp_path / "data.npz")
    assert found.classes == ("ant", "bee", "cat")
    np.testing.assert_array_equal(found.x_b_l, X)
    assert found.labels_b.tolist() == [2, 0, 1]
    assert list(found.sample_ids) == [0, 1, 2]
    assert len(found) == 3


def test_bytes_stay_so_until_a_network_takes_them():
    found = Dataset.of(np.array([[0, 51, 255]], np.uint8))
    assert found.x_b_l.dtype == np.uint8
    assert found.x_b_l.tolist() == [[0, 51, 255]]
    assert found.labels_b is None


@pytest.mark.parametrize("kind", ["bool", "int8", "uint16", "int64", "float16", "float64"])
def test_other_numbers_become_float32_with_their_values(kind):
    found = Dataset.of(np.array([[0, 1], [1, 1]], kind))
    assert found.x_b_l.dtype == np.float32
    assert found.x_b_l.tolist() == [[0, 1], [1, 1]]


def test_labels_of_bytes_are_numbers_of_classes():
    assert Dataset.of(X, np.array([2, 0, 1], np.uint8)).labels_b.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "labels", [[2, 0, 1], [[2], [0], [1]], np.eye(3)[[2, 0, 1]], np.float32([2, 0, 1])]
)
def test_labels_may_be_numbers_or_one_hot(labels):
    assert Dataset.of(X, np.asarray(labels)).labels_b.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("labels", "classes", "targets"),
    [
        ([2, 0, 1], [2, 0, 1], None),
        ([True, False, True], [1, 0, 1], None),
        ([[2], [0], [1]], [2, 0, 1], None),
        # Floating numbers may be classes or not; the network decides.
        (np.float32([2, 0, 1]), [2, 0, 1], [[2], [0], [1]]),
        ([0.5, 0, 1], None, [[0.5], [0], [1]]),
        ([0, -1, 1], None, [[0], [-1], [1]]),
        (np.eye(3, dtype=int), [0, 1, 2], np.eye(3)),
        ([[1, 1], [0, 0], [1, 0]], None, [[1, 1], [0, 0], [1, 0]]),
        (np.arange(12).reshape(3, 2, 2), None, np.arange(12).reshape(3, 4)),
    ],
)
def test_labels_are_read_as_whatever_they_can_be(labels, classes, targets):
    data = Dataset.of(X, np.asarray(labels))
    for found, expected in ((data.labels_b, classes), (data.targets_b_o, targets)):
        assert (found is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(found, expected)
    part = data.select(indices=(2, 0))
    for found, whole in ((part.labels_b, data.labels_b), (part.targets_b_o, data.targets_b_o)):
        if whole is not None:
            np.testing.assert_array_equal(found, whole[[2, 0]])


HUGE = [2.0**53, 1e30, 3e38]
SMALL_KINDS = ["bool", "int8", "uint8", "uint16", "int64", "uint64", "float16", "float64"]


@pytest.mark.parametrize("kind", SMALL_KINDS)
def test_classes_are_read_from_numbers_of_every_type(kind):
    assert Dataset.of(X, np.array([0, 1, 1], kind)).labels_b.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2], np.uint64) + np.uint64(2**63),
        np.array([2**64 - 1, 2**53, 0], np.uint64),
        np.array([0, 1, 2**53]),
        np.array([0, 2**63 - 1, 0]),
        *([0.0, 1.0, huge] for huge in HUGE),
        np.longdouble([0, 1, 2.0**63]),
    ],
    ids=str,
)
def test_numbers_too_large_for_classes_are_numbers(labels):
    """The largest ones of int64 and all of uint64 beyond became negative."""
    labels = np.asarray(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Dataset.of(X, labels)
    assert found.labels_b is None
    np.testing.assert_array_equal(found.targets_b_o, labels.astype(np.float32)[:, None])
    with pytest.raises(
        DataError, match=r"arrays has the label \d.*; expected whole numbers from 0"
    ):
        as_classes(labels, "arrays")
    message = describe_no_classes(found.targets_b_o, "arrays", outputs=3)
    assert message.startswith(f"arrays has the label {found.targets_b_o.max():g}; expected")


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, np.nan], [0, -np.inf, 1], [[1, np.inf], [0, 1], [1, 0]],
        [0, 1, 1e300], [0, -1e39, 1], [[1, 0], [0, 1], [1e300, 0]], np.longdouble([0, 1, 1e300]),
    ],
)  # fmt: skip
def test_labels_that_are_not_finite_in_float32_are_refused(labels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="NaN or infinite labels in"):
            Dataset.of(X, np.asarray(labels))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, None]), "labels of type object"),
        (np.array(["0", "1", "2"]), "labels of type <U1"),
        (np.array([0, 1, 2], complex), "labels of type complex128"),
        (np.array([0, 1, 2], "M8[s]"), "labels of type datetime64"),
        (np.zeros((3, 0)), "expected one for each sample"),
        (np.zeros(0), "expected one for each sample"),
        (np.zeros(2), "3 samples but 2 labels"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(DataError, match=message):
        Dataset.of(X, labels)


def test_the_hash_depends_on_targets():
    first, second = (Dataset.of(X, np.float32([0.5, 0, last])) for last in (0, 1))
    assert first.sha256 != second.sha256


def test_the_folder_of_the_original_is_read(tmp_path):
    np.savez(tmp_path / "x_test.npz", X)
    np.savez(tmp_path / "y_test.npz", np.eye(4)[[3, 0, 1]])
    np.savez(tmp_path / "x_norm.npz", 2 * X)
    test = load_dataset(tmp_path)
    assert test.labels_b.tolist() == [3, 0, 1]
    np.testing.assert_array_equal(test.x_b_l, X)
    np.testing.assert_array_equal(load_dataset(tmp_path, part="calibration").x_b_l, 2 * X)


def test_a_selection_keeps_the_indices_and_the_hash():
    whole = Dataset.of(X, np.array([2, 0, 1]))
    part = whole.select(indices=(2, 0))
    np.testing.assert_array_equal(part.x_b_l, X[[2, 0]])
    assert part.sample_ids == [2, 0]
    assert part.labels_b.tolist() == [1, 2]
    assert part.sha256 == whole.sha256
    assert whole.select(number=2, consecutive=True).sample_ids == [0, 1]
    assert part.select(number=2).sample_ids == [2, 0]
    assert Dataset.of(X).select(number=2).sample_ids == [0, 1]


def test_a_number_of_samples_takes_classes_in_turn():
    """Whatever their order, all classes are there as soon as the number allows."""
    labels_b = np.repeat([2, 0, 1], [4, 1, 3])
    data = Dataset.of(np.zeros((8, 1)), labels_b)
    chosen = {number: data.select(number=number) for number in range(1, 9)}
    assert [sorted(part.labels_b.tolist()) for part in chosen.values()] == [
        [0], [0, 1], [0, 1, 2], [0, 1, 1, 2], [0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 2],
        [0, 1, 1, 1, 2, 2, 2], [0, 1, 1, 1, 2, 2, 2, 2],
    ]  # fmt: skip
    assert chosen[4].sample_ids == [0, 4, 5, 6]  # the first of each class, in the order of the data
    assert chosen[8].sample_ids == list(range(8))


def test_classes_of_data_are_compared_with_those_of_a_network():
    data = Dataset.of(X, np.array([0, 1, 1]), classes=("cat", "dog"))
    fit = {"input_shape": (4,), "num_classes": 3}
    with pytest.warns(DataWarning, match=r"has 2 classes \(cat, dog\); the network has 3"):
        data.fit_to(**fit)
    with pytest.warns(DataWarning, match="cat, dog; the network was converted with dog, cat, emu"):
        data.fit_to(**fit, classes=("dog", "cat", "emu"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert data.fit_to(input_shape=(4,), num_classes=2).classes == ("cat", "dog")
        unnamed = Dataset.of(X, np.array([0, 1, 1]))
        assert unnamed.fit_to(**fit, classes=("a", "b", "c")).classes == ("a", "b", "c")


def test_the_hash_depends_on_samples_labels_and_shape():
    hashes = {
        Dataset.of(x, y).sha256
        for x, y in [
            (X, None),
            (X + 1, None),
            (X.reshape(3, 2, 2), None),
            (X, np.array([0, 1, 2])),
            (X, np.array([0, 1, 1])),
        ]
    }
    assert len(hashes) == 5


def test_images_without_a_channel_axis_get_one():
    found = Dataset.of(X.reshape(3, 2, 2)).fit_to(input_shape=(2, 2, 1))
    assert found.x_b_l.shape == (3, 2, 2, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"z": X}, "holds z; expected the arrays x and y"),
        ({"x": np.array(["a", "b"])}, "samples of type <U1; expected numbers"),
        ({"x": np.zeros(3)}, r"samples of shape \(3,\)"),
        ({"x": np.zeros((0, 3))}, r"no samples \(shape \(0, 3\)\)"),
        ({"x": np.array([[0, np.inf], [0, 0]])}, "in 1 samples, the first is sample 0"),
        ({"x": X, "y": [0, 1]}, "3 samples but 2 labels"),
        ({"x": X, "y": [0, 1, np.nan]}, "NaN or infinite labels in 1 samples, the first is sample"),
        ({"x": X, "y": 3}, r"labels of shape \(\)"),
        ({"x": X, "y": np.zeros((3, 0))}, r"labels of shape \(3, 0\)"),
        ({"x": X, "y": np.array(["a", "b", "c"])}, "labels of type <U1"),
        ({"x": X, "y": np.array([object()] * 3)}, "pickled objects are never read"),
    ],
)
def test_impossible_data_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / "data.npz")


def test_names_of_classes_that_are_no_text_are_refused(tmp_path):
    impossible = np.frombuffer(b"\xff" * 12, "<U3")  # letters beyond those that there are
    np.savez(tmp_path / "data.npz", x=X, classes=impossible)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(tmp_path / "data.npz")


def test_files_that_hold_no_arrays_are_refused(tmp_path):
    with pytest.raises(DataError, match="There is no data file"):
        load_dataset(tmp_path / "data.npz")
    (tmp_path / "data.npz").write_text("x, y")
    with pytest.raises(DataError, match=r"cannot be read \(BadZipFile"):
        load_dataset(tmp_path / "data.npz")
    with (tmp_path / "data.npz").open("wb") as file:
        np.save(file, X)
    with pytest.raises(DataError, match="holds a single array"):
        load_dataset(tmp_path / "data.npz")


def test_a_folder_of_the_original_has_to_be_complete(tmp_path):
    np.savez(tmp_path / "x_test.npz", X)
    with pytest.raises(DataError, match=r"There is no data file .*y_test.npz"):
        load_dataset(tmp_path)
    np.savez(tmp_path / "x_test.npz", x=X)
    with pytest.raises(DataError, match=r"x_test.npz holds x; expected the array arr_0 alone"):
        load_dataset(tmp_path)
    np.savez(tmp_path / "x_test.npz", X, X)
    with pytest.raises(DataError, match=r"holds arr_0, arr_1; expected the array arr_0 alone"):
        load_dataset(tmp_path)


def test_data_that_do_not_fit_the_network_are_refused():
    data = Dataset.of(X, np.array([0, 1, 5]))
    with pytest.raises(DataError, match=r"shape \(4,\); the network expects \(5,\)"):
        data.fit_to(input_shape=(5,))
    with pytest.raises(DataError, match="has 3 samples; 4 were asked for"):
        data.select(number=4)
    with pytest.raises(DataError, match="there is no sample 3"):
        data.select(indices=(0, 3))


def test_a_sample_that_is_there_twice_is_refused():
    dataset = Dataset.of(np.zeros((4, 2), np.float32))
    assert len(dataset.select(indices=[3, 0, 1])) == 3
    with pytest.raises(DataError, match="sample 1 is there twice; expected each once"):
        dataset.select(indices=[1, 0, 1])
    with pytest.raises(DataError, match="sample 7 is there twice"):
        replace(dataset, sample_ids=[7, 7, 8, 9])


@pytest.mark.parametrize("kind", ["U", "S"])
def test_long_names_of_classes_are_refused(tmp_path, kind):
    """They are shown wherever their samples are."""
    path = tmp_path / "data.npz"
    np.savez(path, x=X, y=[1, 0, 1], classes=np.array(["a" * 1000, "b"], kind))
    assert load_dataset(path).classes == ("a" * 1000, "b")
    np.savez(path, x=X, y=[1, 0, 1], classes=np.array(["b", "a" * 3_000_000], kind))
    with pytest.raises(DataError, match=r"a class with a name of 3000000 letters \('aa") as caught:
        load_dataset(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("known", [(), ("cat", "dog"), ("a" * 10_000, "b")])
def test_warnings_about_many_or_long_names_of_classes_are_short(known):
    for names in (("dog", "b" * 100_000, "cat"), tuple(f"c{i}" for i in range(100_000))):
        data = Dataset.of(X, np.array([0, 1, 1]), classes=names)
        with pytest.warns(DataWarning, match=r"(dog|c0), .* \.\.\. .*(cat|c99999)") as caught:
            data.fit_to(input_shape=(4,), num_classes=2, classes=known)
        assert len(str(caught[0].message)) < 1200


def test_names_of_classes_may_be_bytes(tmp_path):
    names = np.array(["ä".encode(), b"cat", b"\xff"])
    np.savez(tmp_path / "data.npz", x=X, y=[2, 0, 1], classes=names)
    assert load_dataset(tmp_path / "data.npz").classes == ("ä", "cat", "\\xff")


@pytest.mark.parametrize("labels", [np.array([True, False, True]), np.array([[1], [0], [1]], bool)])
def test_labels_of_yes_or_no_are_for_two_classes(labels):
    data = Dataset.of(X, labels)
    assert data.labels_b.tolist() == [1, 0, 1]
    assert data.fit_to(input_shape=(4,), num_classes=2).labels_b.tolist() == [1, 0, 1]
    with pytest.raises(DataError, match=r"labels of type bool, .* the network tells 3"):
        data.fit_to(input_shape=(4,), num_classes=3)
    rows = Dataset.of(X, np.eye(3, dtype=bool))
    assert rows.fit_to(input_shape=(4,), num_classes=3).labels_b.tolist() == [0, 1, 2]
