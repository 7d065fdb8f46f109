"""Keys of snn_toolbox's settings that mean something else here, or nothing.

The original's INI files are read as they are. Most of their keys are settings here too; the others
are listed below with the original's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snn_core.errors import SettingsError, SNNWarning, warn
from snn_core.files import as_path, first_link, leads_outside
from snn_core.reading import read_json, while_reading
from snn_core.settings.files import MAX_BYTES


class SettingsWarning(SNNWarning):
    """A setting of the original has no effect here."""


WITHOUT_EFFECT: Mapping[str, frozenset[str]] = {
    "tools": frozenset(
        ("evaluate_ann", "parse", "normalize", "convert", "simulate", "serialise_only")
    ),
    "paths": frozenset(
        (
            "path_wd",
            "dataset_path",
            "log_dir_of_current_run",
            "runlabel",
            "filename_ann",
            "filename_parsed_model",
            "filename_snn",
            "filepath_custom_objects",
            "class_idx_path",
        )
    ),
    "input": frozenset(("model_lib", "keras_dataset")),
    "simulation": frozenset(("keras_backend",)),
    "cell": frozenset(
        ("v_reset", "v_rest", "cm", "tau_syn_E", "tau_syn_I", "delay", "scaling_factor")
    ),
    "output": frozenset(
        ("plot_vars", "verbose", "overwrite", "use_simple_labels", "plotproperties")
    ),
}
"""Section to keys that are read and left out, because something else decides here: flags of the
commands, file names, the simulators' own options."""

SECTIONS_WITHOUT_EFFECT = frozenset(("restrictions", "spinnaker", "loihi"))
"""Sections that are left out unless a simulator of that name is installed."""

FEATURES: Mapping[str, Mapping[str, Any]] = {
    "conversion": {"append_softmax": False},
    "parameter_sweep": {"param_values": [], "param_name": "v_thresh", "param_logscale": False},
}
"""Section to features of the original that this version lacks, with the value that turns them
off."""


def with_clamp_indices(tree: Mapping[str, Any], *, folder: Path | None = None) -> Mapping[str, Any]:
    """Return settings in which the file that ``paths.filename_clamp_indices`` names is read.

    Parameters
    ----------
    tree
        Section to keys and values.
    folder
        Folder of the settings file; the other file must lie in it, or below, through no link.
        Settings that a program gives may name any file.

    Raises
    ------
    SettingsError
        If the file cannot be read, lies elsewhere, or holds no JSON object.
    """
    paths = tree.get("paths")
    if not isinstance(paths, Mapping) or "filename_clamp_indices" not in paths:
        return tree
    rest = {key: value for key, value in paths.items() if key != "filename_clamp_indices"}
    others = {**tree, "paths": rest} if rest else {k: v for k, v in tree.items() if k != "paths"}
    name = paths["filename_clamp_indices"]
    if not name:
        return others
    path = as_path(Path(folder or "") / str(name), error=SettingsError)
    if folder is not None:
        _require_beside(path, str(name), folder)
    what = f"paths.filename_clamp_indices: {path}"
    advice = "expected a JSON object from numbers of layers to steps"
    with while_reading(what, error=SettingsError, advice=advice, file=path):
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        found = read_json(path)
    cell = others.get("cell", {})
    if not isinstance(cell, Mapping):  # which `Settings` refuses
        return others
    return {**others, "cell": {**cell, "clamp_indices": found}}


def _require_beside(path: Path, name: str, folder: Path) -> None:
    """Make sure that a file that a settings file names lies in its folder."""
    if leads_outside(name) or first_link(path, within=folder):
        raise SettingsError(
            f"paths.filename_clamp_indices = {name!r} lies outside the folder of the settings "
            f"({folder}), where no file is read. Copy it there, or give the steps themselves: "
            f"cell.clamp_indices."
        )


def without_original(
    tree: Mapping[str, Any], *, simulators: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return nested settings without the keys that only the original knows.

    Parameters
    ----------
    tree
        Section to keys and values.
    simulators
        Names of sections that an installed simulator claims; they are kept whole.

    Raises
    ------
    SettingsError
        If a feature is asked for that this version lacks.

    Warns
    -----
    SettingsWarning
        Naming the keys that were left out.
    """
    kept: dict[str, Any] = {}
    dropped: list[str] = []
    for section, items in tree.items():
        if section in simulators:
            kept[section] = items
            continue
        if section in SECTIONS_WITHOUT_EFFECT:
            dropped.append(f"[{section}]")
            continue
        if not isinstance(items, Mapping):
            kept[section] = items
            continue
        features = FEATURES.get(section, {})
        for key, value in items.items():
            if key in features and value != features[key]:
                raise SettingsError(
                    f"{section}.{key} = {value!r} asks for a feature that this version does not "
                    f"have; expected {features[key]!r}. Remove the key."
                )
            if key in WITHOUT_EFFECT.get(section, ()):
                dropped.append(f"{section}.{key}")
        only_original = {*features, *WITHOUT_EFFECT.get(section, ())}
        rest = {key: value for key, value in items.items() if key not in only_original}
        if rest or not items:
            kept[section] = rest
    if dropped:
        warn(f"Settings without effect here: {', '.join(dropped)}.", SettingsWarning)
    return kept
