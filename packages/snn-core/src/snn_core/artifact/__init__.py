"""The artifact ``model.snn``: a converted network in one file.

A zip of ``manifest.json`` and one ``.npy`` file per array. Equal networks give equal bytes. Nothing
in it is executed: arrays are read without pickle, layers are looked up among the known kinds. The
format is described in ``docs/artifact-format.md``.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import ValidationError

from snn_core.artifact.manifest import FORMAT, MANIFEST, VERSION, read_manifest
from snn_core.codes.agreement import contradictions
from snn_core.errors import ArtifactError, ParseError, SNNError
from snn_core.evaluation.forward import check_consistent
from snn_core.files import (
    MODEL_SUFFIXES,
    FileKind,
    as_path,
    atomic_write,
    describe_path,
    explain_failures,
)
from snn_core.ir import activations, layers
from snn_core.ir.activations import Activation
from snn_core.ir.input_data import UINT8_SCALE, InputData
from snn_core.ir.layer import Layer
from snn_core.ir.network import Network, require_network
from snn_core.ir.validation import require_valid
from snn_core.phases import phase
from snn_core.reading import (
    ArchivedArrays,
    open_archive,
    parse_json,
    printable,
    printable_tree,
    read_member,
    spend,
    while_reading,
)
from snn_core.settings import Settings
from snn_core.settings.section import describe_errors
from snn_core.typing import Array, PathLikeStr

_ADVICE = "copy it again, or convert the model again"
# Zip members carry a time; a fixed one keeps equal networks equal.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
# How many values of an array tell whether compression is worth it, and what they must shrink to.
_PROBED = 2**14
_WORTH = 0.9


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Everything in an artifact.

    Parameters
    ----------
    network
        The network, with the settings of its conversion.
    provenance
        Where the network comes from: source, hashes, versions.
    """

    network: Network
    provenance: Mapping[str, Any] = field(default_factory=dict)


def is_artifact(path: Path) -> bool:
    """Return whether a file is an artifact of any version, from its manifest alone."""
    try:
        with (
            while_reading(path, error=ArtifactError, advice=_ADVICE),
            open_archive(path) as archive,
        ):
            return parse_json(read_member(archive, MANIFEST), MANIFEST).get("format") == FORMAT
    except ArtifactError:
        return False


FILE = FileKind(".snn file", is_artifact)
"""What an artifact may replace: another one."""


@explain_failures(memory="Close other programs, or save on a machine with more memory.")
@phase("writing")
def save(
    network: Network,
    path: PathLikeStr,
    *,
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write an artifact, whole or not at all.

    Parameters
    ----------
    overwrite
        Replace an artifact that is there, once the new one is complete. Other files are never
        replaced.

    Raises
    ------
    DataError
        If the file cannot be written or must not be replaced.
    ParseError
        If it is no network, or contradicts the settings of its conversion.
    """
    require_network(network)
    _require_agreement(network, "The network", error=ParseError)
    with atomic_write(as_path(path), kind=FILE, overwrite=overwrite) as file:
        _write_to(file, network, provenance=provenance)


def dumps(network: Network, *, provenance: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes of an artifact; equal contents give equal bytes."""
    require_network(network)
    file = io.BytesIO()
    _write_to(file, network, provenance=provenance)
    return file.getvalue()


def _write_to(file: IO[bytes], network: Network, *, provenance: Mapping[str, Any] | None) -> None:
    arrays: dict[str, Array] = {}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "provenance": _plain(provenance),
        "settings": None if network.settings is None else network.settings.to_tree(),
        "history": list(network.history),
        "readout": network.readout,
        "input_data": asdict(network.input_data),
        "scale_facs": {
            name: _put(arrays, f"scale_{name}", np.asarray(factor, np.float32))
            for name, factor in network.scale_facs.items()
        },
        "layers": [_describe(layer, arrays) for layer in network.layers],
    }
    with zipfile.ZipFile(file, "w") as archive:
        info = _member(MANIFEST, compress=True)
        archive.writestr(info, json.dumps(manifest, indent=1, sort_keys=True).encode())
        for name, array in sorted(arrays.items()):
            info = _member(name, compress=_is_compressible(array))
            info.file_size = array.nbytes
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def _plain(provenance: object) -> dict[str, Any]:
    """Return a provenance, which has to be made of what JSON knows."""
    if provenance is None:
        return {}
    try:
        if isinstance(provenance, Mapping):
            return dict(json.loads(json.dumps(dict(provenance))))
    except (TypeError, ValueError):
        pass
    raise ArtifactError(
        f"Found provenance = {provenance!r}; expected a dictionary of texts, numbers and lists."
    )


