"""Releases: what `check` refuses, what `notes` prints, and what `tag` leaves behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import release

LOG = """# Changelog

## Unreleased

## 0.2.0 - 2026-02-01

Works with tea.

### Added

- b

## 0.1.0

Works with a.
"""


def make_package(root: Path, version: str = "0.2.0", log: str = LOG) -> None:
    folder = root / "packages" / "snn-x"
    folder.mkdir(parents=True, exist_ok=True)
    project = f'[project]\nname = "snn-x"\nversion = "{version}"\n'
    (folder / "pyproject.toml").write_text(project, encoding="utf-8")
    (folder / "CHANGELOG.md").write_text(log, encoding="utf-8")


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "t")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "t@example.org")
    make_package(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "start")
    return tmp_path


def test_check_accepts_a_package_whose_version_heads_its_changelog(repository, capsys):
    assert release.main(["check"], repository) == 0
    assert "snn-x 0.2.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "log", "message"),
    [
        ("0.3.0", LOG, "no heading `## 0.3.0`"),
        ("0.1.0", LOG, "the newest changelog section is 0.2.0"),
        (
            "0.2.0",
            LOG.replace("## Unreleased\n", ""),
            "begins with 0.2.0, expected `## Unreleased`",
        ),
        (
            "0.2.0",
            LOG.replace("Unreleased", "0.3.0"),
            "begins with 0.3.0, expected `## Unreleased`",
        ),
        ("0.2", LOG.replace("0.2.0", "0.2"), "not of the form 1.2.3"),
        ("0.2.0", LOG.replace("Works with tea.", "New."), "opens with 'Works with '"),
        ("0.2.0", "", "no heading `## 0.2.0`"),
    ],
)
def test_check_refuses_what_does_not_agree(repository, capsys, version, log, message):
    make_package(repository, version, log)
    assert release.main(["check"], repository) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("tag", ["snn-x-v0.1.0", "snn-y-v0.2.0"])
def test_check_refuses_a_given_tag_of_another_version_or_package(repository, capsys, tag):
    assert release.main(["check", "--tag", tag], repository) == 1
    assert tag in capsys.readouterr().err


def test_check_reads_the_tags_of_the_commit_at_hand(repository, capsys):
    git(repository, "tag", "unrelated")
    git(repository, "tag", "snn-x-v0.1.9")
    assert release.main(["check"], repository) == 1
    error = capsys.readouterr().err
    assert "snn-x-v0.1.9, expected snn-x-v0.2.0" in error
    assert "unrelated" not in error


def test_notes_are_the_section_of_this_version_only(repository, capsys):
    assert release.main(["notes", "snn-x"], repository) == 0
    assert capsys.readouterr().out == "Works with tea.\n\n### Added\n\n- b\n"


def test_notes_for_an_unknown_package_name_the_known_ones(repository, capsys):
    assert release.main(["notes", "snn-z"], repository) == 1
    assert "there are: snn-x" in capsys.readouterr().err


def test_tag_is_annotated_and_carries_the_notes_with_their_headings(repository):
    assert release.main(["tag", "snn-x"], repository) == 0
    assert git(repository, "cat-file", "-t", "snn-x-v0.2.0") == "tag"
    message = git(repository, "tag", "--list", "--format=%(contents)", "snn-x-v0.2.0")
    assert message == "snn-x 0.2.0\n\nWorks with tea.\n\n### Added\n\n- b"


CHANGED = LOG.replace("## Unreleased\n", "## Unreleased\n\n### Fixed\n\n- b of 0.2.0\n")


def test_prepare_moves_what_is_unreleased_to_the_new_version(repository, capsys):
    make_package(repository, log=CHANGED)
    assert release.main(["prepare", "snn-x", "0.3.0"], repository) == 0
    assert "Look through" in capsys.readouterr().out
    moved = "## Unreleased\n\n## 0.3.0\n\nWorks with tea.\n\n### Fixed\n\n- b of 0.2.0\n"
    folder = repository / "packages" / "snn-x"
    assert (folder / "CHANGELOG.md").read_text() == LOG.replace("## Unreleased\n", moved)
    assert 'version = "0.3.0"' in (folder / "pyproject.toml").read_text()
    assert release.main(["check"], repository) == 0
    git(repository, "commit", "--quiet", "-am", "release")
    assert release.main(["tag", "snn-x"], repository) == 0


@pytest.mark.parametrize(
    ("version", "log", "message"),
    [
        ("0.3.0", LOG, "nothing stands under `## Unreleased`"),
        ("0.2.0", CHANGED, "that its changelog does not have yet"),
        ("0.3", CHANGED, "of the form 1.2.3"),
    ],
)
def test_prepare_refuses_a_release_of_nothing_or_of_no_new_version(
    repository, capsys, version, log, message
):
    make_package(repository, log=log)
    assert release.main(["prepare", "snn-x", version], repository) == 1
    assert message in " ".join(capsys.readouterr().err.split())
    assert (repository / "packages" / "snn-x" / "CHANGELOG.md").read_text() == log


def test_tag_is_refused_while_changes_belong_to_no_version(repository, capsys):
    make_package(repository, log=CHANGED)
    git(repository, "commit", "--quiet", "-am", "change")
    assert release.main(["tag", "snn-x"], repository) == 1
    assert "prepare snn-x VERSION" in capsys.readouterr().err
    assert git(repository, "tag") == ""


def test_tag_is_not_made_twice(repository, capsys):
    assert release.main(["tag", "snn-x"], repository) == 0
    assert release.main(["tag", "snn-x"], repository) == 1
    assert "raise the version" in capsys.readouterr().err


def test_tag_is_refused_while_changes_are_not_committed(repository, capsys):
    (repository / "stray.txt").write_text("", encoding="utf-8")
    assert release.main(["tag", "snn-x"], repository) == 1
    assert "not committed" in capsys.readouterr().err
    assert git(repository, "tag") == ""
