"""PyTorch models: ``.pt2`` files, modules in memory and modules named ``package.module:Net``."""

from __future__ import annotations

import copy
import importlib
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.errors import OpenShapeError, ParseError, UnsupportedError
from snn_core.files import hash_file
from snn_core.ir import Network
from snn_core.parsing.base import ModelName, require
from snn_core.parsing.emit.walk import Reading
from snn_core.parsing.sources import load_named
from snn_core.parsing.torch.archive import Program, read_program
from snn_core.parsing.torch.checkpoints import load_weights, read_weights
from snn_core.parsing.torch.graph import HEADLINE, read
from snn_core.parsing.torch.ops import ADVICE
from snn_core.parsing.torch.run import name_type, run_archive, to_array
from snn_core.reading import FileStates, while_reading
from snn_core.typing import Array, Shape

PROGRAMS = (".pt2",)
PICKLES = (".pt", ".pth", ".ckpt")

_EXPORT = "torch.export.save(torch.export.export(model, (x,)), 'model.pt2')"
# Errors of an export that comes to a branch it cannot decide.
_DATA_DEPENDENT = ("GuardOnDataDependentSymNode", "UserError")


class TorchParser:
    """Parser of PyTorch models.

    Reading a ``.pt2`` file needs no PyTorch; exporting a module does.
    """

    name = "torch"
    reads = "PyTorch models (.pt2, module:attribute, torch.nn.Module)"

    def accepts(self, source: Any) -> bool:
        """Return whether ``source`` is a file, a name or an object of PyTorch."""
        if isinstance(source, (str, PathLike)):
            return Path(source).suffix.lower() in (*PROGRAMS, *PICKLES)
        if isinstance(source, ModelName):
            return True
        torch = sys.modules.get("torch")
        return torch is not None and isinstance(source, torch.nn.Module)

    def parse(self, source: Any, *, input_shape: Shape | None = None) -> Network:
        """Return the network of a model, in the source dialect.

        Layers carry the names of their modules.

        Parameters
        ----------
        input_shape
            Shape of one sample as the model wants it, ``(channels, rows, columns)`` for images;
            needed for modules.

        Raises
        ------
        ParseError
            If a file is damaged, a pickle, or PyTorch is needed and missing.
        UnsupportedError
            With every operator that cannot be converted.
        """
        return _read(source, input_shape).network

    def run(
        self, source: Any, x_b_l: Array, *, input_shape: Shape | None = None
    ) -> tuple[Array, str, str] | None:
        """Evaluate the model with PyTorch; return its version and the type of numbers, too.

        Returns nothing if it is missing.
        """
        try:
            torch = importlib.import_module("torch")
        except ImportError:
            return None
        reading = _read(source, input_shape)
        x = reading.to_source(x_b_l)
        if isinstance(source, (str, PathLike)):
            found = run_archive(torch, Path(source), x)
        else:
            module, _ = _module(torch, source)
            with _evaluation_mode(torch, module) as like, torch.no_grad():
                values = module(torch.from_numpy(x).to(like))
                found = to_array(torch, values), name_type(values)
        y, computed_in = found
        return reading.from_source(y), f"torch {torch.__version__}", computed_in


def _read(source: Any, input_shape: Shape | None) -> Reading:
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        if path.suffix.lower() in PICKLES:
            raise _refusal(path)
        with while_reading(path, error=ParseError, advice=f"export it again: {_EXPORT}"):
            with FileStates(error=ParseError).watch(path):
                program = read_program(path, what=str(path))
                digest = hash_file(path, error=ParseError)  # once it is known to be a program
            note = f"read {path.name}: exported PyTorch program, sha256 {digest}"
            return read(program, note=note, input_shape=input_shape)
    torch = require("torch", extra="torch")
    module, more = _module(torch, source)
    program = _export(torch, module, input_shape)
    name = source.target if isinstance(source, ModelName) else type(module).__name__
    return read(program, note=f"exported {name} with PyTorch {torch.__version__}{more}")


def _refusal(path: Path) -> ParseError:
    """Return the error for a pickle, which says what is inside where that is safe to find out."""
    inside = "is a pickle, which could run any code"
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        pass
    else:
        try:
            weights = read_weights(torch, path)
        except ParseError as error:
            inside = f"is not read: {error}"
        else:
            inside = f"holds {len(weights)} arrays of weights but not the network they belong to"
    return ParseError(
        f"{path} {inside}. Name the network too: `snn convert package.module:Net --weights "
        f"{path.name} --input-shape 3,32,32`; or export it where it was trained: {_EXPORT}."
    )


