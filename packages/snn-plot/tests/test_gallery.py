"""The gallery shows every figure, and says what a good one looks like."""

import re
from pathlib import Path

import pytest

import snn_plot

DOCS = Path(__file__).parents[3] / "docs"

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs a clone of the repository")

PLOTS = sorted(name for name in snn_plot.__all__ if name.startswith("plot_"))


@pytest.fixture(scope="module")
def entries():
    """Return heading to text."""
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    return {heading: text for heading, _, text in (part.partition("\n") for part in parts)}


def test_the_gallery_has_every_figure_and_no_other(entries):
    assert sorted(entries) == PLOTS
    assert sorted(path.stem for path in (DOCS / "gallery").glob("*.png")) == PLOTS


@pytest.mark.parametrize("name", PLOTS)
def test_each_is_drawn_and_says_what_a_good_one_looks_like(entries, name):
    assert f"![{name}](gallery/{name}.png)" in entries[name]
    assert "**Good**" in entries[name]


def test_pictures_stay_small():
    assert sum(path.stat().st_size for path in (DOCS / "gallery").glob("*.png")) < 3e6
