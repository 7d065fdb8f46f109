"""Runs of a small exact network on the reference simulator, with everything recorded."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from snn_core import predict, run
from snn_core.cli import main
from snn_core.data import Dataset
from snn_core.ir import Linear, Sigmoid
from snn_core.settings import RECORDABLE, Settings
from snn_core.testing.builder import NetworkBuilder
from snn_core.testing.networks import dyadic

STEPS, SAMPLES, CLASSES = 20, 7, 4


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-baseline", action="store_true", help="draw the pictures in tests/baseline anew"
    )


def numbers(seed: int) -> np.random.Generator:
    return np.random.default_rng([7, seed])


@pytest.fixture(scope="session")
def network():
    """Return conv 3, dense 40, dense 4 on 6 x 6 images; weights and biases are dyadic."""
    rng = numbers(0)
    builder = NetworkBuilder((6, 6, 1))
    builder = builder.conv2d(dyadic((3, 3, 1, 3), rng, low=-0.2, high=0.4)).flatten()
    builder = builder.dense(dyadic((48, 40), rng, low=-0.1, high=0.12))
    return builder.dense(dyadic((40, CLASSES), rng, low=-0.3, high=0.4)).build()


@pytest.fixture(scope="session")
def data():
    """Return samples and labels."""
    rng = numbers(1)
    x = dyadic((SAMPLES, 6, 6, 1), rng, low=0, high=15 / 16, unit=2**-4)
    return x, rng.integers(0, CLASSES, SAMPLES)


@pytest.fixture(scope="session")
def make_run(network, data) -> Callable[..., Any]:
    """Return a function that simulates; batches of 3, so that the last one is smaller."""

    def make(
        output_dir: Path | None = None,
        *,
        log_vars=RECORDABLE,
        steps=STEPS,
        dt=1.0,
        batch_size=3,
        classes=(),
    ):
        settings = Settings.of(
            {
                "simulation": {"duration": steps * dt, "dt": dt, "batch_size": batch_size},
                "output": {"log_vars": list(log_vars)},
            }
        )
        named = Dataset.of(*data, classes=classes)
        return run(network, "reference", data=named, settings=settings, output_dir=output_dir)

    return make


@pytest.fixture(scope="session")
def run_dir(make_run, tmp_path_factory) -> Path:
    """Return a result folder with everything recorded."""
    path = tmp_path_factory.mktemp("runs") / "everything"
    make_run(path)
    return path


@pytest.fixture(scope="session")
def plain_dir(make_run, tmp_path_factory) -> Path:
    """Return a result folder with nothing recorded."""
    path = tmp_path_factory.mktemp("runs") / "plain"
    make_run(path, log_vars=(), steps=10)
    return path


@pytest.fixture(scope="session")
def named_dir(make_run, tmp_path_factory) -> Path:
    """Return a result folder of classes with names."""
    path = tmp_path_factory.mktemp("runs") / "named"
    make_run(path, log_vars=("input",), steps=10, classes=("ant", "bee", "cat", "dog"))
    return path


TASKS = ("binary", "multilabel", "regression", "unlabelled classes", "unlabelled numbers")


@pytest.fixture(scope="session")
def task_dirs(tmp_path_factory) -> dict[str, Path]:
    """Return result folders of outputs that are no classes, or have no labels, by name."""
    rng = numbers(5)
    x = dyadic((60, 8), rng, low=0, high=15 / 16, unit=2**-4)
    hidden = NetworkBuilder((8,)).dense(dyadic((8, 30), rng, low=-0.4, high=0.5))
    weight = dyadic((30, 3), rng, low=-0.4, high=0.4)
    linear = hidden.dense(weight, activation=Linear()).build().replace(readout="membrane")

    def with_outputs(number, activation):
        out = replace(
            linear.output,
            weight_io=weight[:, :number].astype(np.float32),
            bias_o=np.zeros(number, np.float32),
            output_shape=(number,),
            activation=activation,
        )
        return linear.replace(out)

    values = predict(linear, x)
    noisy = values + 0.2 * rng.normal(size=values.shape).astype(np.float32)
    cases = {
        "binary": (with_outputs(1, Sigmoid()), (noisy[:, 0] > 0).astype(int)),
        "multilabel": (with_outputs(3, Sigmoid()), (noisy > 0).astype(int)),
        "regression": (linear, noisy),
        "unlabelled classes": (linear, None),
        "unlabelled numbers": (with_outputs(1, Linear()), None),
    }
    found = {}
    settings = Settings.of(
        {
            "simulation": {"duration": STEPS, "batch_size": 25},
            "conversion": {"readout": "membrane"},
        }
    )
    for name, (network, labels) in cases.items():
        found[name] = tmp_path_factory.mktemp("tasks") / name
        run(network, "reference", data=(x, labels), settings=settings, output_dir=found[name])
    return found


# Before 8.2, click's runner mixed standard error into standard output unless told otherwise.
_SEPARATE: dict[str, Any] = (
    {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
)


@pytest.fixture
def snn() -> Callable[..., Result]:
    """Return a function that runs ``snn`` with arguments; bugs raise."""

    def call(*arguments: object) -> Result:
        result = CliRunner(**_SEPARATE).invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call
