"""The public functions: what they are called with by mistake is answered in words."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import snn_core
from snn_core import convert, load, parse, predict, run, save
from snn_core.artifact import dumps, fingerprint
from snn_core.conversion import costs, preset
from snn_core.data import load_dataset
from snn_core.errors import DataError, OpenShapeError, ParseError, SNNError, UnsupportedError
from snn_core.ir import Network
from snn_core.ir.network import require_network
from snn_core.running.result import RunResult
from snn_core.settings import Settings, read_assignments
from snn_core.testing.builder import NetworkBuilder

NETWORK = NetworkBuilder((4,)).dense(np.eye(4)).dense(np.ones((4, 2))).build()
X = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4)


def test_the_package_shows_its_public_names_alone():
    assert dir(snn_core) == [
        "__version__", "convert", "load", "parse", "predict", "run", "save",
    ]  # fmt: skip


MISTAKES = {
    "convert nothing": lambda: convert(None, X),
    "convert without data": lambda: convert(NETWORK, None),
    "convert with a number of samples": lambda: convert(NETWORK, 20),
    "convert with settings as a path": lambda: convert(NETWORK, X, settings="settings.toml"),
    "convert with an unknown check": lambda: convert(NETWORK, X, check="maybe"),
    "convert with steps in words": lambda: convert(NETWORK, X, timesteps="many"),
    "convert with half a step": lambda: convert(NETWORK, X, timesteps=0.5),
    "convert with a scale in words": lambda: convert(NETWORK, X, uint8_scale="small"),
    "convert with a shape of one number": lambda: convert("model.keras", X, input_shape=4),
    "load nothing": lambda: load(None),
    "load a number": lambda: load(5),
    "load what is not there": lambda: load("nowhere.snn"),
    "parse nothing": lambda: parse(None),
    "parse with a shape of texts": lambda: parse("model.keras", input_shape=("3", "4")),
    "parse with an empty shape": lambda: parse("model.keras", input_shape=()),
    "parse with a negative size": lambda: parse("model.keras", input_shape=(3, -1)),
    # The tests check annotated types, so this is what `predict` calls.
    "predict with a path": lambda: require_network("model.snn"),
    "predict without samples": lambda: predict(NETWORK, None),
    "predict words": lambda: predict(NETWORK, ["a", "b"]),
    "save a path": lambda: save("model.snn", "other.snn"),
    "save to nothing": lambda: save(NETWORK, None),
    "run nothing": lambda: run(None, data=X),
    "run without data": lambda: run(NETWORK, "reference", data=None),
    "run a dictionary of other names": lambda: run(NETWORK, "reference", data={"a": X}),
    "run on a number": lambda: run(NETWORK, 5, data=X),
    "run on a list": lambda: run(NETWORK, ["reference"], data=X),
    "run into a number": lambda: run(NETWORK, "reference", data=X, output_dir=5),
    "run with progress as a switch": lambda: run(NETWORK, "reference", data=X, progress=True),
    "run with stop as a switch": lambda: run(NETWORK, "reference", data=X, stop=True),
    "run with settings as a list": lambda: run(NETWORK, "reference", data=X, settings=[1]),
    "run with a section that is a number": lambda: run(
        NETWORK, "reference", data=X, settings={"simulation": 5}
    ),
    "run under a number": lambda: run(NETWORK, "reference", data=X, name=5),
    "load samples with an unknown setting": lambda: load_dataset(".", settings={"shape": 3}),
    "ask for a class in words": lambda: run(NETWORK, "reference", data=X).class_name("ant"),
    "ask for a preset by a list": lambda: preset(["fast"]),
    "ask what a path cost": lambda: costs(None),
    "write the bytes of nothing": lambda: dumps(None),
    "name nothing": lambda: fingerprint(None),
    "save a provenance in words": lambda: save(NETWORK, "new.snn", provenance="mine"),
    "save a provenance of arrays": lambda: save(NETWORK, "new.snn", provenance={"x": X}),
    "assign settings by nothing": lambda: read_assignments(None),
    "make a network of nothing": lambda: Network(layers=None),
    "make a network of words": lambda: Network(layers=("dense",)),
    "make a network with scales in a list": lambda: replace(NETWORK, scale_facs=[1.0]),
    "replace a layer by its name": lambda: NETWORK.replace("00Dense_4"),
    "ask for settings by a number": lambda: NETWORK.settings_for(3),
    "ask for a layer by a list": lambda: NETWORK[["00Dense_4"]],
    "ask what reads an unknown layer": lambda: NETWORK.outbound("nowhere"),
    "read results of nothing": lambda: RunResult.load(None),
    "read settings of nothing": lambda: Settings.load(None),
    "ask for an unknown layer": lambda: NETWORK["nowhere"],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_an_error_of_this_package(mistake):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SNNError):
            MISTAKES[mistake]()


class Model:
    """A model that leaves the shape of its input open."""


class OpenParser:
    """A parser of it, in its order of axes."""

    name = "open"
    reads = "models that leave their shape open"

    def __init__(self, *, channels_first, refuses=False):
        self.channels_first, self.refuses = channels_first, refuses

    def accepts(self, source):
        return isinstance(source, Model)

    def parse(self, source, *, input_shape=None):
        if input_shape is None:
            raise OpenShapeError("The model leaves its shape open.")
        if self.channels_first and (len(input_shape) != 3 or input_shape[0] not in (1, 3)):
            raise ParseError("Expected 1 or 3 channels, rows and columns.")
        if self.refuses:
            raise UnsupportedError(["a layer that nobody knows"])
        shape = (*input_shape[1:], input_shape[0]) if self.channels_first else input_shape
        return NetworkBuilder(shape).flatten().dense(np.ones((int(np.prod(shape)), 2))).build()


@pytest.fixture
def parsers(monkeypatch):
    """Return a function that makes one parser the only one."""

    def install(**options):
        found = (OpenParser(**options),)
        monkeypatch.setattr("snn_core.parsing.base.installed_parsers", lambda: found)

    return install


@pytest.mark.parametrize(
    ("channels_first", "shape", "expected"),
    [
        (False, (4,), (4,)),
        (False, (4, 5, 3), (4, 5, 3)),
        (True, (4, 5, 3), (4, 5, 3)),
        (True, (4, 5), (4, 5, 1)),
    ],
)
def test_the_samples_tell_a_shape_that_the_model_leaves_open(
    parsers, channels_first, shape, expected
):
    parsers(channels_first=channels_first)
    x = np.random.default_rng(0).random((6, *shape)).astype(np.float32)
    network = convert(Model(), x, check="off", trial=False)
    assert network.input.output_shape == expected
    assert any("from the calibration samples" in line for line in network.history)
    np.testing.assert_array_equal(
        predict(network, x.reshape(6, *expected)),
        predict(convert(Model(), x, input_shape=_given(expected, channels_first=channels_first),
                        check="off", trial=False), x.reshape(6, *expected)),
    )  # fmt: skip


def _given(shape, *, channels_first):
    return (shape[-1], *shape[:-1]) if channels_first else shape


def test_samples_with_channels_first_are_told_so_where_the_model_leaves_its_shape_open(parsers):
    parsers(channels_first=True)
    x = np.random.default_rng(0).random((6, 3, 4, 5)).astype(np.float32)
    with pytest.raises(DataError, match=r"channels first.*x\.transpose\(0, 2, 3, 1\)"):
        convert(Model(), x, check="off", trial=False)


def test_samples_that_can_be_had_only_once(parsers):
    parsers(channels_first=False)
    network = convert(Model(), iter([(x, 0) for x in X]), check="off", trial=False)
    assert network.input.output_shape == (4,)


def test_what_cannot_be_converted_in_any_order_is_said(parsers):
    parsers(channels_first=True, refuses=True)
    x = np.random.default_rng(0).random((6, 4, 5, 3)).astype(np.float32)
    with pytest.raises(UnsupportedError, match="a layer that nobody knows"):
        convert(Model(), x, check="off", trial=False)


def test_samples_that_do_not_tell_the_shape_leave_the_question_open(parsers):
    parsers(channels_first=True)
    with pytest.raises(ParseError, match=r"leaves its shape open. The calibration .* \(4,\)"):
        convert(Model(), X, check="off", trial=False)
    with pytest.raises(OpenShapeError):
        parse(Model())
