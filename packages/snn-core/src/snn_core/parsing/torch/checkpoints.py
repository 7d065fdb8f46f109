"""Weights of PyTorch checkpoints, read without unpickling any other object.

What trains a network often holds it as a part: ``DataParallel`` as ``module``, a
``LightningModule`` as ``model`` or ``net``, ``torch.compile`` as ``_orig_mod``. All names in its
checkpoint then begin with that, and other names may stand beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snn_core.errors import ParseError

_NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "params")
"""Keys under which training scripts keep the weights in a checkpoint."""

_COUNTERS = "num_batches_tracked"
"""What batch normalization counts in training; old checkpoints lack it."""


def read_weights(torch: Any, path: Path) -> dict[str, Any]:
    """Return the weights in a checkpoint.

    Raises
    ------
    ParseError
        If there is no such file, or it holds more than numbers.
    """
    if not path.is_file():
        raise ParseError(f"The weights file {path} does not exist; check the path.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many types for damaged files
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ParseError(
            f"{path} cannot be read as plain weights ({first}). Save them with "
            f"torch.save(model.state_dict(), path)"
        ) from error
    for key in _NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors = isinstance(found, dict) and all(isinstance(v, torch.Tensor) for v in found.values())
    if not tensors or not found:
        raise ParseError(
            f"{path} holds a {type(found).__name__} instead of named weights; save them with "
            f"torch.save(model.state_dict(), path)"
        )
    return dict(found)


def load_weights(module: Any, weights: Mapping[str, Any]) -> str:
    """Load weights into a module and return the prefix that was stripped from their names.

    Raises
    ------
    ParseError
        If the module's names stand behind several prefixes.
    RuntimeError
        If the weights do not fit, with all names.
    """
    counters = {name: item for name, item in module.state_dict().items() if _COUNTERS in name}
    prefix = _find_prefix(weights, [name for name in module.state_dict() if name not in counters])
    own = {name[len(prefix) :]: item for name, item in weights.items() if name.startswith(prefix)}
    module.load_state_dict({**counters, **own})
    return prefix


def _find_prefix(weights: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return what stands before all of a module's names; nothing if the names do not fit."""
    if not names:
        return ""
    first = names[0]
    candidates = ["", *(name[: -len(first)] for name in weights if name.endswith(f".{first}"))]
    fitting = [prefix for prefix in candidates if all(prefix + name in weights for name in names)]
    if "" in fitting or not fitting:
        return ""
    if len(fitting) > 1:
        raise ParseError(
            f"the weights hold the network {len(fitting)} times, behind the prefixes "
            f"{', '.join(map(repr, fitting))}; save one of them with "
            f"torch.save(model.state_dict(), path)."
        )
    return fitting[0]
