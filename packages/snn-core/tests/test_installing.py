import json

import pytest

from snn_core import installing
from snn_core.installing import how_to_install, how_to_update


@pytest.fixture
def installed_from(monkeypatch):
    """Return a function that sets what pip noted about where snn-core came from."""

    def set_note(url):
        class Distribution:
            def read_text(self, name):
                assert name == "direct_url.json"
                return None if url is None else json.dumps({"url": url, "dir_info": {}})

        monkeypatch.setattr(installing, "distribution", lambda name: Distribution())

    return set_note


def test_the_command_names_the_clone_that_this_was_installed_from(installed_from, tmp_path):
    for package in ("snn-core", "snn-plot"):
        (tmp_path / "my clone" / "packages" / package).mkdir(parents=True)
    packages = tmp_path / "my clone" / "packages"
    installed_from((packages / "snn-core").as_uri())
    assert how_to_install("snn-plot") == (
        f"Install it with `python -m pip install '{packages}/snn-plot'`."
    )
    assert f"pip install '{packages}/snn-core[images]'`" in how_to_install(
        "snn-core", extra="images"
    )


@pytest.mark.parametrize("url", [None, "https://example.org/snn_core.whl", "file:///gone/snn-core"])
def test_without_a_clone_it_names_the_place_in_one(installed_from, url):
    installed_from(url)
    assert how_to_install("snn-plot") == (
        "Install it with `python -m pip install ./packages/snn-plot`, in a clone of the repository."
    )
    assert how_to_update().startswith("Bring your clone of the repository up to date. Install")


def test_a_package_that_the_clone_lacks_is_in_another(installed_from, tmp_path):
    (tmp_path / "snn-core").mkdir()
    installed_from((tmp_path / "snn-core").as_uri())
    assert how_to_install("snn-plot").endswith(
        "./packages/snn-plot`, in a clone of the repository."
    )
