"""Collect the pages of the site: every Markdown page where it lies, and the generated reference.

    python tools/site_pages.py build/pages && mkdocs build --strict

Pages keep their places in the repository, so that the links between them are the same on the site
and on a code host. What they link to besides pages is copied, too.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

from check_docs import ROOT, links, pages

MODULES = (
    "snn_core",
    "snn_core.artifact",
    "snn_core.codes",
    "snn_core.conversion",
    "snn_core.data",
    "snn_core.errors",
    "snn_core.ir",
    "snn_core.normalization",
    "snn_core.operations",
    "snn_core.parsing",
    "snn_core.parsing.base",
    "snn_core.passes",
    "snn_core.phases",
    "snn_core.reading",
    "snn_core.running.folder",
    "snn_core.running.result",
    "snn_core.running.run",
    "snn_core.settings",
    "snn_core.simulation.batches",
    "snn_core.simulation.capabilities",
    "snn_core.simulation.contract",
    "snn_core.simulation.registry",
    "snn_core.simulation.synapses",
    "snn_core.simulation.targets",
    "snn_core.testing",
    "snn_core.testing.kit",
    "snn_brian2",
    "snn_inisim",
    "snn_inisim.layers",
    "snn_loihi",
    "snn_loihi.discretize",
    "snn_megasim",
    "snn_plot",
    "snn_pynn",
    "snn_spinnaker",
)
"""Modules whose public names the reference of the Python interface describes."""

COMMANDS = "reference/commands.md"
PYTHON = "reference/python"


def main(target: Path) -> None:
    """Fill a folder with the pages."""
    if target.exists():
        shutil.rmtree(target)
    for page in pages(ROOT):
        copy(page, target)
        for link in links(page.read_text(encoding="utf-8")):
            linked = (page.parent / unquote(link.partition("#")[0])).resolve()
            if linked.is_file() and linked.is_relative_to(ROOT):
                copy(linked, target)
    write(
        target / COMMANDS,
        "# Commands\n\n::: mkdocs-click\n    :module: snn_core.cli\n    :command: main\n"
        "    :prog_name: snn\n    :depth: 1\n    :style: plain\n",
    )
    for module in MODULES:
        write(target / PYTHON / f"{module}.md", f"# `{module}`\n\n::: {module}\n")


def copy(path: Path, target: Path) -> None:
    """Copy a file of the repository to its place among the pages."""
    place = target / path.relative_to(ROOT)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)


def write(path: Path, text: str) -> None:
    """Write a generated page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
