"""Safe evaluation of exported PyTorch programs by PyTorch: no code from their files is run."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from snn_core.parsing.sources import to_type
from snn_core.parsing.torch.archive import read_sizes
from snn_core.parsing.torch.ops import EMITTERS
from snn_core.typing import Array

# Operators without result that exported programs hold besides those that compute.
_CHECKS = ("sym_size", "sym_numel", "_assert_tensor_metadata", "_assert_scalar")
# Numbers of `torch._export.serde.schema.ScalarType`.
_TYPES = {1: "uint8", 6: "float16", 7: "float32", 8: "float64", 13: "bfloat16"}


def run_archive(torch: Any, path: Path, x: Array) -> tuple[Array, str] | None:
    """Evaluate a program; return nothing if it holds operators that are not known.

    ``torch.export.load`` unpickles the example inputs and compiles guards. Both are left out of the
    copy that it gets; the operators left are those that the parser knows.

    Parameters
    ----------
    x
        Samples in the axis order of the program.

    Returns
    -------
    The outputs and the name of the type that the program computes in.
    """
    clean = io.BytesIO()
    batch, number = None, 7
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(clean, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            inside = name.partition("/")[2]
            if inside.startswith("data/sample_inputs/"):
                content = b""
            elif inside.startswith("models/"):
                program = json.loads(content)
                if not _is_known(program):
                    return None
                program["guards_code"] = []
                batch, number = _input_type(program)
                content = json.dumps(program).encode()
            copy.writestr(name, content)
    clean.seek(0)
    module = torch.export.load(clean).module()
    kind = getattr(torch, _TYPES[number])
    x = to_type(x, np.uint8) if kind == torch.uint8 else x
    size = len(x) if batch is None else batch
    results, computed_in = [], ""
    with torch.no_grad():
        for start in range(0, len(x), size):
            part = x[start : start + size]
            missing = 0 if batch is None else batch - len(part)
            full = np.concatenate([part, np.zeros((missing, *x.shape[1:]), x.dtype)])
            values = module(torch.from_numpy(full).to(kind))
            computed_in = name_type(values)
            results.append(to_array(torch, values)[: len(part)])
    return np.concatenate(results), computed_in


def name_type(values: Any) -> str:
    """Return the name of a tensor's type, as NumPy would call it."""
    return str(values.dtype).removeprefix("torch.")


def to_array(torch: Any, values: Any) -> Array:
    """Return a tensor as an array; bfloat16, which NumPy lacks, becomes float32."""
    values = values.float() if values.dtype == torch.bfloat16 else values
    return np.asarray(values.cpu().numpy())


def _is_known(program: Any) -> bool:
    """Return whether all operators are ATen's and known to the parser."""
    for node in program["graph_module"]["graph"]["nodes"]:
        library, _, rest = str(node["target"]).removeprefix("torch.ops.").partition(".")
        if library != "aten" or rest.partition(".")[0] not in (*EMITTERS, *_CHECKS):
            return False
    return True


def _input_type(program: Any) -> tuple[int | None, int]:
    """Return the number of samples that a program is made for, if it is fixed, and their type."""
    graph = program["graph_module"]["graph"]
    sources = [
        spec["user_input"]["arg"]["as_tensor"]["name"]
        for spec in program["graph_module"]["signature"]["input_specs"]
        if "user_input" in spec
    ]
    meta = graph["tensor_values"][sources[0]]
    shape = read_sizes(meta["sizes"][:1])
    return None if shape is None else shape[0], meta["dtype"]
