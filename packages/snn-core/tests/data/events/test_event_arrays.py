import h5py
import numpy as np
import pytest

from snn_core.data.events import EventStream, read_events
from snn_core.data.events.arrays import read_arrays, set_prefix, split
from snn_core.errors import DataError

X, Y, T, P = [3, 0, 7], [1, 2, 3], [10, 20, 30], [1, 0, 1]


def check(path):
    found = read_events(path)
    assert found.x_e.tolist() == X
    assert found.y_e.tolist() == Y
    assert found.t_us_e.tolist() == T
    assert found.on_e.tolist() == [True, False, True]
    assert found.chip_size is None


def structured():
    events = np.zeros(3, [("t", "u8"), ("x", "u2"), ("y", "u2"), ("on", "?")])
    events["t"], events["x"], events["y"], events["on"] = T, X, Y, P
    return events


def test_structured_arrays_and_columns_are_read(tmp_path):
    np.save(tmp_path / "a.npy", structured())
    np.save(tmp_path / "b.npy", np.array([X, Y, P, T]).T)
    np.save(tmp_path / "c.npy", np.array([X, Y, P, T], float).T)
    np.savez(tmp_path / "d.npz", x=X, y=Y, t=T, p=P)
    np.savez(tmp_path / "e.npz", xs=X, ys=Y, timestamps=T, polarities=[1, -1, 1])
    np.savez(tmp_path / "f.npz", events=structured())
    np.savez(tmp_path / "g.npz", _x=X, _y=Y, _t=T, _p=P)
    for name in "abc":
        check(tmp_path / f"{name}.npy")
    for name in "defg":
        check(tmp_path / f"{name}.npz")


def test_hdf5_files_are_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in {"x": X, "y": Y, "t": T, "p": P}.items():
            file[f"events/{name}"] = values
        file["events/note"] = "text is passed over"
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["events"] = structured()
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["CD/events"] = np.array([X, Y, P, T]).T
    check(tmp_path / "a.h5")
    check(tmp_path / "b.hdf5")
    check(tmp_path / "c.h5")


def test_links_to_other_files_are_not_followed(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["events"] = structured()
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["events"] = h5py.ExternalLink("a.h5", "events")
    with pytest.raises(DataError, match="holds no arrays"):
        read_events(tmp_path / "b.h5")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y, "t": T}, "holds x .*expected a structured array"),
        ({"x": X, "y": Y, "t": T, "p": [1, 0]}, r"shapes x \(3,\), y \(3,\), t \(3,\), p \(2,\)"),
        ({"x": [-1, 0, 0], "y": Y, "t": T, "p": P}, "event at x = -1; expected places from 0"),
        ({"x": X, "y": Y, "t": [0.1, 1, 2], "p": P}, "fractions or NaN in t.* in µs"),
        ({"x": X, "y": Y, "t": T, "p": [1, 2, 0]}, "polarity 2; expected 1 for ON"),
        ({"x": X, "y": Y, "t": [0, 1, 1e300], "p": P}, "t from 0.0 to 1e.300; expected at most 9"),
        (
            {"x": X, "y": Y, "t": np.uint64([0, 1, 2**63]), "p": P},
            "t from 0 to 9223372036854775808",
        ),
        ({"x": X, "y": Y, "t": [-(2**63), 0, 1], "p": P}, "t from -9223372036854775808 to 1"),
        ({"x": [0, 1, 2**60], "y": Y, "t": T, "p": P}, "x from 0 to 1152921504606846976"),
        ({"x": ["a"] * 3, "y": Y, "t": T, "p": P}, "x of type <U1; expected whole numbers"),
        ({"x": X, "y": Y, "t": T, "p": np.array([{}, 0, 1])}, "pickled objects"),
    ],
)
def test_impossible_events_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_events(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5"])
def test_damaged_files_are_refused(tmp_path, name):
    path = tmp_path / name
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["events"] = structured()
    elif path.suffix == ".npz":
        np.savez(path, events=structured())
    else:
        np.save(path, structured())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_events(path)


def test_events_are_checked_in_memory_too():
    with pytest.raises(DataError, match="arrays in memory has events of shapes"):
        EventStream.of(np.zeros((2, 2)), np.zeros(2), np.zeros(2), np.zeros(2))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("key", ["x", "y", "t"])
@pytest.mark.parametrize(
    "column",
    [
        np.array([0, 2**64 - 1], np.uint64), np.array([0, 2**62 + 1]), np.array([-(2**63), 0]),
        np.array([0, 1e300]), np.array([-1e30, 0]), np.array([0, 1e38], np.float32),
    ],
)  # fmt: skip
def test_places_and_times_beyond_what_differences_may_be_are_refused(key, column):
    """They became other numbers of int64."""
    columns = {name: np.zeros(2, int) for name in "xytp"} | {key: column}
    with pytest.raises(DataError, match=f"has {key} from .*; expected at most 9"):
        EventStream.of(**{f"{name}_e": values for name, values in columns.items() if name != "t"},
                       t_us_e=columns["t"])  # fmt: skip


@pytest.mark.parametrize("kind", ["bool", "int8", "uint8", "uint64", "float16", "float64"])
def test_events_are_read_from_numbers_of_every_type(kind):
    found = EventStream.of(*np.array([[0, 1], [1, 0], [0, 1], [1, 0]], kind))
    assert found.t_us_e.tolist() == [0, 1]
    assert found.x_e.tolist() == [0, 1]


ONE_AFTER_THE_OTHER = {"x": X, "y": Y, "t": T, "p": P}


def test_offsets_tell_recordings_apart(tmp_path):
    for off in ([0, 2, 3], [0, 2]):  # with and without the final end
        arrays = {f"test_{key}": np.array(values) for key, values in ONE_AFTER_THE_OTHER.items()}
        arrays |= {"test_off": np.array(off), "test_label": np.array([4, 5])}
        np.savez(tmp_path / "a.npz", **arrays)
        found = read_arrays(tmp_path / "a.npz")
        assert set_prefix(found, "test") == "test_"
        assert set_prefix(found, "calibration") is None
        assert split(found, "test_", tmp_path) == [(0, 2), (2, 3)]


@pytest.mark.parametrize(
    ("off", "label", "message"),
    [
        ([0, 2, 4], [1, 1], "off from 0 to 4 for 3 events"),
        ([2, 0, 3], [1, 1], "off from 2 to 3 for 3 events"),
        ([0, 3], [1, 1, 1], "3 entries in label but 2 recordings"),
        ([[0, 3]], [1], r"off of shape \(1, 2\)"),
        ([0, 3], 1, r"label of shape \(\); expected one for each recording"),
    ],
)
def test_impossible_offsets_are_refused(tmp_path, off, label, message):
    arrays = {key: np.array(values) for key, values in ONE_AFTER_THE_OTHER.items()}
    arrays |= {"off": np.array(off), "label": np.array(label)}
    with pytest.raises(DataError, match=message):
        split(arrays, "", tmp_path)
