"""The preparation of images by settings: its description, and a warning about arrays."""

import numpy as np
import pytest

from snn_core.data import Dataset
from snn_core.data.lazy import LazyItems
from snn_core.data.preparation import check_preparation, describe_entry, describe_preparation
from snn_core.errors import DataWarning
from snn_core.ir import InputData
from snn_core.settings import InputSettings

CENTRED = {"featurewise_center": True, "mean": 0.5}
NORMALIZED = {
    "featurewise_center": True,
    "mean": (0.5, 0.25),
    "featurewise_std_normalization": True,
    "std": 0.25,
}
SAMPLEWISE = {"samplewise_center": True, "samplewise_std_normalization": True}
NOTHING = {"mean": 0.5, "std": 0.25}

RAW = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)


def settings(changes, **others):
    return InputSettings.model_validate({"datagen_kwargs": changes, **others})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        (NOTHING, ""),
        ({"rescale": 1 / 255}, "÷ 255"),
        ({"rescale": 0.3}, "× 0.3"),
        (CENTRED, "÷ 255, - 0.5"),
        (NORMALIZED, "÷ 255, - (0.5, 0.25), ÷ 0.25"),
        (SAMPLEWISE, "÷ 255, - mean of each image, ÷ standard deviation of each image"),
    ],
)
def test_it_says_what_is_done_to_images(changes, text):
    assert describe_preparation(settings(changes)) == text


def test_without_a_factor_images_are_scaled_as_bytes():
    assert describe_preparation(settings(CENTRED, uint8_scale=1)) == "× 1, - 0.5"


@pytest.mark.parametrize(
    ("data", "changes", "text"),
    [
        (InputData(), {}, "uint8 ÷ 255"),
        (InputData(low=0.0, high=1.0), NOTHING, "uint8 ÷ 255"),
        (InputData(low=-1.4, high=0.9), {}, ""),
        (InputData(low=0.0, high=2.6), {}, ""),
        (InputData(low=-1.4, high=2.6, decided_by="user"), {}, "uint8 ÷ 255, as asked"),
        (InputData(low=-1.4, high=2.6), CENTRED, "images ÷ 255, - 0.5"),
    ],
)
def test_it_says_how_samples_enter(data, changes, text):
    assert describe_entry(data, settings(changes)) == text


@pytest.mark.parametrize(("kind", "entry"), [("f4", "as they are"), ("u1", "as uint8 ÷ 255")])
def test_arrays_for_a_network_of_prepared_images_are_named(kind, entry):
    with pytest.warns(DataWarning) as caught:
        check_preparation(Dataset.of(RAW.astype(kind)), InputData(), settings(CENTRED))
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith(f"arrays in memory: these samples enter {entry};")
    assert "prepare images (÷ 255, - 0.5), but no arrays" in message


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, {}),
        (NOTHING, {}),
        (CENTRED, {"preparation": "÷ 255, - 0.5"}),
        (CENTRED, {"events_b": LazyItems(lambda i: None, range(2))}),
    ],
)
@pytest.mark.filterwarnings("error")
def test_other_samples_are_fine(changes, how):
    data = Dataset(x_b_l=RAW, labels_b=None, sample_ids=range(2), name="x", sha256="", **how)
    check_preparation(data, InputData(), settings(changes))
