import h5py
import numpy as np
import pytest

from snn_core.data import load_dataset
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


def in_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


COLUMNS = {"x": X, "y": Y, "t": T, "p": P}


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({f"davis/{side}/events/{k}": v for side in ("left", "right") for k, v in COLUMNS.items()},
         "davis/left/events/x, davis/right/events/x"),
        ({"left": structured(), "right": structured()}, "left, right"),
        ({**COLUMNS, "right": structured()}, "x, right"),
        ({**COLUMNS, **{f"_{k}": v for k, v in COLUMNS.items()}}, "x, _x"),
        ({**COLUMNS, **{f"b/{k}": v for k, v in COLUMNS.items()}}, "x, b/x"),
        ({"a/left": structured(), **{f"b/{k}": v for k, v in COLUMNS.items()}}, "b/x, a/left"),
    ],
)  # fmt: skip
def test_several_recordings_in_a_file_are_refused(tmp_path, arrays, named):
    """One was taken, and the others lost."""
    in_hdf5(tmp_path / "a.h5", **arrays)
    np.savez(tmp_path / "a.npz", **arrays)
    for name in ("a.h5", "a.npz"):
        with pytest.raises(DataError, match=rf"holds several recordings \({named}\); expected one"):
            read_events(tmp_path / name)


def test_what_lies_beside_a_recording_is_passed_over(tmp_path):
    boxes = np.zeros(2, [("t", "u8"), ("x", "f4"), ("y", "f4"), ("w", "f4"), ("h", "f4")])
    frames = {"frames/t": T, "frames/x": X, "time": np.float64(3), "table": np.zeros((2, 4))}
    arrays = {"boxes": boxes, **frames}
    np.savez(tmp_path / "a.npz", events=structured(), **arrays)
    in_hdf5(tmp_path / "a.h5", **COLUMNS, **arrays)
    check(tmp_path / "a.npz")
    check(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("ts", "t and ts"),
        ("timestamp", "t and timestamp"),
        ("pol", "p and pol"),
        ("xs", "x and xs"),
    ],
)
def test_two_arrays_for_one_column_are_refused(tmp_path, more, named):
    events = np.zeros(3, [(name, "i8") for name in (*COLUMNS, more)])
    np.savez(tmp_path / "a.npz", **COLUMNS, **{more: [7, 8, 9]})
    np.save(tmp_path / "a.npy", events)
    in_hdf5(tmp_path / "a.h5", **COLUMNS, **{more: [7, 8, 9]})
    for name in ("a.npz", "a.npy", "a.h5"):
        with pytest.raises(DataError, match=rf"has {named}, which mean the same; expected one"):
            read_events(tmp_path / name)
    sets = {f"test_{key}": values for key, values in (COLUMNS | {more: [7, 8, 9]}).items()}
    np.savez(tmp_path / "b.npz", **sets, test_off=[0])
    with pytest.raises(DataError, match=rf"has test_. and test_{more}, which mean the same"):
        load_dataset(tmp_path / "b.npz", settings={"chip_size": (8, 8)})


@pytest.mark.parametrize("column", "xytp")
def test_columns_of_parts_that_were_never_written_are_refused(tmp_path, column):
    """They were read as 0."""

    def write(path, **options):
        with h5py.File(path, "w") as file:
            for name in COLUMNS:
                data = file.create_dataset(name, (6,), "i8", **(options if name == column else {}))
                data[: 4 if name == column and options else 6] = 1

    for name, options in (
        ("a.h5", {"chunks": (2,)}),
        ("b.h5", {"chunks": (2,), "fillvalue": 0}),
        ("c.h5", {"chunks": (2,), "compression": "gzip", "maxshape": (None,)}),
    ):
        write(tmp_path / name, **options)
        missing = rf"/{column} was not written whole: 2 of 3 parts are there; those missing would"
        with pytest.raises(DataError, match=missing):
            read_events(tmp_path / name)
    write(tmp_path / "d.h5", chunks=(2,), fillvalue=1)  # which somebody chose
    assert len(read_events(tmp_path / "d.h5")) == 6


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
        ([1, 2], [1, 1], "off from 1 to 3 for 3 events; expected the first event of each"),
        ([-1, 2], [1, 1], "off from -1 to 3 for 3 events"),
        ([0, 1, 2], [1, 1], "off from 0 to 2 for 3 events"),
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


@pytest.mark.parametrize("column", "xytp")
@pytest.mark.parametrize("values", [[1, 0], [1, 0, 1, 0], 1, [[1, 0, 1]]])
def test_recordings_with_columns_of_several_lengths_are_refused(tmp_path, column, values):
    """Those of the last recording were lost if the first column was the shorter one."""
    arrays = ONE_AFTER_THE_OTHER | {column: values, "off": [0, 1]}
    with pytest.raises(
        DataError, match=r"has events of shapes x .*; expected one of each per event"
    ):
        split({key: np.array(value) for key, value in arrays.items()}, "", tmp_path)
