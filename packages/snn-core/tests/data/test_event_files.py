import tracemalloc

import h5py
import numpy as np
import pytest

from snn_core.data import event_files, load_dataset
from snn_core.data.events import EventStream, cut, on_chip, scaled_frame, to_cells
from snn_core.data.lazy import LazyItems, LazySamples
from snn_core.errors import DataError, OutOfMemoryError
from snn_core.settings import InputSettings

CHIP = (6, 4)


def columns(seed, number=40):
    rng = np.random.default_rng(seed)
    return {
        "x": rng.integers(0, CHIP[0], number),
        "y": rng.integers(0, CHIP[1], number),
        "t": np.sort(rng.integers(0, 10_000, number)),
        "p": rng.integers(0, 2, number),
    }


def settings(**values):
    return InputSettings(**{"chip_size": CHIP, **values})


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two recordings of class "cat" and one of class "dog"."""
    for seed, name in enumerate(["cat/1.npz", "cat/2.npz", "dog/1.npy"]):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        found = columns(seed)
        if path.suffix == ".npz":
            np.savez(path, **found)
        else:
            np.save(path, np.array([found[key] for key in "xypt"]).T)
    (tmp_path / "data" / "readme.txt").write_text("passed over")
    return tmp_path / "data"


def test_a_sub_folder_is_a_class(folder):
    data = load_dataset(folder, settings=settings())
    assert len(data) == 3
    assert data.labels_b.tolist() == [0, 0, 1]
    assert data.x_b_l.shape == (3, 4, 6, 2)
    for seed, frame in enumerate(data.x_b_l[:]):
        events = EventStream.of(*(columns(seed)[key] for key in "xytp"))
        np.testing.assert_array_equal(frame, scaled_frame(to_cells(events, CHIP, settings())))
    assert [events.shape for events in data.events_b[:2]] == [(4, 6, 2)] * 2


def test_classes_may_have_other_numbers(folder):
    data = load_dataset(folder, settings=settings(label_dict={"cat": "7", "dog": "2"}))
    assert data.labels_b.tolist() == [7, 7, 2]
    with pytest.raises(DataError, match="sub-folders cat, dog; the settings name cat, cow"):
        load_dataset(folder, settings=settings(label_dict={"cat": 0, "cow": 1}))


@pytest.mark.parametrize("values", [{"num_dvs_events_per_sample": 15}, {"sample_window_us": 3000}])
def test_recordings_are_cut_into_samples_of_their_class(folder, values):
    data = load_dataset(folder, settings=settings(**values))
    key = {"num_dvs_events_per_sample": "num_events", "sample_window_us": "window_us"}
    expected, labels = [], []
    for seed, label in enumerate([0, 0, 1]):
        events = EventStream.of(*(columns(seed)[name] for name in "xytp"))
        for start, stop in cut(events.t_us_e, **{key[k]: v for k, v in values.items()}):
            expected.append(scaled_frame(to_cells(events[start:stop], CHIP, settings())))
            labels.append(label)
    assert len(expected) > 3
    np.testing.assert_array_equal(data.x_b_l[:], expected)
    assert data.labels_b.tolist() == labels


def test_recordings_one_after_the_other_in_a_file(tmp_path):
    parts = [columns(seed, number) for seed, number in enumerate([5, 40, 9])]
    arrays = {f"train_{k}": np.concatenate([part[k] for part in parts]) for k in "xytp"}
    arrays |= {"train_off": np.array([0, 5, 45, 54]), "train_label": np.array([3, 1, 2])}
    np.savez(tmp_path / "all.npz", **arrays)
    data = load_dataset(tmp_path / "all.npz", part="calibration", settings=settings())
    assert data.labels_b.tolist() == [3, 1, 2]
    events = EventStream.of(*(parts[1][key] for key in "xytp"))
    np.testing.assert_array_equal(
        data.x_b_l[1:2][0], scaled_frame(to_cells(on_chip(events, CHIP), CHIP, settings()))
    )
    with pytest.raises(DataError, match="under train_off, none of them for test"):
        load_dataset(tmp_path / "all.npz", settings=settings())


@pytest.mark.parametrize("lengths", [[1] * 9, [3, 1, 6, 2], [70, 1, 1, 90, 7, 1], [1, 200, 1]])
def test_recordings_that_are_read_at_once_keep_their_events(tmp_path, monkeypatch, lengths):
    monkeypatch.setattr(event_files, "_BLOCK", 64)
    parts = [columns(seed, number) for seed, number in enumerate(lengths)]
    for part in parts:
        part["t"] = part["t"][::-1]  # they are sorted, each for its own
    arrays = {f"test_{k}": np.concatenate([part[k] for part in parts]) for k in "xytp"}
    np.savez(tmp_path / "all.npz", **arrays, test_off=np.cumsum([0, *lengths[:-1]]))
    found = event_files.find_recordings(tmp_path / "all.npz", part="test", settings=settings())
    for i in [*range(len(parts)), *reversed(range(len(parts)))]:
        expected, events = EventStream.of(*(parts[i][key] for key in "xytp")), found.load(i)
        for key in ("x_e", "y_e", "t_us_e", "on_e"):
            np.testing.assert_array_equal(getattr(events, key), getattr(expected, key))


def test_short_recordings_are_read_at_once(tmp_path, monkeypatch):
    """To check one event takes as long as to check thousands: 300 000 of them took 19 s."""
    ones, read, real = np.zeros(20_000, np.uint8), [], event_files.stream_of
    arrays = {f"test_{key}": ones for key in "xytp"} | {"test_off": np.arange(len(ones))}
    np.savez_compressed(tmp_path / "all.npz", **arrays)

    def count(columns, path, **options):
        read.append(len(columns[0]))
        return real(columns, path, **options)

    monkeypatch.setattr(event_files, "stream_of", count)
    data = load_dataset(tmp_path / "all.npz", settings=settings())
    assert data.x_b_l.shape[0] == sum(read) == len(ones)
    assert len(read) == 5


def test_selections_are_read_when_needed(folder):
    data = load_dataset(folder, settings=settings())
    part = data.select(indices=(2, 0))
    np.testing.assert_array_equal(part.x_b_l[:], data.x_b_l[:][[2, 0]])
    assert part.labels_b.tolist() == [1, 0]
    np.testing.assert_array_equal(part.events_b[:1][0].t_us_e, data.events_b[2:][0].t_us_e)
    assert part.sha256 == data.sha256
    assert len(np.asarray(data.select(number=2).x_b_l)) == 2


def test_the_hash_depends_on_content_and_place(folder):
    before = load_dataset(folder, settings=settings()).sha256
    assert load_dataset(folder, settings=settings()).sha256 == before
    (folder / "dog" / "1.npy").rename(folder / "cat" / "3.npy")
    (folder / "cat" / "1.npz").rename(folder / "dog" / "1.npz")
    assert load_dataset(folder, settings=settings()).sha256 != before


def test_impossible_recordings_are_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"does not tell the size of the chip; set input.chip_size"):
        load_dataset(folder)
    np.savez(tmp_path / "out.npz", x=[9], y=[9], t=[1], p=[1])
    with pytest.raises(DataError, match="no event on a chip of 6 x 4 pixels in recording 0"):
        load_dataset(tmp_path / "out.npz", settings=settings())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no files ending in .aedat"):
        load_dataset(tmp_path / "empty", settings=settings(dataset_format="aedat"))
    with pytest.raises(DataError, match="There is no data file or folder"):
        load_dataset(tmp_path / "none.aedat", settings=settings())
    data = load_dataset(folder, settings=settings())
    with pytest.raises(DataError, match=r"shape \(4, 6, 2\).* Set input.chip_size"):
        data.fit_to(input_shape=(4, 6, 1))


def test_the_chip_may_be_known_from_the_recording(tmp_path):
    record = bytes([0, 0, 5, 3 << 1 | 1]) + bytes(4)  # y 5, x 3, ON, time 0
    for name in "12":
        (tmp_path / f"{name}.aedat").write_bytes(b"#!AER-DAT2.0\r\n# AEChip: DVS128\r\n" + record)
    data = load_dataset(tmp_path)
    assert data.labels_b is None
    assert data.x_b_l.shape == (2, 128, 128, 2)
    assert data.x_b_l[:1][0, 5, 3].tolist() == [0, 1]
    record = (1 << 22 | 1 << 12 | 1 << 11).to_bytes(4, "big") + bytes(4)
    (tmp_path / "2.aedat").write_bytes(b"#!AER-DAT2.0\r\n# AEChip: DAVIS240\r\n" + record)
    with pytest.raises(DataError, match="has chips of 128 x 128, 240 x 180 pixels"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(("chip", "target"), [((10_000, 9000), None), (CHIP, (10_000, 9000))])
def test_frames_that_do_not_fit_into_memory_are_refused_before_one_is_made(
    folder, monkeypatch, chip, target
):
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "1G")
    given = {"chip_size": chip, "dataflow_kwargs": {"target_size": target}}
    tracemalloc.start()
    with pytest.raises(
        DataError, match=r"a frame of \d+ x \d+ pixels .* would take .*_MEMORY_LIMIT"
    ):
        load_dataset(folder, settings=settings(**given))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_chip_that_a_file_declares_is_no_larger_than_what_it_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr(event_files, "read_events", lambda _: recording(99_999))
    (tmp_path / "a.aedat4").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.aedat4: a frame of 99999 x 99999 pixels"):
        load_dataset(tmp_path / "a.aedat4")


def recording(side):
    return EventStream.of(*np.ones((4, 1)), chip_size=(side, side))


def test_samples_that_do_not_fit_into_memory_together_are_an_error_of_this_package():
    huge = LazySamples(LazyItems(lambda _: np.broadcast_to(np.float32(0), (2**40,)), [0]), (2**40,))
    with pytest.raises(OutOfMemoryError, match="Take fewer samples at a time"):
        huge[:]


@pytest.mark.parametrize("name", ["a.aedat", "a.npy"])
def test_a_recording_without_events_is_called_empty(tmp_path, name):
    (tmp_path / "a.aedat").write_bytes(b"")
    np.save(tmp_path / "a.npy", np.zeros((0, 4)))
    with pytest.raises(DataError, match=r"holds no event in recording 0: it is empty, or cut off"):
        load_dataset(tmp_path / name, settings=settings(chip_size=CHIP))


def test_events_in_an_hdf5_file_are_samples_where_settings_say_so(tmp_path):
    found = columns(0)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in found.items():
            file[f"events/{name}"] = values
    with pytest.raises(
        DataError, match=r"a trained model; .* or set input.dataset_format = 'aedat'"
    ):
        load_dataset(tmp_path / "a.h5", settings=settings())
    data = load_dataset(tmp_path / "a.h5", settings=settings(dataset_format="aedat"))
    np.savez(tmp_path / "a.npz", **found)
    same = load_dataset(tmp_path / "a.npz", settings=settings())
    np.testing.assert_array_equal(data.x_b_l[:], same.x_b_l[:])


@pytest.fixture
def several(tmp_path):
    """Return a folder with more recordings than are kept in memory."""
    for seed in range(event_files.RECORDINGS_KEPT + 1):
        np.savez(tmp_path / f"{seed}.npz", **columns(seed))
    return tmp_path


def test_a_recording_that_changes_after_it_was_hashed_is_not_used(several):
    data = load_dataset(several, settings=settings())
    np.savez(several / "0.npz", **columns(99, number=30))
    with pytest.raises(DataError, match=r"0\.npz changed after it was read for the first time"):
        data.x_b_l[:]


def test_a_recording_that_changes_before_it_is_hashed_is_not_used(several, monkeypatch):
    real = event_files.hash_files

    def change(files, folder, states):
        np.savez(several / "0.npz", **columns(99, number=30))
        return real(files, folder, states)

    monkeypatch.setattr(event_files, "hash_files", change)
    with pytest.raises(DataError, match=r"0\.npz changed after"):
        load_dataset(several, settings=settings())


@pytest.mark.parametrize("name", ["a.aedat", "a.aedat4", "a.dat", "a.h5", "a.npz", "a.npy"])
def test_what_is_no_recording_is_refused_before_it_is_hashed(tmp_path, monkeypatch, name):
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    monkeypatch.setattr(event_files, "hash_file", lambda _: pytest.fail("hashed"))
    with pytest.raises(DataError, match=r"would take|cannot be read"):
        load_dataset(tmp_path / name, settings=settings(dataset_format="aedat"))
