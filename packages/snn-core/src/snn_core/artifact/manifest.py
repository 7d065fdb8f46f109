"""The manifest of an artifact: all of it but the arrays, as JSON, in each version of the format."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from snn_core.errors import ArtifactError
from snn_core.files import ARRAY_SUFFIXES, describe_path
from snn_core.installing import how_to_update
from snn_core.ir.input_data import InputData
from snn_core.reading import parse_json, read_member

MANIFEST = "manifest.json"
"""The member of the archive."""

FORMAT = "snn-artifact"
VERSION = 3
"""Format version that is written; older ones are migrated when read, newer ones refused."""

MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    # Version 2 brought `Spiking.bias_t_c`, which is absent where there is none.
    1: lambda manifest: manifest,
    # Version 3 brought `Network.input_data`; before, 8-bit integers were always divided by 255.
    # Bounds per channel and `MaxPooling2D.sign_c` are absent where there are none.
    2: lambda manifest: {**manifest, "input_data": asdict(InputData())},
}
"""Version to the function that turns its manifest into one of the next version."""

BROUGHT: Mapping[int, frozenset[str]] = {
    1: frozenset(),
    2: frozenset({"bias_t_c"}),
    3: frozenset({"input_data", "sign_c"}),
}
"""Version to the keys of manifests and layers that it brought, and older ones cannot have."""

_KEYS = frozenset(
    {"format", "version", "provenance", "settings", "history", "readout"}
    | {"input_data", "scale_facs", "layers"}
)
"""What a manifest says."""


def read_manifest(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, Any], int]:
    """Return the checked manifest in the present version, and the version that it had.

    Raises
    ------
    ArtifactError
        If there is none, of a known version and with known keys.
    """
    if MANIFEST not in archive.namelist():
        is_of_arrays = path.suffix.lower() in ARRAY_SUFFIXES
        what = f": it is {describe_path(path)}" if is_of_arrays else ""
        raise ArtifactError(f"{path} holds no {MANIFEST}, so it is no .snn file{what}.")
    loaded = parse_json(read_member(archive, MANIFEST), MANIFEST)
    if loaded.get("format") != FORMAT:
        raise ArtifactError(f"{path} is no .snn file: its manifest does not say {FORMAT!r}.")
    manifest: dict[str, Any] = loaded
    version = manifest.get("version")
    if type(version) is not int or version < 1:
        raise ArtifactError(f"{path} has the format version {version!r}; expected a number from 1.")
    if version > VERSION:
        raise ArtifactError(
            f"{path} has the format version {version}; this snn-core reads up to {VERSION}. "
            f"{how_to_update()}"
        )
    _require_keys(manifest, version, path)
    for older in range(version, VERSION):
        manifest = MIGRATIONS[older](manifest)
    return manifest, version


def _require_keys(manifest: Mapping[str, Any], version: int, path: Path) -> None:
    """Raise if a manifest has keys that there are not, or not yet in its version."""
    unknown = sorted(set(manifest) - _KEYS)
    if unknown:
        raise ArtifactError(f"{path} has the unknown keys {unknown}; update snn-core.")
    present = {*manifest, *(key for layer in manifest["layers"] for key in layer)}
    for newer in range(version + 1, VERSION + 1):
        early = sorted(present & BROUGHT[newer])
        if early:
            raise ArtifactError(
                f"{path} has the format version {version}, and {early} of version {newer}: the "
                f"file was changed. Convert the model again."
            )
