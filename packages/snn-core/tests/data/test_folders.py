"""Sub-folders of images and recordings: which are classes, and what their numbers are."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snn_core.data import load_dataset
from snn_core.errors import DataError, DataWarning
from snn_core.settings import InputSettings

COLUMNS = np.array([[1, 1, 1, 10], [2, 3, 0, 20]])  # x, y, polarity, time

EVENTS = InputSettings(chip_size=(4, 4))


def add_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (2, 2), (10, 20, 30)).save(path)


def add_recording(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, COLUMNS)


@pytest.fixture(params=["png", "npy"])
def kind(request):
    """Return the suffix, a function that adds a file, and one that loads the folder."""
    settings = EVENTS if request.param == "npy" else InputSettings()

    def load(folder, **more):
        changed = settings.model_copy(update=more.pop("settings", {}))
        return load_dataset(folder, settings=changed, **more)

    return request.param, add_recording if request.param == "npy" else add_image, load


@pytest.fixture
def filled(tmp_path, kind):
    """Return a function that makes a folder with files of these names."""
    suffix, add, _ = kind

    def fill(*names):
        for name in names:
            add(tmp_path / "data" / f"{name}.{suffix}")
        return tmp_path / "data"

    return fill


def test_hidden_files_and_folders_are_none_of_the_users(kind, filled):
    folder = filled("bird/1", "cat/1", ".ipynb_checkpoints/1", "__MACOSX/1", "cat/.hidden/1",
                    "bird/._1")  # fmt: skip
    data = kind[2](folder)
    assert data.classes == ("bird", "cat")
    assert data.labels_b.tolist() == [0, 1]


def test_an_empty_folder_is_a_class(kind, filled):
    """As in Keras and, with allow_empty, in torchvision."""
    folder = filled("ant/1", "cat/1", "cat/2")
    (folder / "bird").mkdir()
    (folder / "dog").mkdir()
    (folder / "dog" / "readme.txt").write_text("none yet")
    data = kind[2](folder)
    assert data.classes == ("ant", "bird", "cat", "dog")
    assert data.labels_b.tolist() == [0, 2, 2]


def test_what_is_not_read_is_counted(kind, filled, tmp_path):
    folder = filled("a/1", "b/1")
    (folder / "c").mkdir()
    for name in (
        "a/2.heic",
        "c/1.HEIC",
        "c/2.xyz",
        "c/noending",
        "a/.hidden",
        "a/notes.txt",
        "top.x",
    ):
        (folder / name).touch()
    (folder / "b" / f"2.{kind[0]}").symlink_to(tmp_path / "gone")
    counts = r"not read: 2 \.heic, 1 \.xyz, 1 files without an ending, 1 links to nothing\. Samples"
    with pytest.warns(DataWarning, match=counts) as caught:
        assert kind[2](folder).labels_b.tolist() == [0, 1]
    assert len(caught) == 1


def test_many_and_long_endings_are_shortened(kind, filled):
    folder = filled("a/1", "b/1")
    for i in range(90):
        (folder / "a" / f"{i}.{chr(97 + i % 26) * 190}{i}").touch()
    match = r"not read: 1 \.aaaaaaaaa \.\.\. aaa26, .* \.\.\. .*\. Samples are files"
    with pytest.warns(DataWarning, match=match) as caught:
        kind[2](folder)
    assert len(str(caught[0].message).replace(str(folder), "")) < 600


def test_what_is_not_read_of_a_folder_without_classes_is_counted(kind, filled):
    folder = filled("1", "2")
    (folder / "3.heic").touch()
    with pytest.warns(DataWarning, match=r"not read: 1 \.heic\."):
        assert len(kind[2](folder)) == 2


def test_samples_beside_the_sub_folders_are_counted(kind, filled):
    folder = filled("a/1", "b/1", "1", "2")
    with pytest.warns(DataWarning, match=r"not read: 2 files beside the sub-folders\. Samples"):
        assert kind[2](folder).labels_b.tolist() == [0, 1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_pipes_among_samples_are_counted(kind, filled):
    folder = filled("a/1", "b/1")
    os.mkfifo(folder / "a" / f"2.{kind[0]}")
    with pytest.warns(DataWarning, match=r"not read: 1 pipes or devices\."):
        assert kind[2](folder).labels_b.tolist() == [0, 1]


def test_sub_folders_whose_names_look_alike_are_refused(kind, filled):
    folder = filled("\x1b[31m/1", "\\x1b[31m/1")
    alike = (
        r"sub-folders '\\x1b\[31m' and '\\\\x1b\[31m', which are both shown as \\x1b\[31m; rename"
    )
    with pytest.raises(DataError, match=alike):
        kind[2](folder)
    one = {"label_dict": {"\x1b[31m": 0, "\\x1b[31m": 0}}
    assert kind[2](folder, settings=one).labels_b.tolist() == [0, 0]


@pytest.fixture
def deny(monkeypatch):
    """Return a function after which a folder may not be read, whoever runs the tests."""
    real, denied = Path.iterdir, []

    def unless_denied(path):
        if os.fspath(path) in denied:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", unless_denied)
    return lambda path: denied.append(os.fspath(path))


@pytest.mark.parametrize("is_format_given", [False, True])
@pytest.mark.parametrize("secret", ["", "b", "b/sub", "b/sub/deep"])
def test_a_folder_that_may_not_be_read_is_refused(kind, filled, deny, secret, is_format_given):
    """It was left out, with its samples and its class."""
    folder = filled("a/1", "b/1", "b/sub/deep/1", "c/1")
    deny(folder / secret)
    chosen = ("aedat" if kind[0] == "npy" else "png") if is_format_given else "auto"
    expected = rf"cannot be searched for samples \({folder / secret}: Permission denied\); expected"
    with pytest.raises(DataError, match=expected):
        kind[2](folder, settings={"dataset_format": chosen})


def test_a_file_that_may_not_be_looked_at_is_refused(kind, filled, monkeypatch):
    """As in a folder that may be read and not entered."""
    folder = filled("a/1", "b/1")
    secret, real = folder / "b" / f"1.{kind[0]}", type(folder).stat

    def look(path, **options):
        if path == secret:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(type(folder), "stat", look)
    with pytest.raises(DataError, match=rf"{secret}: Permission denied"):
        kind[2](folder)


def test_a_hidden_folder_that_may_not_be_read_is_passed_over(kind, filled, deny):
    folder = filled("a/1", "b/1", "b/.trash/1", ".hidden/1")
    deny(folder / ".hidden")
    deny(folder / "b/.trash")
    assert kind[2](folder).labels_b.tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a", "v1.5", "z"])
@pytest.mark.parametrize("known", [(), ("a", "b", "c")])
def test_a_class_that_is_a_link_to_nothing_is_refused(kind, filled, tmp_path, name, known):
    """The classes behind it got other numbers."""
    folder = filled("b/1", "c/1")
    (folder / name).symlink_to(tmp_path / "gone")
    lost = rf"{folder / name} is a link to nothing; expected the folder of a class\. Repair"
    with pytest.raises(DataError, match=lost):
        kind[2](folder, classes=known)


def test_classes_that_are_all_links_to_nothing_are_refused(kind, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").symlink_to(tmp_path / "data" / "b")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "data" / "a")
    chosen = "aedat" if kind[0] == "npy" else "png"
    with pytest.raises(DataError, match=r"a is a link to nothing; expected the folder of a class"):
        kind[2](tmp_path / "data", settings={"dataset_format": chosen})


def test_links_to_nothing_that_are_no_folders_of_classes_are_allowed(kind, filled, tmp_path):
    folder = filled("a/1", "b/1")
    for name in (f"1.{kind[0]}", "notes.txt", ".cache"):
        (folder / name).symlink_to(tmp_path / "gone")
    assert kind[2](folder).labels_b.tolist() == [0, 1]


def test_classes_may_be_links_to_folders(kind, filled, tmp_path):
    elsewhere = filled("a/1", "b/1").rename(tmp_path / "elsewhere")
    (tmp_path / "data").mkdir()
    for name in "ab":
        (tmp_path / "data" / name).symlink_to(elsewhere / name)
    assert kind[2](tmp_path / "data").labels_b.tolist() == [0, 1]


def test_links_to_folders_within_a_class_are_counted(kind, filled):
    folder = filled("a/1", "b/1")
    (folder / "a" / "more").symlink_to(folder / "b")
    with pytest.warns(DataWarning, match=r"not read: 1 links to folders\. Samples"):
        assert kind[2](folder).labels_b.tolist() == [0, 1]


def test_names_of_many_classes_are_found_in_time(kind, filled):
    """It took a step for each folder and number."""
    folder = filled(*(f"c{i}/1" for i in range(30)))
    labels = {f"c{i}": i for i in range(29)} | {"c29": 2_000_000}
    before = time.process_time()
    data = kind[2](folder, settings={"label_dict": labels})
    assert time.process_time() - before < 4  # 1 s is usual, 10 s were
    assert data.classes[:2] == ("c0", "c1")
    assert data.classes[-2:] == ("1999999", "c29")


def test_a_folder_in_a_hidden_place_is_read(kind, filled, tmp_path):
    folder = filled("a/1", "b/1").rename(tmp_path / ".cache")
    assert kind[2](folder).labels_b.tolist() == [0, 1]


def test_names_that_a_network_knows_give_the_numbers(kind, filled):
    """A class of which there are no samples here, not even a folder, shifts nothing."""
    folder = filled("cat/1", "dog/1")
    (folder / "unknown and empty").mkdir()
    data = kind[2](folder, classes=("ant", "cat", "bird", "dog"))
    assert data.labels_b.tolist() == [1, 3]
    assert data.classes == ("ant", "cat", "bird", "dog")


def test_unknown_names_are_numbered_in_their_own_order(kind, filled):
    data = kind[2](filled("cat/1", "zebra/1"), classes=("ant", "cat"))
    assert data.labels_b.tolist() == [0, 1]
    assert data.classes == ("cat", "zebra")


def test_settings_decide_before_names(kind, filled):
    folder = filled("cat/1", "dog/1", "kitten/1")
    (folder / "empty").mkdir()
    labels = {"cat": 2, "kitten": 2, "dog": 0}
    data = kind[2](folder, settings={"label_dict": labels}, classes=("cat", "dog", "kitten"))
    assert data.labels_b.tolist() == [2, 0, 2]
    assert data.classes == ("dog", "1", "cat or kitten")
    with pytest.raises(DataError, match="sub-folders cat, dog, kitten; the settings name cat, dog"):
        kind[2](folder, settings={"label_dict": {"cat": 0, "dog": 1}})


def test_files_without_sub_folders_have_no_class(kind, filled):
    folder = filled("1", "2", ".hidden")
    (folder / "empty").mkdir()
    data = kind[2](folder)
    assert (len(data), data.labels_b, data.classes) == (2, None, ())
