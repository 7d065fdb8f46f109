"""The report: one HTML file with everything in it, the drawing library included."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from snn_core.errors import ArtifactError
from snn_core.files import FileKind, atomic_write, explain_failures, require_writable
from snn_core.running.result import RunResult
from snn_core.typing import PathLikeStr
from snn_plot import report_data
from snn_plot.recorded import RunView, view

LARGEST = 5_000_000
"""Bytes that a report may have."""


MARK = '<meta name="generator" content="snn-plot">'
"""Stands near the beginning of every report."""


def is_report(path: Path) -> bool:
    """Return whether a file is a report, from its first bytes."""
    try:
        with path.open("rb") as file:
            return MARK.encode() in file.read(4096)
    except OSError:
        return False


FILE = FileKind("report", is_report)
"""What a report may replace: another one."""


@explain_failures(memory="Record less (--record), or report on a run of fewer samples.")
def write_report(
    run_dir: PathLikeStr,
    path: PathLikeStr,
    *,
    sample_id: int | None = None,
    unit: str = "steps",
    overwrite: bool = False,
) -> int:
    """Write the report of a result folder; return its size in bytes.

    Parameters
    ----------
    run_dir
        A folder that `snn_core.run` wrote.
    path
        The HTML file.
    sample_id
        Index in the data set of the sample whose spikes are shown; the run's first by default.
    unit
        Unit of time, ``"steps"`` or ``"ms"``.
    overwrite
        Replace a report that is there. Other files are never replaced.

    Raises
    ------
    ArtifactError
        If the folder is no result, is damaged, or the run has no such sample.
    DataError
        If the file cannot be written or must not be replaced.
    """
    require_writable(Path(path), kind=FILE, overwrite=overwrite)
    page = report_html(view(run_dir, sample_id=sample_id), unit=unit).encode()
    if len(page) > LARGEST:
        raise ArtifactError(
            f"The report of {run_dir} has {len(page) / 1e6:.1f} MB; expected at most "
            f"{LARGEST / 1e6:.0f} MB. Please report this as a bug."
        )
    with atomic_write(Path(path), kind=FILE, overwrite=overwrite) as file:
        file.write(page)
    return len(page)


def report_html(run: RunView | RunResult, *, unit: str = "steps") -> str:
    """Return the report as one page that asks for nothing from outside."""
    if isinstance(run, RunResult):
        run = view(run)
    units = run.units(unit)
    data = report_data.report_data(run, units=units)
    # Within a script element only "<" could end it or begin a comment.
    values = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    identity = run.result.metadata["identity"]
    text = {
        "title": f"{run.name}: {run.result.samples} samples on {identity['simulator']}",
        "subtitle": f"{run.settings['conversion']['spike_code']}, {run.result.timesteps} steps of "
        f"{run.dt_ms:g} ms",
        "sample": report_data.describe_sample(run),
        "measure": data["accuracy"]["label"].removesuffix(" (%)").capitalize(),
        "decisions": report_data.decisions_title(run),
        "verdict": report_data.verdict(run),
    }
    parts = {
        "headline": "".join(_card(*row) for row in report_data.headline(run, units=units)),
        "notes": "".join(f'<p class="note">{html.escape(n)}</p>' for n in report_data.notes(run)),
        "layer_rows": "".join(_layer_row(layer) for layer in data["layers"]),
        "rate_unit": html.escape(units.firing_rate),
        "changed": "".join(_rows(report_data.changed_settings(run))),
        "settings": "".join(_rows(_flat(run.settings))),
        "provenance": "".join(_rows(report_data.provenance(run).items())),
    }
    return Template(asset("report.html")).substitute(
        {key: html.escape(value) for key, value in text.items()},
        **parts,
        style=asset("report.css"),
        library=asset("plotly-cartesian.min.js"),
        script=asset("report.js"),
        data=values,
    )


def asset(name: str) -> str:
    """Return a text file of this package."""
    return (files("snn_plot") / "assets" / name).read_text(encoding="utf-8")


def _card(what: str, value: str, remark: str) -> str:
    inner = f"<dt>{html.escape(what)}</dt><dd>{html.escape(value)}</dd><p>{html.escape(remark)}</p>"
    return f'<div class="card">{inner}</div>'


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested settings with dotted names."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _rows(items: Any) -> Iterator[str]:
    for key, value in items:
        shown = json.dumps(value) if isinstance(value, (list, dict, bool)) else value
        text = "–" if shown is None or shown == "" else str(shown)
        yield f"<tr><th>{html.escape(str(key))}</th><td>{html.escape(text)}</td></tr>"


def _layer_row(layer: Mapping[str, Any]) -> str:
    r, saturated = layer.get("r"), layer.get("saturated")
    wide = ' class="wide"'
    cells = [
        ("", _small_multiple(layer)),
        ("", f"{r[1]:.4f}" if r else "–"),
        (wide, f"{r[0]:.4f} to {r[2]:.4f}" if r else "–"),
        (wide, f"{saturated:.2%}" if saturated is not None else "–"),
        ("", f"{layer['mean_rate']:.4f}" if "mean_rate" in layer else "–"),
        (wide, f"{layer['neurons']:,}".replace(",", "\u202f")),
    ]
    numbers = "".join(f"<td{attribute}>{cell}</td>" for attribute, cell in cells)
    name = html.escape(str(layer["name"]))
    return f'<tr data-layer="{name}"><th scope="row">{name}</th>{numbers}</tr>'


def _small_multiple(layer: Mapping[str, Any], *, size: int = 56, dots: int = 150) -> str:
    """Return a small scatter plot of rates over activations, as a drawing within the page."""
    rates, wanted = layer.get("rates"), layer.get("activations")
    if not rates or not wanted:
        return "–"
    step = -(-len(rates) // dots)
    pairs = list(zip(wanted[::step], rates[::step], strict=True))
    largest = max(*(max(pair) for pair in pairs), 1e-9)
    scale = (size - 4) / largest
    path = "".join(
        f"M{2 + max(a, 0) * scale:.1f},{size - 2 - max(r, 0) * scale:.1f}h0" for a, r in pairs
    )
    name = html.escape(str(layer["name"]))
    return (
        f'<svg class="small" viewBox="0 0 {size} {size}" role="img" '
        f'aria-label="rate over activation of {name}">'
        f'<path class="line" d="M2,{size - 2}L{size - 2},2"/><path class="dots" d="{path}"/></svg>'
    )
