"""The hooks of pre-commit are the tools of the lint session, at the same versions."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent.parent
REPOS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
HOOKS = [hook for repo in REPOS for hook in repo["hooks"]]


def test_hooks_are_downloaded_from_nowhere_but_the_package_index():
    assert [repo["repo"] for repo in REPOS] == ["local"]
    assert {hook["language"] for hook in HOOKS} == {"python"}


def test_hooks_install_what_the_lint_session_installs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {line for hook in HOOKS for line in hook["additional_dependencies"]}
    assert found == set(project["dependency-groups"]["lint"])
