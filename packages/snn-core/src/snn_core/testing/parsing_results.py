"""Conformance of parsers: networks of sources that can be converted, refusals of others."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core import artifact
from snn_core.errors import OpenShapeError, ParseError, UnsupportedError
from snn_core.evaluation.forward import check_consistent, predict
from snn_core.ir import Network
from snn_core.ir.validation import require_valid
from snn_core.parsing.base import RunningParser
from snn_core.parsing.exactness import difference
from snn_core.passes import run_structural
from snn_core.testing.parsing_suite import ParserSuite, samples
from snn_core.typing import Array


class ParserResults(ParserSuite):
    """Tests of networks and refusals."""

    def test_exactness(self) -> None:
        """The parsed network computes what the framework computes.

        If this fails: the message says how far off it is. Look at the order of axes, at what the
        framework does at borders, and at layers that behave otherwise in training.
        """
        for name in self.sources:
            with self.each(name) as source:
                network = run_structural(self.read(name, source))
                x_b_l = samples(network)
                expected, engine, kinds = self._run_framework(name, source, x_b_l)
                assert np.abs(expected).max() > 0, "all outputs are 0, which would prove nothing"
                found = predict(network, x_b_l)
                assert found.shape == expected.shape, (
                    f"outputs of shape {found.shape}; the framework gives {expected.shape}"
                )
                result = difference(found, expected, engine=engine, computed_in=kinds)
                assert result.is_within(self.tolerance), str(result)

    def test_run(self) -> None:
        """``run`` returns outputs and the version, the same for a batch and for single samples.

        If this fails: ``run`` gets samples in the axis order of the network and returns the outputs
        in the order of the network; it evaluates, so nothing random or batch-wise may be left on.
        """
        parser = self.parser()
        if not isinstance(parser, RunningParser):
            pytest.skip("has no method run")
        for name in self.sources:
            with self.each(name) as source:
                network = run_structural(self.read(name, source))
                x_b_l = samples(network, seed=1)
                found = self._run(parser, name, source, x_b_l)
                if found is None:
                    pytest.skip("the framework is not installed")
                outputs, engine, *kinds = found
                assert isinstance(engine, str), f"names its framework {engine!r}"
                assert any(c.isdigit() for c in engine), f"{engine!r} names no version"
                assert outputs.shape == (len(x_b_l), *network.output.output_shape), (
                    f"outputs of shape {outputs.shape}"
                )
                for i in range(len(x_b_l)):
                    single = self._run(parser, name, source, x_b_l[i : i + 1])
                    assert single is not None
                    result = difference(
                        single[0], outputs[i : i + 1], engine=engine, computed_in=kinds
                    )
                    assert result.is_within(self.tolerance), f"sample {i} alone: {result}"

    def test_network(self) -> None:
        """The parsed network is consistent, and its history begins with where it comes from.

        If this fails: shapes have no axis for samples, and channels come last. Let the first line
        of ``history`` name the source.
        """
        for name in self.sources:
            with self.each(name) as source:
                network = self.read(name, source)
                assert isinstance(network, Network), f"parse returned {network!r}"
                _require_sound(run_structural(network))
                assert network.history, "its history is empty"
                for layer in network:
                    assert all(array.dtype == np.float32 for array in layer.arrays.values())

    def test_determinism(self) -> None:
        """Reading a source twice gives the same network, byte by byte.

        If this fails: look for sets whose order leaks into names or order, and for random numbers.
        """
        for name in self.sources:
            with self.each(name) as source:
                first, second = (
                    artifact.dumps(run_structural(self.read(name, source))) for _ in range(2)
                )
                assert first == second, "two readings differ"

    def test_leaves_the_world_alone(self) -> None:
        """Reading a source changes no random state, no working folder and no environment.

        If this fails: work on copies, and draw nothing from the global generators.
        """
        for name in self.sources:
            with (
                self.each(name) as source,
                require_unchanged("random state, folder or environment"),
            ):
                self.read(name, source)

    def test_all_problems_at_once(self) -> None:
        """A refusal names every offending layer and its type, in one error.

        If this fails: go on after the first problem, collect the others and raise one
        `UnsupportedError`. Users mend their model once.
        """
        if not self.refusals:
            pytest.skip("names no refusals")
        for name, refusal in self.refusals.items():
            with self.made(name, refusal.make) as source:
                problems = self._find_refusals(name, source)
                for layer, kind in refusal.problems.items():
                    lines = [line for line in problems if layer in line]
                    assert lines, f"{layer} is missing among {problems}"
                    assert any(kind in line for line in lines), f"{kind} is missing in {lines}"
                    assert all(len(line) > len(layer) + len(kind) + 5 for line in lines), (
                        f"no reason in {lines}"
                    )

    def test_open_shapes(self) -> None:
        """A source that leaves its input shape open says so, and is read if the shape is given.

        If this fails: raise an `OpenShapeError` that names ``input_shape``, so that calibration
        samples can answer it, and have ``parse`` use the shape.
        """
        if not self.open_sources:
            pytest.skip("names no open_sources")
        for name, (make, shape) in self.open_sources.items():
            with self.made(name, make) as source:
                with pytest.raises(OpenShapeError, match="shape"):
                    self.parser().parse(source)
                _require_sound(run_structural(self.parser().parse(source, input_shape=shape)))

    def _find_refusals(self, name: str, source: Any) -> tuple[str, ...]:
        """Return the problems for which a source is refused."""
        try:
            run_structural(self.read(name, source))
        except UnsupportedError as error:
            return error.problems
        except ParseError as error:
            raise AssertionError(f"expected an UnsupportedError; found {error!r}") from error
        raise AssertionError("was not refused")

    def _run_framework(
        self, name: str, source: Any, x_b_l: Array
    ) -> tuple[Array, str, tuple[str, ...]]:
        """Return the framework's output, its name, and that of its type of numbers if it says so.

        The test is skipped where the framework is missing.
        """
        found = self.framework(source, x_b_l)
        if found is not None:
            return np.asarray(found), "the framework", ()
        parser = self.parser()
        ran = self._run(parser, name, source, x_b_l) if isinstance(parser, RunningParser) else None
        if ran is None:
            pytest.skip("nothing to compare with: no method run, no `framework` or not installed")
        return np.asarray(ran[0]), ran[1], ran[2:]

    def _run(
        self, parser: RunningParser, name: str, source: Any, x_b_l: Array
    ) -> tuple[Array, str] | tuple[Array, str, str] | None:
        return parser.run(source, x_b_l, input_shape=self.input_shapes.get(name))


@contextmanager
def require_unchanged(what: str) -> Iterator[None]:
    """Assert that the global state is the same afterwards."""
    random.random(), np.random.random()  # noqa: NPY002, S311 - so that seeding shows
    before = _state()
    yield
    assert _state() == before, f"{what} changed"


def _state() -> tuple[Any, ...]:
    state: Any = np.random.get_state()  # noqa: NPY002 - the global one is looked at
    numbers = (state[1].tobytes(), *state[2:])
    return random.getstate(), numbers, Path.cwd(), dict(os.environ)


def _require_sound(network: Network) -> None:
    """Make sure that layers hold what they may, and that they fit together."""
    require_valid(network)
    check_consistent(network)
