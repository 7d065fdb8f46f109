"""Write the reference page of all settings: ``python -m snn_core.settings``."""

from __future__ import annotations

import sys
from typing import get_origin

from snn_core.settings.section import Section
from snn_core.settings.tree import Settings


def document() -> str:
    """Return the reference page of all settings, as Markdown."""
    lines = [
        "# Settings",
        "",
        "Generated from the models in `snn_core.settings`; do not edit. Files may be TOML or INI.",
    ]
    for section, info in Settings.model_fields.items():
        model = info.annotation
        # The options are free per simulator. In Python 3.10 their `dict[...]` passes for a type.
        if get_origin(model) or not (isinstance(model, type) and issubclass(model, Section)):
            continue
        lines += ["", f"## [{section}]", "", (model.__doc__ or "").splitlines()[0], ""]
        lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
        for key, item in model.model_fields.items():
            kind = getattr(item.annotation, "__name__", None)
            if kind is None or kind in ("Literal", "Optional", "tuple", "frozenset"):
                kind = str(item.annotation)
            kind = kind.replace("typing.", "").replace("|", "\\|")
            default = item.default
            if default == frozenset() or isinstance(default, Section):
                default = "{}"
            lines.append(f"| `{key}` | {kind} | `{default}` | {item.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