def _module(torch: Any, source: Any) -> tuple[Any, str]:
    """Return the module that is meant, with its weights, and what was done to their names."""
    prefixes: list[str] = []

    def load(module: Any, path: Path) -> None:
        prefixes.append(load_weights(module, read_weights(torch, path)))

    module = load_named(source, TorchParser(), load)
    notes = [f"; stripped the prefix {prefix!r} from its weights" for prefix in prefixes if prefix]
    return module, "".join(notes)


@contextmanager
def _evaluation_mode(torch: Any, module: Any) -> Iterator[Any]:
    """Switch a module to evaluation and back; yield a tensor with its data type and device."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    numbers = [value for value in module.parameters() if value.is_floating_point()]
    try:
        yield numbers[0] if numbers else torch.zeros(1)
    finally:
        for part, training in modes.items():
            part.training = training


def _export(torch: Any, module: Any, input_shape: Shape | None) -> Program:
    """Export a module for two samples, so that sizes of samples and of axes are not mixed up."""
    if input_shape is None:
        raise OpenShapeError(
            f"A PyTorch module ({type(module).__name__}) does not know the shape of its input; "
            f"give that of one sample: --input-shape 3,32,32 or input_shape=(3, 32, 32)."
        )
    module = _remove_parametrizations(torch, module)
    buffer = io.BytesIO()
    # PyTorch prints the whole graph and logs its stack before it raises an error.
    quiet = redirect_stderr(io.StringIO())
    with _evaluation_mode(torch, module) as like, torch.no_grad(), quiet, _without_log():
        example = torch.from_numpy(np.zeros((2, *input_shape), np.float32)).to(like)
        try:
            program = torch.export.export(module, (example,), strict=False)
            weights = _take_weights(torch, program)
            torch.export.save(program, buffer)
        except Exception as error:  # export runs the module, which may raise anything
            first = next((line for line in str(error).splitlines() if line.strip()), "")
            if type(error).__name__ in _DATA_DEPENDENT:
                line = f"{type(module).__name__} (forward): it branches on values that it computes"
                problems = [f"{line} ({first})", *_find_unsupported(module)]
                raise UnsupportedError(problems, what=HEADLINE) from error
            raise ParseError(
                f"PyTorch cannot export {type(module).__name__} for the input shape "
                f"{tuple(input_shape)} ({type(error).__name__}: {first}). Check the input shape."
            ) from error
    buffer.seek(0)
    found = read_program(buffer, what=type(module).__name__)
    return replace(found, arrays={**found.arrays, **weights})


@contextmanager
def _without_log() -> Iterator[None]:
    """Leave out what is logged, as PyTorch has many loggers with handlers of their own."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _take_weights(torch: Any, program: Any) -> dict[str, Array]:
    """Return the weights of a program as arrays that share their memory, and leave none in it.

    Written to a file and read from it, they would take two more times the memory of the module.
    """
    kinds = (torch.float16, torch.float32, torch.float64, torch.bfloat16)
    found: dict[str, Array] = {}
    for name, values in program.state_dict.items():
        if values.dtype in kinds and values.layout == torch.strided:
            found[name] = to_array(torch, values.detach())
            empty = torch.empty(0, dtype=values.dtype)
            parameter = isinstance(values, torch.nn.Parameter)
            program.state_dict[name] = torch.nn.Parameter(empty) if parameter else empty
    return found


def _remove_parametrizations(torch: Any, module: Any) -> Any:
    """Return a module whose weights are plain: a copy where parametrizations compute them."""
    parametrize = importlib.import_module("torch.nn.utils.parametrize")
    if not any(parametrize.is_parametrized(part) for part in module.modules()):
        return module
    module = copy.deepcopy(module).eval()  # in training, some parametrizations change their state
    # Not remove_parametrizations, which would change the class that the copy shares.
    for part in list(module.modules()):
        if parametrize.is_parametrized(part):
            with torch.no_grad():
                weights = {name: getattr(part, name) for name in part.parametrizations}
            part.__class__ = parametrize.type_before_parametrizations(part)
            del part.parametrizations
            for name, values in weights.items():
                part.register_buffer(name, values)
    return module


def _find_unsupported(module: Any) -> list[str]:
    """Return a line for each module inside that has no spiking form, as far as its type tells."""
    advice = {kind.replace("_", ""): text for kind, text in ADVICE.items()}
    return [
        f"{name} ({type(part).__name__}): {advice[type(part).__name__.lower()]}"
        for name, part in module.named_modules()
        if type(part).__name__.lower() in advice
    ]
