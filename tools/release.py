"""Check and tag releases; each package has its own version, changelog and tags.

python tools/release.py check [--tag snn-core-v0.1.0]   version, changelog and tags agree
python tools/release.py notes snn-core                  print the changelog of this version
python tools/release.py prepare snn-core 0.2.0          move what is unreleased to this version
python tools/release.py tag snn-core                    check, then make the annotated tag
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TOPS = ("packages", "examples")
VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?")
OPENING = "Works with "
UNRELEASED = "Unreleased"


class ReleaseError(Exception):
    """A release cannot be made as things stand."""


@dataclass(frozen=True)
class Release:
    """One package at the version that its pyproject.toml states."""

    package: str
    version: str
    changelog: str
    folder: Path

    @property
    def tag(self) -> str:
        """Name of the tag that marks this release."""
        return f"{self.package}-v{self.version}"


def releases(root: Path) -> dict[str, Release]:
    """Read every package, and every example that is one, by name."""
    found = {}
    paths = (path for top in TOPS for path in sorted(root.glob(f"{top}/*/pyproject.toml")))
    for path in paths:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        log = path.with_name("CHANGELOG.md")
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        found[project["name"]] = Release(project["name"], project["version"], text, path.parent)
    return found


def sections(changelog: str) -> dict[str, str]:
    """Return the text below each heading of a changelog by the heading's first word, in order."""
    found = {}
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        found["".join(heading.split()[:1])] = body.strip()
    return found


def notes(release: Release) -> str:
    """Return the changelog's section of the release, without its heading."""
    found = sections(release.changelog)
    if release.version not in found:
        raise ReleaseError(
            f"{release.package}: CHANGELOG.md has no heading `## {release.version}`; "
            "add it, or correct the version in pyproject.toml."
        )
    return found[release.version]


def problems(release: Release, tags: list[str]) -> list[str]:
    """List what does not agree between version, changelog and tags.

    ``tags`` are the tags of the commit at hand; those of other packages are no concern.
    """
    found = []
    if not VERSION.fullmatch(release.version):
        found.append(f"{release.package}: version {release.version!r} is not of the form 1.2.3")
    try:
        body = notes(release)
    except ReleaseError as error:
        found.append(str(error))
    else:
        if not body.startswith(OPENING):
            found.append(f"{release.package}: the section {release.version} opens with {OPENING!r}")
        first, newest, *_ = [*sections(release.changelog), ""]
        if first != UNRELEASED:
            found.append(
                f"{release.package}: the changelog begins with {first}, expected "
                f"`## {UNRELEASED}`; put this heading above it, even if nothing changed"
            )
        elif newest != release.version:
            found.append(
                f"{release.package}: the newest changelog section is {newest}, "
                f"the version in pyproject.toml is {release.version}"
            )
    found += [
        f"{release.package}: this commit carries the tag {tag}, expected {release.tag}"
        for tag in tags
        if re.fullmatch(rf"{re.escape(release.package)}-v.*", tag) and tag != release.tag
    ]
    return found


def check(found: dict[str, Release], tags: list[str]) -> None:
    """Raise one `ReleaseError` that lists every problem of every package."""
    known = tuple(f"{package}-v" for package in found)
    everything = [
        f"the tag {tag} belongs to no package" for tag in tags if not tag.startswith(known)
    ]
    for release in found.values():
        everything += problems(release, tags)
    if everything:
        raise ReleaseError("\n".join(everything))


def prepare(release: Release, version: str) -> None:
    """Raise the version of a package, and make a section of what its changelog calls unreleased."""
    if not VERSION.fullmatch(version) or version in sections(release.changelog):
        raise ReleaseError(
            f"{release.package}: cannot be released as {version!r}; expected a version of the form "
            "1.2.3 that its changelog does not have yet."
        )
    changes = sections(release.changelog).get(UNRELEASED, "")
    if not changes:
        raise ReleaseError(
            f"{release.package}: nothing stands under `## {UNRELEASED}` in CHANGELOG.md; "
            "write down what changed since the last release."
        )
    # What it works with is what the last release worked with, unless someone knows better.
    opening = notes(release).partition("\n\n")[0]
    rest = release.changelog.partition(f"## {UNRELEASED}")
    below = rest[2].replace(changes, f"## {version}\n\n{opening}\n\n{changes}", 1)
    changelog = release.folder / "CHANGELOG.md"
    changelog.write_text("".join([*rest[:2], below]), encoding="utf-8")
    project = release.folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    old, new = f'version = "{release.version}"', f'version = "{version}"'
    project.write_text(text.replace(old, new, 1), encoding="utf-8")


def git(*arguments: str, root: Path) -> str:
    """Run git in ``root`` and return what it prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, check=False, text=True
    )
    if done.returncode:
        raise ReleaseError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def own_tags(found: dict[str, Release], root: Path) -> list[str]:
    """Return the tags at HEAD that look like some package's release."""
    tags = git("tag", "--points-at", "HEAD", root=root).split()
    return [tag for tag in tags if any(tag.startswith(f"{package}-v") for package in found)]


def make_tag(release: Release, root: Path) -> None:
    """Make the annotated tag of a release at HEAD."""
    if sections(release.changelog).get(UNRELEASED):
        raise ReleaseError(
            f"{release.package}: changes stand under `## {UNRELEASED}`; move them to a version "
            f"with `python tools/release.py prepare {release.package} VERSION`."
        )
    if git("status", "--porcelain", root=root):
        raise ReleaseError(
            "The working tree has changes that are not committed; commit them first."
        )
    if git("tag", "--list", release.tag, root=root):
        raise ReleaseError(f"The tag {release.tag} exists; raise the version in pyproject.toml.")
    message = f"{release.package} {release.version}\n\n{notes(release)}\n"
    # Keep the notes' headings, which start with git's comment sign.
    git("tag", "--annotate", "--cleanup=whitespace", "-m", message, release.tag, root=root)


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check").add_argument("--tag", action="append", default=[])
    for name in ("notes", "tag"):
        commands.add_parser(name).add_argument("package")
    preparing = commands.add_parser("prepare")
    preparing.add_argument("package")
    preparing.add_argument("version")
    options = parser.parse_args(arguments)
    found = releases(root)
    try:
        if options.command == "check":
            check(found, options.tag or own_tags(found, root))
            print("\n".join(f"{release.package} {release.version}" for release in found.values()))
            return 0
        if options.package not in found:
            raise ReleaseError(f"No package {options.package!r}; there are: {', '.join(found)}.")
        release = found[options.package]
        if options.command == "notes":
            print(notes(release))
            return 0
        if options.command == "prepare":
            prepare(release, options.version)
            print(f"Look through {release.folder / 'CHANGELOG.md'}: what it works with, above all.")
            return 0
        check({release.package: release}, [release.tag])
        make_tag(release, root)
        print(f"Made the tag {release.tag}; publish it with `git push origin {release.tag}`.")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
