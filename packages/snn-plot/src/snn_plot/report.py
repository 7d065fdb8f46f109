"""The report: one HTML file with everything in it, the drawing library included."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from snn_core.errors import ArtifactError
from snn_core.files import FileKind, as_path, atomic_write, explain_failures, require_writable
from snn_core.running.result import RunResult
from snn_core.typing import PathLikeStr
from snn_plot import report_data, report_words
from snn_plot.recorded import RunView, view
from snn_plot.style import thousands
from snn_plot.verdict import verdict

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
    path = as_path(path)
    require_writable(path, kind=FILE, overwrite=overwrite)
    page = report_html(view(run_dir, sample_id=sample_id), unit=unit).encode()
    if len(page) > LARGEST:
        raise ArtifactError(
            f"The report of {run_dir} has {len(page) / 1e6:.1f} MB; expected at most "
            f"{LARGEST / 1e6:.0f} MB. Please report this as a bug."
        )
    with atomic_write(path, kind=FILE, overwrite=overwrite) as file:
        file.write(page)
    return len(page)


def report_html(run: RunView | RunResult | PathLikeStr, *, unit: str = "steps") -> str:
    """Return the report of a run or of its folder, a page that asks for nothing from outside."""
    if not isinstance(run, RunView):
        run = view(run)
    units = run.units(unit)
    data = report_data.report_data(run, units=units)
    # Within a script element only "<" could end it or begin a comment.
    values = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    settings = report_words.list_settings(run)
    changed = [setting for setting in settings if setting.is_changed]
    text = {
        "title": report_words.title(run),
        "sample": report_words.describe_sample(run),
        "measure": data["accuracy"]["label"].removesuffix(" (%)").capitalize(),
        "decisions": report_words.decisions_title(run),
        "verdict": verdict(run, subject=report_words.subject(run)),
        "rate_unit": units.firing_rate,
        "number_changed": f"{len(changed)} of {len(settings)}",
    }
    parts = {
        "subtitle": "".join(f"<p>{html.escape(line)}</p>" for line in report_words.subtitle(run)),
        "headline": "".join(_card(*row) for row in report_words.headline(run, units=units)),
        "notes": "".join(f'<p class="note">{html.escape(n)}</p>' for n in report_words.notes(run)),
        "layer_rows": "".join(_layer_row(layer) for layer in data["layers"]),
        "layer_head": "".join(_layer_head(units.firing_rate)),
        "changed": "".join(map(_setting_row, changed)),
        "settings": "".join(map(_setting_row, settings)),
        "provenance": "".join(_rows(report_words.provenance(run).items())),
        "glossary": "".join(
            f"<dt>{html.escape(word)}</dt><dd>{html.escape(meaning)}</dd>"
            for word, meaning in report_words.GLOSSARY.items()
        ),
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


EXPLAINED: Mapping[str, str] = {
    "Analog accuracy": "analog network",
    "Operations per sample": "operations",
    "Mean firing rate": "rate",
    "Same decision": "analog network",
    "95 % interval": "Wilson interval",
    "analog": "analog network",
}
"""Words of the headline to the terms of the glossary that explain them."""


def _term(word: str, *, shown: str = "") -> str:
    """Return a term of the glossary, which tells its meaning where one points at it."""
    meaning = html.escape(report_words.GLOSSARY[word])
    return f'<abbr title="{meaning}">{html.escape(shown or word)}</abbr>'


def _explained(text: str) -> str:
    """Return a text whose beginning is explained if it is a word of `EXPLAINED`."""
    for word, term in EXPLAINED.items():
        if text.startswith(word):
            return _term(term, shown=word) + html.escape(text.removeprefix(word))
    return html.escape(text)


def _card(what: str, value: str, remark: str) -> str:
    inner = f"<dt>{_explained(what)}</dt><dd>{html.escape(value)}</dd><p>{_explained(remark)}</p>"
    return f'<div class="card">{inner}</div>'


def _shown(value: Any) -> str:
    """Return a value of a table as text."""
    text = json.dumps(value) if isinstance(value, (list, dict, bool)) else value
    return "–" if text is None or text == "" else str(text)


def _breakable(name: str) -> str:
    """Return a name that narrow columns break behind its dots and underlines."""
    return html.escape(name).replace(".", ".<wbr>").replace("_", "_<wbr>")


def _rows(items: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for key, value in items:
        yield f"<tr><th>{_breakable(key)}</th><td>{html.escape(_shown(value))}</td></tr>"


def _setting_row(setting: report_words.Setting) -> str:
    """Return a row of a table; a changed value is marked, with what it is otherwise."""
    name, value = _breakable(setting.name), html.escape(_shown(setting.value))
    if not setting.is_changed:
        return f"<tr><th>{name}</th><td>{value}</td></tr>"
    default = _shown(setting.default)
    said = "not set by default" if default == "–" else f"instead of {html.escape(default)}"
    return f'<tr class="changed"><th>{name}</th><td>{value} <small>{said}</small></td></tr>'


def _layer_head(rate_unit: str) -> Iterator[str]:
    """Yield the cells above the table of layers."""
    wide = ' class="wide"'
    for attribute, cell in (
        ("", "layer"),
        ("", f"{_term('rate')} over {_term('activation')}"),
        ("", f"{_term('correlation r')}, median"),
        (wide, "quartiles of r"),
        (wide, _term("saturated")),
        ("", f"mean rate ({html.escape(rate_unit)})"),
        (wide, "neurons"),
    ):
        yield f"<th{attribute}>{cell}</th>"


def _layer_row(layer: Mapping[str, Any]) -> str:
    r, saturated = layer.get("r"), layer.get("saturated")
    wide = ' class="wide"'
    cells = [
        ("", _small_multiple(layer)),
        ("", f"{r[1]:.4f}" if r else "–"),
        (wide, f"{r[0]:.4f} to {r[2]:.4f}" if r else "–"),
        (wide, f"{saturated:.2%}" if saturated is not None else "–"),
        ("", f"{layer['mean_rate']:.4f}" if "mean_rate" in layer else "–"),
        (wide, thousands(layer["neurons"])),
    ]
    numbers = "".join(f"<td{attribute}>{cell}</td>" for attribute, cell in cells)
    name = str(layer["name"])
    shown = f'<th scope="row">{_breakable(name)}</th>'
    return f'<tr data-layer="{html.escape(name)}">{shown}{numbers}</tr>'


def _small_multiple(layer: Mapping[str, Any], *, size: int = 56, dots: int = 150) -> str:
    """Return a small scatter plot of rates over activations, as a drawing within the page."""
    rates, wanted = layer.get("rates"), layer.get("activations")
    if not rates or not wanted:
        return "–"
    step = -(-len(rates) // dots)
    both = zip(wanted[::step], rates[::step], strict=True)
    pairs = [(a, r) for a, r in both if a is not None and r is not None]
    if not pairs:
        return "–"
    values = [value for pair in pairs for value in pair]
    low = min(*values, 0)
    scale = (size - 4) / max(max(values) - low, 1e-9)
    path = "".join(
        f"M{2 + (a - low) * scale:.1f},{size - 2 - (r - low) * scale:.1f}h0" for a, r in pairs
    )
    name = html.escape(str(layer["name"]))
    return (
        f'<svg class="small" viewBox="0 0 {size} {size}" role="img" '
        f'aria-label="rate over activation of {name}">'
        f'<path class="line" d="M2,{size - 2}L{size - 2},2"/><path class="dots" d="{path}"/></svg>'
    )
