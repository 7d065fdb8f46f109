import contextlib
import io
import os
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, features

from snn_core import convert, run
from snn_core.data import images, load_dataset
from snn_core.data.images import standardize
from snn_core.data.lazy import LazySamples
from snn_core.errors import DataError, DataWarning, SettingsError
from snn_core.settings import DatagenKwargs, InputSettings, Settings
from snn_core.testing.builder import NetworkBuilder


def pixels(seed, size=(5, 4)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two png images of class "a" and one of class "b"."""
    for seed, name in enumerate(["a/1.png", "a/2.PNG", "b/x/1.png"]):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed)).save(path)
    return tmp_path / "images"


def test_a_sub_folder_is_a_class_and_images_are_bytes(folder):
    data = load_dataset(folder)
    assert data.labels_b.tolist() == [0, 0, 1]
    assert data.classes == ("a", "b")
    assert data.x_b_l.shape == (3, 5, 4, 3)
    assert data.x_b_l.dtype == np.uint8
    np.testing.assert_array_equal(data.x_b_l[:], np.stack([pixels(seed) for seed in range(3)]))


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"datagen_kwargs": {"rescale": 0.5}}, 0.5),
        ({"datagen_kwargs": {"rescale": 0.5}, "uint8_scale": 2}, 0.5),
        ({"datagen_kwargs": {"featurewise_center": True, "mean": 0}, "uint8_scale": 2}, 2),
        ({"datagen_kwargs": {"featurewise_center": True, "mean": 0}, "uint8_scale": "1/4"}, 0.25),
    ],
)
def test_images_are_scaled_as_settings_say(folder, settings, factor):
    data = load_dataset(folder, settings=Settings.of({"input": settings}).input)
    np.testing.assert_array_equal(data.x_b_l[:1][0], pixels(0) * np.float32(factor))


def test_only_the_images_of_a_part_are_decoded(folder, monkeypatch):
    data = load_dataset(folder).select(indices=(2, 1, 0))
    names = {path.read_bytes(): path.name for path in (folder / "a").iterdir()}
    opened, plain = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, **kw: opened.append(names[file.getvalue()]) or plain(file, **kw)
    )
    data.x_b_l[1:]
    assert opened == ["2.PNG", "1.png"]


def test_a_jpeg_is_close_to_its_source(tmp_path):
    (tmp_path / "a").mkdir()
    smooth = np.linspace(0, 255, 64).reshape(8, 8).round().astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a" / "1.jpg", quality=95)
    flow = {"color_mode": "grayscale"}
    data = load_dataset(tmp_path, settings=InputSettings(dataflow_kwargs=flow))
    assert data.x_b_l.shape == (1, 8, 8, 1)
    # JPEG rounds its coefficients: at quality 95 a few grey levels.
    assert np.abs(data.x_b_l[:][0, ..., 0] - smooth.astype(float)).max() < 6


@pytest.mark.parametrize("ending", ["bmp", "tif", "tiff", "webp", "gif", "PNG"])
def test_images_of_other_formats_are_read(tmp_path, ending):
    path = tmp_path / "data" / "cat" / f"1.{ending}"
    path.parent.mkdir(parents=True)
    more = {"save_all": True, "append_images": [Image.new("RGB", (4, 5))]}
    frames = {"gif": more, "tif": more, "webp": {"lossless": True, **more}}
    image_hwc = np.zeros((5, 4, 3), np.uint8)
    image_hwc[0] = 255
    Image.fromarray(image_hwc).save(path, **frames.get(ending, {}))
    data = load_dataset(tmp_path / "data")
    assert data.classes == ("cat",)
    np.testing.assert_array_equal(data.x_b_l[:], image_hwc[None])


def test_size_and_classes_can_be_chosen(folder):
    flow = {"target_size": [10, 8], "color_mode": "rgba", "classes": ["b", "a"], "shuffle": False}
    data = load_dataset(folder, settings=InputSettings(dataflow_kwargs=flow))
    assert data.labels_b.tolist() == [1, 1, 0]
    doubled = pixels(1).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(data.x_b_l[1:2][0, ..., :3], doubled)
    assert (data.x_b_l[:][..., 3] == 255).all()


def test_images_are_scaled_and_centred_as_in_keras():
    image = np.array([[[10, 20], [30, 40]]], np.uint8)
    plain = standardize(image, DatagenKwargs(rescale=0.1))
    np.testing.assert_allclose(plain, image / 10, rtol=1e-6)  # 0.1 is rounded to float32
    centred = standardize(image, DatagenKwargs(rescale=1, samplewise_center=True))
    np.testing.assert_array_equal(centred, image - 25.0)
    # The deviation of 10, 20, 30, 40 is sqrt(125).
    scaled = DatagenKwargs(rescale=1, samplewise_std_normalization=True)
    np.testing.assert_allclose(standardize(image, scaled), image / np.sqrt(125), rtol=1e-6)
    values = {"mean": (10, 20), "std": 5}
    both = {"featurewise_center": True, "featurewise_std_normalization": True, **values}
    found = standardize(image, DatagenKwargs(rescale=1, **both))
    np.testing.assert_allclose(found, [[[0, 0], [4, 4]]], rtol=1e-6)  # Keras adds 1e-6 to 5
    with pytest.raises(DataError, match=r"2 channels; input.datagen_kwargs has 3 values in mean"):
        standardize(image, DatagenKwargs(featurewise_center=True, mean=(1, 2, 3)))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"rotation_range": 10}, "rotation_range makes random images"),
        ({"featurewise_center": True}, "featurewise_center needs mean"),
        ({"preprocessing_function": "f.py"}, "code named in settings is never run"),
        ({"data_format": "channels_first"}, "channels last here"),
        ({"rescael": 1}, r"input.datagen_kwargs: .*'rescael'. Did you mean 'rescale'\?"),
    ],
)
def test_what_keras_would_do_and_this_does_not_is_refused(kwargs, message):
    with pytest.raises(SettingsError, match=message):
        Settings.of({"input": {"datagen_kwargs": kwargs}})


def test_what_changes_nothing_is_accepted():
    kwargs = {"rotation_range": 0, "horizontal_flip": False, "data_format": "channels_last"}
    assert Settings.of({"input": {"datagen_kwargs": kwargs}}) == Settings()


def test_impossible_images_are_refused(folder, tmp_path):
    (folder / "a" / "2.PNG").write_bytes((folder / "a" / "1.png").read_bytes()[:-30])
    with pytest.raises(DataError, match=r"2.PNG cannot be read"):
        load_dataset(folder).x_b_l[:]
    Image.fromarray(pixels(0, (9, 9))).save(folder / "a" / "2.PNG")
    with pytest.raises(DataError, match="9 x 9 pixels, the first image 5 x 4; set target_size"):
        load_dataset(folder).x_b_l[1:2]
    Image.fromarray(np.zeros((5, 4), np.uint16)).save(folder / "a" / "2.PNG")
    with pytest.raises(DataError, match="more than 8 bits per channel"):
        load_dataset(folder).x_b_l[1:2]
    with pytest.raises(DataError, match="is no folder; expected one with a sub-folder"):
        load_dataset(folder / "a" / "1.png", settings=InputSettings(dataset_format="png"))
    with pytest.raises(DataError, match=r"holds no files ending in .jpg, .jpeg"):
        load_dataset(folder, settings=InputSettings(dataset_format="jpg"))
    np.save(folder / "a" / "events.npy", np.zeros((3, 4)))
    with pytest.raises(DataError, match=r"images .* and events .*; say which in"):
        load_dataset(folder)
    with pytest.raises(DataError, match=r"shape \(5, 4, 3\).* Set target_size and color_mode"):
        load_dataset(folder, settings=InputSettings(dataset_format="png")).fit_to(
            input_shape=(5, 4, 1)
        )


def test_no_more_is_read_than_there_is(folder, monkeypatch):
    """Pillow asks for as many bytes as a chunk declares, which Python allocates first."""
    path = folder / "a" / "1.png"
    content = path.read_bytes()
    place = content.index(b"IDAT") - 4
    path.write_bytes(content[:place] + b"\x7f\xff\xff\xff" + content[place + 4 :])
    asked = []

    class Content(io.BytesIO):
        def read(self, size=-1):
            found = super().read(size)
            asked.append(len(found))
            return found

    monkeypatch.setattr("snn_core.data.images.io.BytesIO", Content)
    with contextlib.suppress(DataError):
        load_dataset(folder).x_b_l[:1]
    assert asked
    assert max(asked) <= len(content)


@pytest.mark.parametrize(("colour", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_16_bits_are_refused(folder, colour, channels):
    rows, columns = 5, 4
    header = struct.pack(">IIBBBBB", columns, rows, 16, colour, 0, 0, 0)
    content = zlib.compress((b"\0" + struct.pack(">H", 300) * columns * channels) * rows)
    chunks = [(b"IHDR", header), (b"IDAT", content), (b"IEND", b"")]
    (folder / "a" / "2.PNG").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ))  # fmt: skip
    with pytest.raises(DataError, match="more than 8 bits per channel"):
        load_dataset(folder).x_b_l[1:2]


def test_pixels_of_16_bits_have_channels_of_fewer(folder):
    pixel = struct.pack("<H", 0b1_11111_00000_00000)  # red, in an image whose rows take 4 bytes
    head = struct.pack("<IiiHHIIiiII", 40, 4, 5, 1, 16, 0, 0, 0, 0, 0, 0)
    (folder / "a" / "2.bmp").write_bytes(
        b"BM" + struct.pack("<IHHI", 54 + 40, 0, 0, 54) + head + pixel * 20
    )
    (folder / "a" / "2.PNG").unlink()
    assert load_dataset(folder).x_b_l[1:2][0, 0, 0].tolist() == [255, 0, 0]


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(DataError, match=r"pip install '.*snn-core\[images\]'"):
        load_dataset(folder)


@pytest.mark.parametrize("method", ["percentile", "mse"])
def test_calibration_streams_and_gives_the_same_network(folder, method, monkeypatch):
    network = NetworkBuilder((5, 4, 3)).flatten()
    network = network.dense(np.random.default_rng(0).normal(0, 0.2, (60, 4))).build()
    settings = Settings.of({"normalization": {"method": method, "num_samples": 2}})
    data = load_dataset(folder)
    expected = convert(network, data.x_b_l[:], settings=settings)
    monkeypatch.setattr(LazySamples, "__array__", None)  # nothing may ask for all of them
    found = convert(network, data.x_b_l, settings=settings)
    np.testing.assert_array_equal(found.output.weight_io, expected.output.weight_io)
    assert found.history == expected.history


@pytest.fixture
def grey_folder(tmp_path):
    """Return a function that writes two images of a form, and their grey levels."""

    def write(mode, suffix="png"):
        levels = []
        for seed, label in enumerate("ab"):
            path = tmp_path / f"grey-{mode}-{suffix}" / label / f"1.{suffix}"
            path.parent.mkdir(parents=True)
            levels.append(pixels(seed)[..., :1])
            image = Image.fromarray(levels[-1][..., 0])
            image.convert(mode).save(path)
        return path.parent.parent, np.stack(levels)

    return write


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("L", "png"), ("RGB", "png"), ("L", "bmp"), ("L", "tif"), ("RGB", "tiff"), ("P", "gif")],
)
def test_grey_images_have_the_channels_that_the_network_reads(grey_folder, mode, suffix):
    path, levels = grey_folder(mode, suffix)
    one = load_dataset(path, input_shape=(5, 4, 1))
    np.testing.assert_array_equal(one.x_b_l[:], levels)
    three = load_dataset(path, input_shape=(5, 4, 3))
    np.testing.assert_array_equal(three.x_b_l[:], np.repeat(levels, 3, axis=-1))
    assert load_dataset(path).x_b_l.shape == (2, 5, 4, 3)


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow reads no WebP")
def test_grey_images_of_a_lossy_format_stay_grey(tmp_path):
    (tmp_path / "a").mkdir()
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(levels).save(tmp_path / "a" / "0.webp", quality=30)
    read = np.asarray(Image.open(tmp_path / "a" / "0.webp")).astype(int)
    assert np.ptp(read, axis=-1).max() == 1  # rounded, so that its channels differ
    found = load_dataset(tmp_path, input_shape=(16, 16, 1))
    assert np.asarray(found.x_b_l[:1]).shape == (1, 16, 16, 1)


def test_a_folder_without_samples_is_told_what_it_should_hold(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=r"holds neither images nor recordings, and no x_test\.npz"):
        load_dataset(tmp_path)


def test_colours_are_lost_only_if_that_was_said(folder):
    with pytest.raises(DataError, match=r"is in colour, and the network reads grey images"):
        load_dataset(folder, input_shape=(5, 4, 1))
    said = InputSettings(dataflow_kwargs={"color_mode": "grayscale"})
    assert load_dataset(folder, settings=said, input_shape=(5, 4, 1)).x_b_l.shape == (3, 5, 4, 1)


def test_what_the_settings_say_goes_before_the_network(grey_folder):
    path, _ = grey_folder("L")
    said = InputSettings(dataflow_kwargs={"color_mode": "rgb"})
    assert load_dataset(path, settings=said, input_shape=(5, 4, 1)).x_b_l.shape == (2, 5, 4, 3)


def test_grey_images_are_converted_and_run_without_settings(grey_folder):
    path, levels = grey_folder("L", "webp" if features.check("webp") else "png")
    network = NetworkBuilder((5, 4, 1)).flatten().dense(np.ones((20, 2)) / 16).build()
    converted = convert(network, path, trial=False)
    expected = convert(network, load_dataset(path, input_shape=(5, 4, 1)).x_b_l[:], trial=False)
    assert converted.input.output_shape == levels.shape[1:]
    np.testing.assert_array_equal(converted.output.weight_io, expected.output.weight_io)
    found = run(converted, "reference", data=path, timesteps=4)
    np.testing.assert_array_equal(found.labels_b, [0, 1])


@pytest.mark.parametrize("change", ["rewritten", "replaced", "longer"])
def test_an_image_that_changes_after_it_was_hashed_is_not_used(folder, tmp_path, change):
    data, path = load_dataset(folder), folder / "b" / "x" / "1.png"
    content = path.read_bytes()
    data.x_b_l[:]
    if change == "rewritten":
        path.write_bytes(content[::-1])
        os.utime(path, ns=(0, 0))
    elif change == "longer":
        path.write_bytes(content + b"\0")
    else:  # by another file of the same size and time
        times = path.stat()
        (tmp_path / "other.png").write_bytes(content)
        os.utime(tmp_path / "other.png", ns=(times.st_atime_ns, times.st_mtime_ns))
        (tmp_path / "other.png").replace(path)
    assert data.x_b_l[:2].shape == (2, 5, 4, 3)
    with pytest.raises(DataError, match=r"1\.png changed after it was read for the first time"):
        data.x_b_l[:]


@pytest.mark.skipif(os.name == "nt", reason="files do not tell when they were touched")
def test_an_image_that_is_rewritten_with_its_old_size_and_time_is_not_used(folder):
    """As by copies that keep the times of files, of which all in an archive may have the same."""
    first, other = sorted(folder.rglob("*.png"))[:2]
    size = max(path.stat().st_size for path in (first, other))
    for path in (first, other):
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
        os.utime(path, ns=(0, 0))
    data = load_dataset(folder)
    before = data.x_b_l[:1]
    time.sleep(0.02)  # more than a tick of the clock of file systems
    first.write_bytes(other.read_bytes())
    os.utime(first, ns=(0, 0))
    with pytest.raises(DataError, match=rf"{first.name} changed after it was read"):
        data.x_b_l[:1]
    assert before.any()


@pytest.mark.parametrize("touch", ["permissions", "link", "times"])
def test_an_image_that_is_touched_alone_is_used(folder, tmp_path, touch):
    first = sorted(folder.rglob("*.png"))[0]
    data = load_dataset(folder)
    before, found = data.x_b_l[:], first.stat()
    time.sleep(0.02)  # more than a tick of the clock of file systems
    if touch == "permissions":
        first.chmod(0o600)
    elif touch == "link":
        os.link(first, tmp_path / "backup.png")
    else:
        os.utime(first, ns=(found.st_atime_ns + 10**9, found.st_mtime_ns))
    for _ in range(2):
        np.testing.assert_array_equal(data.x_b_l[:], before)


def test_an_image_that_changes_while_it_is_hashed_is_refused(folder, monkeypatch):
    real = images.hash_files

    def change(files, folder, states):
        files.paths[0].write_bytes(b"something else")
        return real(files, folder, states)

    monkeypatch.setattr(images, "hash_files", change)
    with pytest.raises(DataError, match=r"1\.png changed after it was read"):
        load_dataset(folder)


def test_a_run_ends_where_its_images_change(folder):
    net = NetworkBuilder((5, 4, 3)).flatten().dense(np.ones((60, 2)) / 64).build()
    net = convert(net, folder, trial=False)
    first, *_, last = sorted(folder.rglob("*.[pP]*"))

    def change(done, *_):
        last.write_bytes(first.read_bytes() + b"\0")

    with pytest.raises(DataError, match=rf"{last.name} changed after"):
        run(net, "reference", data=folder, timesteps=4, batch_size=1, progress=change)


def test_an_image_too_large_to_be_decoded_is_not_read_for_its_hash(folder, monkeypatch):
    with (folder / "b" / "2.png").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    monkeypatch.setenv("SNN_MEMORY_LIMIT", "1G")
    with pytest.raises(DataError, match=r"2\.png: the file would take 1024 GiB"):
        load_dataset(folder)


def see_through(path, seed):
    """Save an image with colours of a table, of which some are half transparent."""
    image = Image.fromarray(pixels(seed)).quantize(8)
    image.save(path, transparency=bytes([0, 128] * 4))


def read_often(folder):
    data = load_dataset(folder)
    for _ in range(10):
        assert data.x_b_l[:].shape == (3, 5, 4, 3)


def test_what_pillow_warns_of_is_said_once_with_the_name_of_the_image(folder):
    """It was shown with a line of Pillow's code and without a name."""
    for seed, path in enumerate(sorted(folder.rglob("*.[pP]*"))):
        see_through(path, seed)
    said = r"a.1\.png: Palette images with Transparency .*\(a warning of Pillow; other images are"
    with pytest.warns(DataWarning, match=said) as caught:
        read_often(folder)
    assert len(caught) == 1


@pytest.mark.parametrize("category", [UserWarning, RuntimeWarning])
def test_few_and_short_warnings_of_pillow_are_shown(folder, monkeypatch, category):
    numbers, plain = iter(range(100)), Image.open

    def complain(file, **options):
        warnings.warn(f"strange\n{next(numbers)} {'x' * 10_000}", category, stacklevel=1)
        return plain(file, **options)

    monkeypatch.setattr(Image, "open", complain)
    with pytest.warns(
        DataWarning, match=r"(png|PNG): strange . xxx.* \.\.\. xxx.*Look at it"
    ) as caught:
        read_often(folder)
    assert len(caught) == images._MOST_TOLD
    assert max(len(str(item.message)) for item in caught) < 500


def test_warnings_about_code_pass_as_they_are(folder, monkeypatch):
    plain = Image.open

    def complain(file, **options):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return plain(file, **options)

    monkeypatch.setattr(Image, "open", complain)
    with pytest.warns(DeprecationWarning, match="^old$"):
        load_dataset(folder)


@pytest.mark.filterwarnings("error")
def test_a_refused_image_is_not_warned_of(folder):
    content = io.BytesIO()
    Image.fromarray(pixels(0)).save(content, "TIFF", compression="tiff_lzw")
    (folder / "a" / "1.png").write_bytes(content.getvalue()[:-20])
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        load_dataset(folder)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp", "gif", "jpg"])
def test_files_that_are_cut_off_are_refused(tmp_path, ending):
    path = tmp_path / "data" / "a" / f"1.{ending}"
    path.parent.mkdir(parents=True)
    Image.fromarray(pixels(0, (40, 40))).save(path)
    content = path.read_bytes()
    for share in (0.9, 0.5, 0.1):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=rf"1\.{ending} cannot be read"):
            load_dataset(tmp_path / "data")
