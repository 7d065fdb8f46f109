"""How to install packages of this family: they lie in one repository, and on no index."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit


def how_to_install(package: str, *, extra: str = "") -> str:
    """Return a sentence with the command that installs a package, from a clone of the repository.

    Parameters
    ----------
    package
        Name of the package, such as ``snn-plot``.
    extra
        Name of the extra that is needed.
    """
    folder = _clone()
    known = folder is not None and (folder / package).is_dir()
    path = str(folder / package) if folder is not None and known else f"./packages/{package}"
    target = shlex.quote(f"{path}[{extra}]" if extra else path)
    where = "" if known else ", in a clone of the repository"
    return f"Install it with `python -m pip install {target}`{where}."


def how_to_update() -> str:
    """Return a sentence with the command that brings this package up to date."""
    return f"Bring your clone of the repository up to date. {how_to_install('snn-core')}"


def _clone() -> Path | None:
    """Return the folder of packages that this one was installed from, as pip and uv note it."""
    try:
        note = distribution("snn-core").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    url = urlsplit(json.loads(note)["url"]) if note else None
    if url is None or url.scheme != "file":
        return None
    path = Path(unquote(url.path))
    return path.parent if path.is_dir() else None
