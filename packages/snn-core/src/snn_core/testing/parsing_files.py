"""Conformance of parsers: files that are missing, damaged or hostile."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snn_core import artifact
from snn_core.errors import ParseError, SNNError
from snn_core.parsing.base import installed_parsers, parse
from snn_core.passes import run_structural
from snn_core.testing.parsing_suite import ParserSuite, samples

CUTS = (0.01, 0.3, 0.6, 0.9, 0.98)
"""Shares of a file that are left of it."""

FLIPS = 24
"""How many damaged copies of a file are read."""


class ParserFiles(ParserSuite):
    """Tests of files."""

    def test_files_stay_as_they_are(self) -> None:
        """Reading a file neither changes it nor leaves another one behind.

        If this fails: open files for reading only, and keep temporary ones elsewhere.
        """
        for name, path in self.files():
            before = {item.name: item.read_bytes() for item in path.parent.iterdir()}
            self.read(name, path)
            after = {item.name: item.read_bytes() for item in path.parent.iterdir()}
            assert before == after, f"source {name!r}: its folder changed"

    def test_missing_files(self) -> None:
        """A file that is missing, empty or a folder is an error that names it.

        If this fails: raise a `ParseError` with the path from ``parse``; `snn_core.parsing.parse`
        checks too, but a parser may be called directly.
        """
        for name, path in self.files():
            empty = path.with_name(f"empty{path.suffix}")
            folder = path.with_name(f"folder{path.suffix}")
            empty.touch()
            folder.mkdir()
            for wrong in (path.with_name(f"gone{path.suffix}"), empty, folder):
                self._fails(name, wrong, naming=wrong.name)

    def test_truncated_files(self) -> None:
        """A file that breaks off is a `ParseError`, wherever it does.

        If this fails: catch what the library for this format raises and say that the file is
        damaged.
        """
        for name, path in self.files():
            content = path.read_bytes()
            for cut in CUTS:
                path.write_bytes(content[: int(len(content) * cut)])
                self._fails(f"{name}, cut to {cut:.0%}", path)

    def test_damaged_files(self) -> None:
        """A file with wrong bytes is read or an `SNNError`; nothing else is ever raised.

        If this fails: the message shows what came through. Check what is read before it is used.
        """
        rng = np.random.default_rng(0)
        for name, path in self.files():
            content = bytearray(path.read_bytes())
            for _ in range(FLIPS):
                damaged = bytearray(content)
                # Most of what describes a model lies at the ends of its file.
                end = min(len(content), int(rng.choice([256, 4096, len(content)])))
                for place in rng.integers(0, end, 4):
                    damaged[place if rng.random() < 0.5 else -1 - place] = rng.integers(256)
                path.write_bytes(bytes(damaged))
                try:
                    self.read(name, path)
                except SNNError:
                    pass
                except Exception as error:  # what must not happen
                    raise AssertionError(f"source {name!r}, damaged: {error!r}") from error

    def test_foreign_files(self) -> None:
        """A file of another format under the parser's suffix is a `ParseError`.

        If this fails: check the first bytes, or what the library for this format raises.
        """
        for name, path in self.files():
            for content in (b"hello", b"\0" * 512, b"{}", b"[]", b"PK\x03\x04" + b"\0" * 100):
                path.write_bytes(content)
                self._fails(f"{name}, replaced by {content[:5]!r}", path)

    def test_nothing_is_executed(self) -> None:
        """A pickle under the parser's suffix is refused without running what it says.

        If this fails: never unpickle, and read arrays with ``allow_pickle=False``. Whoever is sent
        a model must be able to look into it.
        """
        for name, path in self.files():
            trace = path.with_name("trace")
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                path.write_bytes(pickle.dumps(_Hostile(trace), protocol=protocol))
                self._fails(f"{name}, replaced by a pickle", path)
                assert not trace.exists(), f"source {name!r}: the code in a pickle was run"

    def test_command_line(self) -> None:
        """``snn convert`` turns a file into an artifact.

        If this fails: the message ends with what the command wrote.
        """
        if not any(isinstance(parser, self.parser) for parser in installed_parsers()):
            pytest.skip("cannot be found by the command: see test_is_registered")
        for name, path in self.files():
            network = run_structural(self.read(name, path))
            if len(network.output.output_shape) != 1:
                continue
            with tempfile.TemporaryDirectory() as folder:
                data, out = Path(folder) / "data.npz", Path(folder) / "net.snn"
                np.savez(data, x=samples(network))
                files = (str(path), "--data", str(data), "-o", str(out))
                command = [sys.executable, "-m", "snn_core", "convert", *files]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, f"source {name!r}: {done.stdout}\n{done.stderr}"
                converted = artifact.load(out)
                assert converted.input.output_shape == network.input.output_shape
            return
        pytest.skip("names no file of a classifier")

    def _fails(self, name: str, path: Path, *, naming: str = "") -> None:
        """Assert that a path is a `ParseError`, called directly and as users do."""
        for message in (self._error(name, path), self._error(name, path, directly=False)):
            assert naming in message, f"source {name!r}: {naming} is missing in: {message}"

    def _error(self, name: str, path: Path, *, directly: bool = True) -> str:
        """Return the message of the `ParseError` that reading a file ends in."""
        try:
            if directly:
                self.parser().parse(path)
            else:
                parse(path, parsers=[self.parser()])
        except ParseError as error:
            return str(error)
        except Exception as error:
            raise AssertionError(
                f"source {name!r}: expected a ParseError; found {error!r}"
            ) from error
        raise AssertionError(f"source {name!r}: was read without complaint")


class _Hostile:
    """Object that touches a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)
