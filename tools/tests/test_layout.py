"""The picture of the core in CONTRIBUTING.md, the import contract and the package agree."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORE = ROOT / "packages" / "snn-core" / "src" / "snn_core"


def layers():
    """Return the rooms of each layer of the import contract, from the top."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    lines = contract["importlinter:contract:core-layers"]["layers"].split("\n")
    return [re.findall(r"\w+", line) for line in lines if line.strip()]


def test_the_picture_shows_the_import_contract():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = re.search(r"```text\n(.*?)```", page, flags=re.DOTALL)
    assert picture is not None
    drawn = []
    for floor in re.split(r"\n[^\n]*├[^\n]*\n", picture[1]):
        rooms = re.findall(r"│([^│\n]*)", floor.splitlines()[0 if drawn else 1])
        drawn.append([name.strip() for name in rooms if name.strip()])
    assert drawn == layers()


def test_the_contract_has_at_most_ten_layers():
    assert len(layers()) <= 10


def test_the_top_of_the_core_holds_few_modules_and_folders():
    modules = {path.stem for path in CORE.glob("[a-z]*.py")}
    folders = {path.parent.name for path in CORE.glob("*/__init__.py")}
    assert len(modules) <= 7, sorted(modules)
    assert len(folders) <= 18, sorted(folders)
    assert {*modules, *folders} == {name for layer in layers() for name in layer}
