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
    write(tmp_path, "tools/there.py")
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "`tools/there.py`, `tools/`, `other/thing.py`, `tools/*.py`, `<name>/x`",
        "```sh\n`tools/gone.py`\n```",
        "~~~\n`tools/gone.py`\n~~~",
        "tools/gone.py",
    ],
)
def test_accepts_what_exists_and_what_is_no_reference(root, text):
    page = write(root, "docs/page.md", text)
    assert check_docs.page_problems(page, root) == []


def test_names_what_is_missing(root):
    page = write(root, "docs/page.md", "```\ncode\n```\n`tools/gone.py`\n```\ncode\n```")
    assert check_docs.page_problems(page, root) == ["docs/page.md: tools/gone.py: no such file"]


def test_links_are_those_outside_of_code():
    text = """[a](other.md#x) ![b](<c.png> "title") [d][e] `[f](g)` [h](https://i.example)

[e]: j.md

<img width="3" src="k.svg">
"""
    assert check_docs.links(text) == ["other.md#x", "c.png", "j.md", "k.svg"]


def test_hidden_and_generated_folders_are_not_read(root):
    write(root, "README.md", "# Here")
    for folder in (".nox", "dist"):
        write(root, f"{folder}/page.md", "`tools/gone.py`")
    assert check_docs.main(root) == 0


def test_status_is_1_when_something_is_missing_or_nothing_was_read(root, tmp_path, capsys):
    write(root, "README.md", "`tools/gone.py`")
    assert check_docs.main(root) == 1
    assert "README.md: tools/gone.py: no such file" in capsys.readouterr().err
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
