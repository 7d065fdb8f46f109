"""The documentation check finds what is missing and accepts what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

import check_docs


def write(root: Path, name: str, text: str = "") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "docs/other.md", "# One `code` title!\n\n## Twice\n\n## Twice\n")
    write(tmp_path, "tools/there.py")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "[a](other.md)",
        "[a](other.md#one-code-title)",
        "[a](other.md#twice-1)",
        '![a](../tools/there.py "title")',
        "[a](<other.md>)",
        "[a](/tools/there.py)",
        "[a][b]\n\n[b]: other.md",
        "[a](https://example.org/nothing.md)",
        "[a](mailto:a@example.org)",
        "# Here\n\n[a](#here)",
        "`tools/there.py`, `tools/`, `other/thing.py`, `tools/*.py`, `<name>/x`",
        "```sh\n[a](gone.md) `tools/gone.py`\n```",
        "~~~\n[a](gone.md)\n~~~",
        "`[a](gone.md)`",
    ],
)
def test_accepts_what_exists_and_what_is_no_reference(root, text):
    page = write(root, "docs/page.md", text)
    assert check_docs.page_problems(page, root) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a](gone.md)", "gone.md: no such file"),
        ("![a](gone.png)", "gone.png: no such file"),
        ("[a][b]\n\n[b]: gone.md", "gone.md: no such file"),
        ('<img width="3" src="gone.svg">', "gone.svg: no such file"),
        ("[a](other.md#thrice)", "other.md#thrice: no heading"),
        ("[a](#nowhere)", "#nowhere: no heading"),
        ("[a](../../secret.md)", "../../secret.md: no such file"),
        ("`tools/gone.py`", "tools/gone.py: no such file"),
        ("```\ncode\n```\n[a](gone.md)\n```\ncode\n```", "gone.md: no such file"),
    ],
)
def test_names_what_is_missing(root, text, problem):
    page = write(root, "docs/page.md", text)
    found = check_docs.page_problems(page, root)
    assert len(found) == 1
    assert problem in found[0]


def test_refuses_links_that_leave_the_repository(root):
    inner = root / "docs"
    page = write(root, "docs/page.md", "[a](../tools/there.py)")
    assert "outside the repository" in check_docs.page_problems(page, inner)[0]


def test_hidden_and_generated_folders_are_not_read(root):
    for folder in (".nox", "dist"):
        write(root, f"{folder}/page.md", "[a](gone.md)")
    assert check_docs.main(root) == 0


def test_status_is_1_when_something_is_missing_or_nothing_was_read(root, tmp_path, capsys):
    write(root, "README.md", "[a](gone.md)")
    assert check_docs.main(root) == 1
    assert "README.md: gone.md: no such file" in capsys.readouterr().err
    (empty := tmp_path / "empty").mkdir()
    assert check_docs.main(empty) == 1


QUOTED = "<!-- quotes tools/there.py -->\n```python\nb = 2\nc = 3\n```\n"


@pytest.mark.parametrize("text", ["a = 1\nb = 2\nc = 3\nd = 4\n", "if a:\n    b = 2\n    c = 3\n"])
def test_a_quotation_that_stands_in_the_file_is_accepted(root: Path, text: str) -> None:
    write(root, "tools/there.py", text)
    assert check_docs.page_problems(write(root, "docs/page.md", QUOTED), root) == []


@pytest.mark.parametrize("text", ["b = 2\nc = 4\n", "b = 2\nx = 0\nc = 3\n", "ab = 2\nc = 3\n"])
def test_a_quotation_that_differs_is_found(root: Path, text: str) -> None:
    write(root, "tools/there.py", text)
    (found,) = check_docs.page_problems(write(root, "docs/page.md", QUOTED), root)
    assert "tools/there.py: the quotation that starts ['b = 2'] differs" in found


def test_a_quoted_file_has_to_exist(root: Path) -> None:
    page = write(root, "docs/page.md", QUOTED.replace("there", "gone"))
    assert any(
        "quoted, but no such file" in problem for problem in check_docs.page_problems(page, root)
    )
