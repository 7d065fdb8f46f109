"""Run the commands of a part of a page, as a reader would who pastes them into a shell.

    python tools/tutorial.py docs/tutorial.md PyTorch ONNX

The parts run one after the other in the same empty folder. A block of Python whose first line is a
comment with a file name is written to that file; blocks for the shell run with ``bash -e``. The
shell finds the commands of the Python that runs this script.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from check_docs import ROOT

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def parts(text: str) -> dict[str, str]:
    """Return the text under each heading of the second level."""
    _, *found = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(found[::2], found[1::2], strict=True))


def run(part: str, folder: Path) -> None:
    """Run the blocks of a part in a folder."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DATA": str(ROOT / "examples" / "mnist" / "data"),
    }
    for language, block in BLOCK.findall(part):
        name = re.match(r"# (\w+\.py)\n", block)
        if language == "python" and name:
            (folder / name[1]).write_text(block, encoding="utf-8")
        elif language == "sh":
            subprocess.run(
                ["bash", "-e", "-x", "-c", block], cwd=folder, env=environment, check=True
            )


def main(arguments: list[str]) -> int:
    """Run the parts that were named, and return the exit status."""
    page, *names = arguments
    found = parts(Path(page).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            run(found[name], Path(folder))
        reports = [path for path in Path(folder).glob("*.html") if path.stat().st_size]
    return 0 if reports else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
