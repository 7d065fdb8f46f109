"""Base class of the groups of tests for parsers: making sources and reading them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import pytest

from snn_core.ir import Network
from snn_core.parsing.base import Parser
from snn_core.parsing.exactness import TOLERANCE
from snn_core.typing import Array, Float, Shape

Make: TypeAlias = Callable[[Path], Any]
"""Gets an empty folder and returns a source: a path in it, or an object."""

NUM_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """A source with several parts that cannot be converted.

    Parameters
    ----------
    make
        Makes the source.
    problems
        Name of each offending layer, as the error has to spell it, to its type.
    """

    make: Make
    problems: Mapping[str, str] = field(default_factory=dict)


class ParserSuite:
    """Base class of the groups of tests.

    Parameters
    ----------
    parser
        The class under test.
    sources
        Name to a function that makes a source which can be converted. The more of them, the more
        the tests tell; one file and, if the parser reads them, one object at least. Weights should
        be random.
    refusals
        Name to a source with several problems.
    open_sources
        Name to a source that leaves the shape of its input open, and a shape that fits.
    input_shapes
        Name of a source to the ``input_shape`` that it needs, where it needs one.
    heavy_modules
        Modules that must not be imported before a source is read.
    tolerance
        Largest difference from the framework, relative to the largest output.
    """

    parser: ClassVar[type[Parser]]
    sources: ClassVar[Mapping[str, Make]] = {}
    refusals: ClassVar[Mapping[str, Refusal]] = {}
    open_sources: ClassVar[Mapping[str, tuple[Make, Shape]]] = {}
    input_shapes: ClassVar[Mapping[str, Shape]] = {}
    heavy_modules: ClassVar[tuple[str, ...]] = ()
    tolerance: ClassVar[float] = TOLERANCE

    @staticmethod
    def framework(source: Any, x_b_l: Float[Array, "b *l"]) -> Array | None:
        """Return what the framework computes for samples in the axis order of the network.

        Override it where the parser has no method ``run``, or to have that one judged too.
        """
        return None

    @contextmanager
    def each(self, name: str) -> Iterator[Any]:
        """Yield a source, freshly made; errors say which one it was."""
        with tempfile.TemporaryDirectory() as folder, _name_source(name):
            yield self.sources[name](Path(folder))

    @contextmanager
    def made(self, name: str, make: Make) -> Iterator[Any]:
        """Yield what a function makes in a folder of its own."""
        with tempfile.TemporaryDirectory() as folder, _name_source(name):
            yield make(Path(folder))

    def read(self, name: str, source: Any) -> Network:
        """Return the network of a source, in the source dialect."""
        return self.parser().parse(source, input_shape=self.input_shapes.get(name))

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield every source that is a file; skip the test if there is none."""
        found = False
        for name in self.sources:
            with self.each(name) as source:
                if is_file(source):
                    found = True
                    yield name, Path(source)
        if not found:
            pytest.skip("names no source that is a file")


@contextmanager
def _name_source(name: str) -> Iterator[None]:
    """Add the name of the source to failures."""
    try:
        yield
    except AssertionError as error:
        if str(error).startswith("source "):
            raise
        raise AssertionError(f"source {name!r}: {error}") from error


def is_file(source: Any) -> bool:
    """Return whether a source is the path of a file."""
    return isinstance(source, (str, PathLike)) and Path(source).is_file()


def samples(network: Network, *, seed: int = 0) -> Float[Array, "b *l"]:
    """Return samples of both signs for a network."""
    shape = (NUM_SAMPLES, *network.input.output_shape)
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)