def fingerprint(network: Network) -> str:
    """Return a SHA-256 that names what a network computes.

    It does not change with the version of the format, with settings, or with the history.
    """
    require_network(network)
    arrays: dict[str, Array] = {}
    content: dict[str, Any] = {
        "readout": network.readout,
        "layers": [_describe(layer, arrays) for layer in network.layers],
    }
    if network.input_data.uint8_scale != UINT8_SCALE:
        content["uint8_scale"] = network.input_data.uint8_scale
    return _digest(json.dumps(content, sort_keys=True), arrays)


def fingerprint_of_scales(network: Network) -> str:
    """Return a SHA-256 of what turns spikes back into values of the source, ``scale_facs``.

    `fingerprint` leaves them out: what the neurons do is the same.
    """
    return _digest("", dict(sorted(network.scale_facs.items())))


def _digest(text: str, arrays: Mapping[str, Array]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in arrays.items():
        digest.update(f"{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def load(path: PathLikeStr) -> Network:
    """Read the network of an artifact.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged, foreign or newer than this version.
    """
    return load_artifact(path).network


@phase("reading the network")
def load_artifact(path: PathLikeStr) -> Artifact:
    """Read an artifact.

    Raises
    ------
    ArtifactError
        If the file is missing, damaged, foreign or newer than this version.
    """
    path = as_path(path, error=ArtifactError)
    with while_reading(path, error=ArtifactError, advice=_ADVICE):
        return _load(path)


def _load(path: Path) -> Artifact:
    if path.is_dir():
        raise ArtifactError(f"{path} is {describe_path(path)}; expected a .snn file.")
    if path.suffix.lower() in MODEL_SUFFIXES:
        raise ArtifactError(
            f"{path} is a trained model; convert it first: snn convert {path.name} -o "
            f"{path.stem}.snn --data DATA."
        )
    if not path.exists():
        raise ArtifactError(f"There is no file {path}; `snn convert` makes one.")
    with open_archive(path) as archive:
        manifest, version = read_manifest(archive, path)
        arrays = ArchivedArrays(archive, apart_from=(MANIFEST,))
        try:
            network = _network(manifest, arrays, path)
        except ParseError as error:
            raise ArtifactError(
                f"The contents of {path} do not fit together ({error}); convert the model again."
            ) from error
        if version == VERSION:  # what older ones say is read as it ever was
            _require_agreement(network, str(path), error=ArtifactError)
        return Artifact(network=network, provenance=_provenance(manifest))


def _network(manifest: Mapping[str, Any], arrays: ArchivedArrays, path: Path) -> Network:
    network = Network(
        layers=tuple(_layer(entry, arrays) for entry in manifest["layers"]),
        history=tuple(printable(line) for line in _texts(manifest["history"])),
        scale_facs={
            str(name): _array(entry, arrays) for name, entry in manifest["scale_facs"].items()
        },
        readout=manifest["readout"],
        settings=_settings(manifest, path),
        input_data=InputData(**manifest["input_data"]),
    )
    arrays.require_all_used()
    require_valid(network)
    values = sum(math.prod(layer.output_shape) for layer in network)
    spend(4 * values, "a sample in all layers")
    check_consistent(network)
    return network


def _require_agreement(network: Network, what: str, *, error: type[SNNError]) -> None:
    """Raise an ``error`` if a network was not converted with the settings it is kept with."""
    found = contradictions(network)
    if found:
        raise error(
            f"{what} contradicts the settings of its conversion: {'; '.join(found)}. Convert the "
            f"model again, or give the network others: network.replace(settings=...)."
        )


def _texts(found: object) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(line, str) for line in found):
        raise ValueError(f"found history = {found!r}, expected a list of texts")
    return found


def _provenance(manifest: Mapping[str, Any]) -> dict[str, Any]:
    found = manifest.get("provenance", {})
    if not isinstance(found, dict):
        raise ValueError(f"found provenance = {found!r}, expected an object")
    cleaned: dict[str, Any] = printable_tree(found)
    return cleaned


def _member(name: str, *, compress: bool) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIMESTAMP)
    info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    info.external_attr = 0o644 << 16
    return info


