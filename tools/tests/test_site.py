"""Pages keep their places on the site, and the tutorial's commands run as they stand there."""

from __future__ import annotations

from pathlib import Path
from subprocess import CalledProcessError

import pytest
import yaml

import site_pages
import tutorial

ROOT = Path(site_pages.__file__).parents[1]


def test_every_page_is_on_the_site_with_what_it_links_to(tmp_path):
    site_pages.main(tmp_path / "pages")
    names = {path.relative_to(tmp_path / "pages").as_posix() for path in tmp_path.rglob("*.*")}
    assert {"README.md", "docs/concepts.md", "packages/snn-core/README.md"} <= names
    assert "docs/gallery/plot_hist.png" in names
    assert {site_pages.COMMANDS, "reference/python/snn_core.md"} <= names


def test_every_guide_and_package_is_in_the_navigation():
    class Loader(yaml.SafeLoader):
        """Reads the file without making the objects that it names."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    config = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)  # noqa: S506 - a safe loader
    listed = set(pages_in(config["nav"]))
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    wanted |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("packages/*/README.md")}
    wanted |= {f"{site_pages.PYTHON}/{module}.md" for module in site_pages.MODULES}
    assert wanted <= listed


def test_the_reference_describes_every_package():
    packages = {path.name for path in ROOT.glob("packages/*/src/*") if path.is_dir()}
    packages -= {name for name in packages if name.endswith(".egg-info")}
    assert packages
    assert packages <= set(site_pages.MODULES)


def pages_in(entry):
    if isinstance(entry, str):
        return [entry]
    items = entry.values() if isinstance(entry, dict) else entry
    return [page for item in items for page in pages_in(item)]


PAGE = """# A page

## One

```python
# say.py
print("hello")
```

```python
never_written = 1
```

```sh
python say.py > said.txt
ls $DATA/test.npz
```

## Two

```sh
exit 3
```
"""


def test_a_part_runs_in_its_folder(tmp_path):
    tutorial.run(tutorial.parts(PAGE)["One"], tmp_path)
    assert (tmp_path / "said.txt").read_text() == "hello\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["said.txt", "say.py"]


def test_a_command_that_fails_is_an_error(tmp_path):
    with pytest.raises(CalledProcessError, match="status 3"):
        tutorial.run(tutorial.parts(PAGE)["Two"], tmp_path)
