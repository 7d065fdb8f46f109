"""Write the reference page of all settings.

python tools/settings_page.py > docs/settings.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_origin

from snn_core.settings.files import LONGEST_LINE, MAX_BYTES, MOST_LINES
from snn_core.settings.section import LARGEST_NUMBER, LEAST_NUMBER, MOST_STEPS, Section
from snn_core.settings.tree import Settings


def document(presets: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return the reference page of all settings, as Markdown.

    Parameters
    ----------
    presets
        Name of each preset to what it sets, by section and key.
    """
    lines = [
        "# Settings",
        "",
        "Generated from the models in `snn_core.settings`; do not edit. Files may be TOML or INI,",
        f"with at most {MAX_BYTES // 2**10} kB and {MOST_LINES} lines of {LONGEST_LINE} letters.",
        "",
        "The stage says when a setting has its effect. `convert`: while a model is converted; a",
        "run refuses another value than the network was converted with. `run`: in each run. A",
        "network keeps all settings of its conversion, and a run replaces those it is given. Those",
        "`claimed` are for simulators that claim them; others accept no more than the default.",
        'Presets (`snn convert --preset seed`, `convert(..., preset="seed")`) have other defaults',
        "for some settings, which stand below the default.",
        "A section named after a simulator holds its own options, which are checked with the file",
        "that names them.",
        "",
        f"Numbers with a fraction are 0 or of magnitude {LEAST_NUMBER:g} to {LARGEST_NUMBER:g}, in",
        "options of simulators, too, so that products and quotients of them can be computed with.",
        "A run, a refractory time and a delay have at most",
        f"{MOST_STEPS} steps of `simulation.dt`.",
    ]
    for section, info in Settings.model_fields.items():
        model = info.annotation
        # The options are free per simulator. In Python 3.10 their `dict[...]` passes for a type.
        if get_origin(model) or not (isinstance(model, type) and issubclass(model, Section)):
            continue
        lines += ["", f"## [{section}]", "", (model.__doc__ or "").splitlines()[0], ""]
        lines += ["| key | type | default | stage | meaning |", "|---|---|---|---|---|"]
        for key, item in model.model_fields.items():
            kind = getattr(item.annotation, "__name__", None)
            if kind is None or kind in ("Literal", "Optional", "tuple", "frozenset"):
                kind = str(item.annotation)
            kind = kind.replace("typing.", "").replace("|", "\\|")
            default = item.default
            if default == frozenset() or isinstance(default, Section):
                default = "{}"
            shown = "<br>".join([f"`{default}`", *_values(presets, section, key, default)])
            stage = "convert" if key in model.keys_of("convert") else "run"
            stage += ", claimed" if key in model.claimed else ""
            lines.append(f"| `{key}` | {kind} | {shown} | {stage} | {item.description} |")
    return "\n".join(lines) + "\n"


def _values(
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]], section: str, key: str, default: object
) -> list[str]:
    """Return the value of each preset that has another one than the default."""
    values = {name: preset.get(section, {}).get(key, default) for name, preset in presets.items()}
    return [f"{name}: `{value}`" for name, value in values.items() if value != default]
