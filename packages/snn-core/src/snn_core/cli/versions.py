"""``snn --version``: all packages of the family that are installed, and what they use."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points

CORE = "snn-core"

_KINDS = {
    "snn.simulators": ("simulator", "simulators"),
    "snn.commands": ("command", "commands"),
    "snn.targets": ("target", "targets"),
}
"""Group of entry points to what one of its members, and several, are called."""


def describe_versions() -> str:
    """Return the installed packages, human-readable, with what each brings and uses.

    Nothing is imported for it.
    """
    found = {CORE: distribution(CORE)}
    brings: dict[str, dict[str, list[str]]] = {CORE: {}}
    for group in _KINDS:
        for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
            if entry.dist is not None:
                found.setdefault(entry.dist.name, entry.dist)
                brings.setdefault(entry.dist.name, {}).setdefault(group, []).append(entry.name)
    lines = [f"Python {platform.python_version()} on {platform.system()}"]
    for name in (CORE, *sorted(set(found) - {CORE})):
        kinds = [
            f"{_KINDS[group][len(names) > 1]} {', '.join(names)}"
            for group, names in brings[name].items()
        ]
        lines.append(f"{name} {found[name].version}{': ' if kinds else ''}{'; '.join(kinds)}")
        uses = [text for library, text in _libraries(found[name]) if library not in found]
        lines += [f"    {', '.join(uses)}"] if uses else []
    return "\n".join(lines)


def _libraries(package: Distribution) -> Iterator[tuple[str, str]]:
    """Yield the installed libraries that a package may need, extras too, with their versions."""
    names = (re.match(r"[\w.-]+", text) for text in package.requires or ())
    for name in sorted({found[0].lower() for found in names if found}):
        with suppress(PackageNotFoundError):
            yield name, f"{name} {distribution(name).version}"