def _is_compressible(array: Array) -> bool:
    """Return whether compression is worth its time, from a part of the values.

    Trained weights hardly shrink, and compressing them takes longer than all the rest; pruned or
    quantized ones shrink a lot.
    """
    if array.size <= _PROBED:
        return True
    some = array.reshape(-1)[:: array.size // _PROBED].tobytes()
    return len(zlib.compress(some, 1)) < _WORTH * len(some)


def _put(arrays: dict[str, Array], stem: str, array: Array) -> dict[str, str]:
    """File an array and return its entry in the manifest."""
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in stem)
    name = f"arrays/{len(arrays):04d}_{safe}.npy"
    arrays[name] = array
    return {"array": name}


def _describe(layer: Layer, arrays: dict[str, Array]) -> dict[str, Any]:
    """Return a layer's entry in the manifest."""
    entry: dict[str, Any] = {"kind": layer.kind}
    for item in fields(layer):
        value = getattr(layer, item.name)
        if value is None:
            continue
        if isinstance(value, np.ndarray):
            entry[item.name] = _put(arrays, f"{layer.name}_{item.name}", value)
        elif isinstance(value, Activation):
            own = {part.name: getattr(value, part.name) for part in fields(value)}
            entry[item.name] = {"activation": type(value).__name__, **own}
        else:
            entry[item.name] = value
    return entry


def _settings(manifest: Mapping[str, Any], path: Path) -> Settings | None:
    stored = manifest.get("settings")
    if stored is None:
        return None
    try:
        return Settings.stored(stored)
    except ValidationError as error:
        raise ArtifactError(
            f"The settings in {path} are not valid. {describe_errors(error)}"
        ) from error


def _layer(entry: Mapping[str, Any], arrays: ArchivedArrays) -> Layer:
    """Return the layer that an entry describes."""
    values = dict(entry)
    kind = layers.KINDS.get(values.pop("kind"))
    if kind is None:
        raise ArtifactError(
            f"Layer {entry.get('name')!r} has the unknown kind {entry['kind']!r}; known: "
            f"{', '.join(sorted(layers.KINDS))}. Update snn-core."
        )
    known = {item.name for item in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ArtifactError(
            f"Layer {entry.get('name')!r} has the unknown fields {unknown}; update snn-core."
        )
    return kind(**{name: _value(value, arrays) for name, value in values.items()})


def _array(entry: Mapping[str, Any], arrays: ArchivedArrays) -> Array:
    if set(entry) != {"array"} or not isinstance(entry["array"], str):
        raise ValueError(f"found {entry!r} in place of an array, expected its name alone")
    return arrays.read(entry["array"])


def _value(value: Any, arrays: ArchivedArrays) -> Any:
    if isinstance(value, Mapping):
        if "array" in value:
            return _array(value, arrays)
        own = {name: _value(item, arrays) for name, item in value.items()}
        return activations.KINDS[own.pop("activation")](**own)
    if isinstance(value, list):
        return tuple(_value(item, arrays) for item in value)
    return value
