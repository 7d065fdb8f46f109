"""Check that what the Markdown pages name and quote exists.

    python tools/check_docs.py

Checked are file names of this repository in `code` (``docs/settings.md``,
``packages/snn-core/src``) and quotations. Links and their anchors are checked where the site is
built, in `nox -s docs`.

A page quotes a file of this repository by naming it in a comment in front of a fenced block:
``<!-- quotes examples/snn-tutorial/pyproject.toml -->``. The block must stand in that file, line by
line and in one piece; it may be indented less, and blank lines do not count.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED_FOLDERS = {"dist", "build", "node_modules"}
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?^ {0,3}\1[`~]*\s*?$", flags=re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(.+?)\1", flags=re.DOTALL)
INLINE_LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^\s)>]+)>?(?:\s+[\"'(][^)]*)?\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$", flags=re.MULTILINE)
HTML = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=[\"']([^\"']+)[\"']")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", flags=re.IGNORECASE)
FILE_NAME = re.compile(r"\.?[\w-]+(?:/[\w.-]+)+/?")

QUOTE = re.compile(
    r"^<!-- quotes (?P<name>\S+) -->\n+(?P<fence>`{3,})[^\n]*\n(?P<text>.*?)^(?P=fence)\s*?$",
    flags=re.MULTILINE | re.DOTALL,
)


def pages(root: Path) -> list[Path]:
    """Return every Markdown page outside hidden and generated folders."""

    def is_ours(path: Path) -> bool:
        folders = path.relative_to(root).parts[:-1]
        return not any(name.startswith(".") or name in SKIPPED_FOLDERS for name in folders)

    return sorted(path for path in root.rglob("*.md") if is_ours(path))


def links(text: str) -> list[str]:
    """Return the targets of a page's links and images that are not web addresses."""
    prose = CODE.sub("", FENCE.sub("", text))
    targets = [
        target for pattern in (INLINE_LINK, REFERENCE, HTML) for target in pattern.findall(prose)
    ]
    return [target for target in targets if not SCHEME.match(target)]


def file_names(text: str, root: Path) -> list[str]:
    """Return what stands in inline code and starts with a folder of the repository's root."""
    spans = [span.strip() for _, span in CODE.findall(FENCE.sub("", text))]
    names = [span for span in spans if FILE_NAME.fullmatch(span)]
    return [name for name in names if (root / name.split("/")[0]).is_dir()]


def quote_problems(text: str, root: Path) -> list[str]:
    """List the quotations of a page that do not agree with the files they name."""
    found = []
    for match in QUOTE.finditer(text):
        name, quoted = match["name"], match["text"]
        path = root / name
        if not path.is_file():
            found.append(f"{name}: quoted, but no such file")
        elif not _stands_in(quoted, path.read_text(encoding="utf-8")):
            found.append(f"{name}: the quotation that starts {quoted.splitlines()[:1]} differs")
    return found


def _stands_in(quoted: str, text: str) -> bool:
    # Formatters change blank lines between definitions with the indentation.
    lines, goal = ("\n".join(filter(str.strip, part.splitlines())) for part in (quoted, text))
    return any(f"\n{textwrap.indent(lines, ' ' * by)}\n" in f"\n{goal}\n" for by in (0, 4, 8))


def page_problems(page: Path, root: Path) -> list[str]:
    """List what one page names or quotes and does not exist."""
    text = page.read_text(encoding="utf-8")
    found = [
        f"{name}: no such file" for name in file_names(text, root) if not (root / name).exists()
    ]
    found += quote_problems(text, root)
    return [f"{page.relative_to(root)}: {problem}" for problem in found]


def main(root: Path = ROOT) -> int:
    """Check every page and return the exit status."""
    checked = pages(root)
    found = [problem for page in checked for problem in page_problems(page, root)]
    for problem in found:
        print(problem, file=sys.stderr)
    print(f"{len(checked)} pages checked, {len(found)} problems")
    return int(bool(found) or not checked)


if __name__ == "__main__":
    sys.exit(main())
