"""The `Parser` protocol, and the choice of the parser that reads a model.

Parsers are found through the entry point group ``snn.parsers``; the core registers its own there
too. A parser returns a network of the source dialect; `parse` brings it into the form that
conversion works on. ``docs/adding-a-parser.md`` leads through writing one.
"""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from snn_core.errors import ParseError, printable_line
from snn_core.files import ARRAY_SUFFIXES, as_path, describe_path, require_file
from snn_core.installing import how_to_install
from snn_core.ir import Network
from snn_core.ir.shapes import count
from snn_core.ir.validation import require_valid
from snn_core.passes import run_structural
from snn_core.phases import phase
from snn_core.reading import limit_memory, spend, while_reading
from snn_core.typing import Array, Shape

GROUP = "snn.parsers"

_NAME = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@runtime_checkable
class Parser(Protocol):
    """Protocol of a parser, which reads one kind of model."""

    name: str
    """Short name, for example ``keras``."""

    reads: str
    """What it reads, human-readable: ``Keras models (.keras, .h5)``."""

    def accepts(self, source: Any) -> bool:
        """Return whether a file or object looks like this parser's, without reading it in full."""
        ...

    def parse(self, source: Any, *, input_shape: Shape | None = None) -> Network:
        """Return the network, in the source dialect.

        Parameters
        ----------
        input_shape
            Shape of one sample in the source's axis order; needed where the source leaves it open.

        Raises
        ------
        ParseError
            If the source is damaged.
        UnsupportedError
            With every part of the model that has no spiking counterpart.
        """
        ...


@runtime_checkable
class RunningParser(Parser, Protocol):
    """Protocol of a parser that can also evaluate the source with its own framework.

    The method is optional. Where it exists, `snn_core.parsing.exactness` compares what the
    framework computes with what the parsed network does. An attribute ``framework`` may say what to
    install for it, for example ``keras and tensorflow``. A method ``vouches(source)`` may return
    why it is not worth the time to start the framework for a source; empty if it is.
    """

    def run(
        self, source: Any, x_b_l: Array, *, input_shape: Shape | None = None
    ) -> tuple[Array, str] | tuple[Array, str, str] | None:
        """Evaluate the source with its own framework.

        Parameters
        ----------
        source
            What `parse` reads. Nothing in it may be executed that `parse` would refuse.
        x_b_l
            Samples, shape ``(samples, *network.input.output_shape)``: in the axis order of the
            parsed network, whatever that of the source is.
        input_shape
            As in `parse`.

        Returns
        -------
        The outputs, shape ``(samples, *network.output.output_shape)``, in the type in which they
        were computed where that is half precision; the name and version of the framework; and, if
        it is another, the name of the type in which they were computed, such as ``bfloat16``, which
        NumPy lacks. ``None`` where the framework is not installed.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelName:
    """Name of a model that Python code defines, ``package.module:attribute``.

    Parameters
    ----------
    target
        Its name, ``package.module:attribute``.
    weights
        A file with its weights, if they do not come with it.
    """

    target: str
    weights: Path | None = None

    @classmethod
    def of(cls, source: str | PathLike[str]) -> ModelName | None:
        """Return the name that a string is, unless it looks like a path."""
        return cls(str(source)) if _NAME.fullmatch(str(source)) else None


def installed_parsers() -> tuple[Parser, ...]:
    """Return one instance of every registered parser, ordered by name.

    Raises
    ------
    ParseError
        If a registered parser cannot be imported or is no parser.
    """
    found: list[Parser] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        origin = entry.dist.name if entry.dist is not None else "an unknown package"
        try:
            parser = entry.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise ParseError(
                f"The parser {entry.name!r} of {origin} cannot be loaded ({error}); reinstall or "
                f"remove that package."
            ) from error
        if not isinstance(parser, Parser):
            raise ParseError(
                f"The parser {entry.name!r} of {origin} lacks name, reads, accepts or parse; "
                f"update or remove that package."
            )
        found.append(parser)
    return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """Result of reading a model: its network, and what it was read from.

    Parameters
    ----------
    source
        What was read: a path, an object or a `ModelName`.
    parser
        What read it.
    input_shape
        The shape that was given for it.
    network
        Its network ready for conversion.
    """

    source: Any
    parser: Parser
    input_shape: Shape | None
    network: Network

    @property
    def is_from_file(self) -> bool:
        """Whether its weights were read from a file."""
        # A source that was named and needs no file of weights is the object by now.
        return isinstance(self.source, (str, PathLike, ModelName))

    @property
    def dialect(self) -> Network:
        """Its network in the source dialect, for the passes on weights as they were trained.

        It is read again, as few need it and its weights take as much memory as the network's.
        """
        dialect = _parse_with(self.parser, self.source, self.input_shape)
        return dialect.replace(input_data=self.network.input_data)


def parse(
    source: Any,
    *,
    input_shape: Shape | None = None,
    parsers: Sequence[Parser] | None = None,
) -> Network:
    """Read a trained model and return its network, ready for conversion.

    As `read`, for those who need no more than the network.
    """
    return read(source, input_shape=input_shape, parsers=parsers).network


@phase("reading the model")
def read(
    source: Any,
    *,
    input_shape: Shape | None = None,
    parsers: Sequence[Parser] | None = None,
) -> Parsed:
    """Read a trained model.

    Parameters
    ----------
    source
        A file, an object of a framework whose parser is installed, or the name of one,
        ``package.module:attribute``.
    input_shape
        Shape of one sample in the source's axis order, where the source leaves it open.
    parsers
        Parsers to choose from; all registered ones by default.

    Raises
    ------
    ParseError
        If the source does not exist, no parser reads it or it is damaged.
    UnsupportedError
        With every part of the model that cannot be converted.
    """
    input_shape = _require_shape(input_shape)
    source, parser = choose(source, parsers)
    network = run_structural(_parse_with(parser, source, input_shape))
    return Parsed(source=source, parser=parser, input_shape=input_shape, network=network)


def _require_shape(given: object) -> Shape | None:
    """Return the shape that was given, as plain numbers."""
    if given is None:
        return None
    try:
        sizes = tuple(operator.index(size) for size in given)  # type: ignore[attr-defined]
    except TypeError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ParseError(
            f"Found input_shape = {given!r}; expected the sizes of one sample, such as (3, 32, 32)."
        )
    return sizes


def _parse_with(parser: Parser, source: Any, input_shape: Shape | None) -> Network:
    """Return what a parser reads; what damage in a file leads to becomes a `ParseError`."""
    if not isinstance(source, (str, PathLike)):
        with limit_memory("The model", error=ParseError):
            return _require_sound(parser.parse(source, input_shape=input_shape))
    advice = f"copy it again or save it again; it was read by the parser {parser.name!r}"
    with while_reading(Path(source), error=ParseError, advice=advice), _name_file(Path(source)):
        return _require_sound(parser.parse(source, input_shape=input_shape))


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Name the file in errors that say no more than what is wrong with a part of it."""
    try:
        yield
    except ParseError as error:
        name = printable_line(path)
        if name in str(error):
            raise
        raise type(error)(f"{name}: {error}") from error


def _require_sound(network: Network) -> Network:
    """Return a network whose layers hold what they may, and of which a sample fits into memory."""
    require_valid(network)
    values = sum(count(layer.output_shape) for layer in network)
    spend(4 * values, "A sample in all layers", kept=False)
    return network


def choose(source: Any, parsers: Sequence[Parser] | None = None) -> tuple[Any, Parser]:
    """Return a source and the parser that reads it.

    A file is checked to exist. A `ModelName`, or a string that is one, becomes the object it names,
    unless weights have to be loaded into that first.

    Raises
    ------
    ParseError
        If the source does not exist or no parser reads it.
    """
    parsers = installed_parsers() if parsers is None else parsers
    if isinstance(source, (str, PathLike)):
        name = ModelName.of(source)
        source = _existing_file(as_path(source, error=ParseError)) if name is None else name
    if isinstance(source, ModelName):
        return _choose_named(source, parsers)
    for parser in parsers:
        if parser.accepts(source):
            return source, parser
    raise _unreadable_error(
        str(source) if isinstance(source, Path) else f"an object of {type(source)}", parsers
    )


def _choose_named(name: ModelName, parsers: Sequence[Parser]) -> tuple[Any, Parser]:
    found = import_object(name.target)
    reader = _reader(found, parsers)
    if reader is None and callable(found):
        try:
            found = found()
        except TypeError as error:
            raise ParseError(
                f"{name.target} cannot be called without arguments ({error}); name the model, or a "
                f"function that returns it."
            ) from error
        reader = _reader(found, parsers)
    if reader is None:
        raise _unreadable_error(
            f"{name.target}, which is or gives an object of {type(found)}", parsers
        )
    if name.weights is None:
        return found, reader
    if not reader.accepts(name):
        raise ParseError(
            f"The parser {reader.name!r} cannot load {name.weights} into {name.target}; name a "
            f"function that returns the model with its weights."
        )
    return name, reader


def _reader(source: Any, parsers: Sequence[Parser]) -> Parser | None:
    return next((parser for parser in parsers if parser.accepts(source)), None)


def _unreadable_error(found: str, parsers: Sequence[Parser]) -> ParseError:
    known = "; ".join(parser.reads for parser in parsers) or "nothing, as no parser is installed"
    return ParseError(
        f"No parser reads {found}. Readable: {known}. Save the model in one of these formats, or "
        f"install the package that brings a parser for it."
    )


def import_object(target: str) -> Any:
    """Import what ``package.module:attribute`` names; modules of the working folder count too.

    Importing runs the module, as Python does wherever it is imported.

    Raises
    ------
    ParseError
        If there is no such module or attribute, or the module fails.
    """
    name, _, attribute = target.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = import_module(name)
    except Exception as error:  # whatever the user's module raises
        raise ParseError(
            f"The module {name!r} cannot be imported ({type(error).__name__}: {error}); run in its "
            f"folder or install it."
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ParseError(f"The module {name!r} has no {attribute!r}; check the name.")
        found = getattr(found, part)
    return found


def require(module: str, *, extra: str) -> Any:
    """Import a framework that a parser needs.

    Raises
    ------
    ParseError
        With the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ParseError(
            f"Reading this model needs the package {module!r} ({error}). "
            f"{how_to_install('snn-core', extra=extra)}"
        ) from error


def _existing_file(path: Path) -> Path:
    require_file(path, error=ParseError)
    if path.is_dir():
        advice = (
            ": load this TensorFlow SavedModel with Keras and save it as one .keras file"
            if (path / "saved_model.pb").exists()
            else ""
        )
        raise ParseError(f"{path} is {describe_path(path)}; expected a model file{advice}.")
    if path.suffix == ".snn":
        raise ParseError(
            f"{path} is a converted network already; simulate it: snn run {path} --data DATA, or "
            f"convert the model that it was made from."
        )
    if path.suffix.lower() in ARRAY_SUFFIXES:
        raise ParseError(f"{path} is {describe_path(path)}; expected a model file.")
    if not path.exists():
        raise ParseError(f"The model file {path} does not exist; check the path.")
    if path.stat().st_size == 0:
        raise ParseError(f"The model file {path} is empty; save or copy the model again.")
    return path
