"""The runs below a folder in the browser: a list, and the report of each, for this machine alone.

Only names that the list itself was made of are answered, so no address can lead elsewhere, and
only requests for this machine's own name, so no foreign page can read a report through the browser.
"""

from __future__ import annotations

import hashlib
import html
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from snn_core.errors import DataError, SNNError, printable_line
from snn_core.files import as_path
from snn_core.running.result import BatchArrays, RunFolder, RunResult
from snn_core.typing import PathLikeStr
from snn_plot.recorded import view
from snn_plot.report import asset, report_html
from snn_plot.report_words import model_name

HOST = "127.0.0.1"
DEEPEST = 6
"""How many folders deep runs are looked for."""

PATIENCE_S = 60.0
"""Seconds that a request may take to come, and its answer to be taken."""

_ERRORS = "surrogateescape"
"""How names of folders that are not UTF-8 get into an address and back."""

_BACK = '<a href="/">All runs</a>'

Announce = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run in the list: its summary, or in ``problem`` why it cannot be read."""

    name: str
    path: Path
    figures: dict[str, Any]
    problem: str = ""


def find_runs(root: Path) -> list[Listed]:
    """Return the result folders below a folder, by name.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; expected one with results of `snn run -o`.")
    found = []
    for file in sorted(root.rglob("run.json")):
        folder = file.parent
        parts = folder.relative_to(root).parts
        if len(parts) <= DEEPEST:
            found.append(_list_run("/".join(parts) or root.resolve().name, folder))
    return found


def _list_run(name: str, folder: Path) -> Listed:
    try:
        stored = RunFolder(folder)
        description = stored.metadata()
        identity = description["identity"]
        figures = {
            "model": model_name(description),
            "simulator": identity["simulator"],
            "samples": identity["samples"],
        }
        return Listed(name=name, path=folder, figures=figures | _reached(stored, description))
    except SNNError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other runs are listed
        problem = f"This run cannot be listed ({type(error).__name__}: {error})."
    return Listed(name=name, path=folder, figures={}, problem=problem)


def _reached(stored: RunFolder, description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a run; of an unfinished one those so far, and how much is done."""
    finished = stored.summary()
    if finished:
        return finished
    batches = [BatchArrays(values=batch.values) for batch in stored.batches()]
    done = sum(len(batch.values["sample_ids_b"]) for batch in batches)
    samples = f"{done} of {description['identity']['samples']}, stopped or running"
    if not batches:
        return {"samples": samples}
    so_far = RunResult.of(description, batches, interrupted=True)
    return so_far.summary() | {"samples": samples}


def index_html(root: Path, runs: list[Listed]) -> str:
    """Return the page that lists runs."""
    columns = ("model", "timesteps", "samples", "simulator", "spike_code")
    titles = ("run", "accuracy", "analog", "network", "steps", "samples", "simulator", "spike code")
    head = "".join(f"<th>{title}</th>" for title in titles)
    rows = []
    for run in runs:
        name = html.escape(run.name)
        if run.problem:
            rows.append(f"<tr><th>{name}</th><td colspan=7>{html.escape(run.problem)}</td></tr>")
            continue
        # Outputs that are numbers have an error, and data without labels an agreement.
        scores = next((pair for pair in SCORES if pair[0] in run.figures), SCORES[0])
        shown = [_score(run.figures, key) for key in scores]
        shown += [_cell(run.figures.get(column)) for column in columns]
        cells = "".join(f"<td>{cell}</td>" for cell in shown)
        rows.append(
            f'<tr><th><a href="/run/{quote(run.name, errors=_ERRORS)}">{name}</a></th>{cells}</tr>'
        )
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    if not runs:
        body = "<p>No run was found here: none was finished with <code>snn run -o</code>.</p>"
    return _page(
        f"Runs in {html.escape(root.resolve().name or '/')}",
        f'<div class="scroll">{body}</div><p class="remark">{html.escape(str(root.resolve()))}</p>',
    )


def _page(title: str, body: str) -> str:
    """Return a page in the style of reports."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{title}</title>'
        f"<style>{asset('report.css')}</style></head><body><header><h1>{title}</h1></header>"
        f"<main>{body}</main></body></html>"
    )


SCORES = (
    ("accuracy", "ann_accuracy"),
    ("mse", "ann_mse"),
    ("agreement", ""),
    ("difference", ""),
)
"""Measures of the spiking and of the analog network; a run has one of these pairs."""

_WORDS = {"mse": "MSE ", "ann_mse": "MSE ", "agreement": "agreement ", "difference": "difference "}


def _score(figures: Mapping[str, Any], key: str) -> str:
    value = figures.get(key)
    if value is None:
        return _cell(value)
    is_share = key in ("accuracy", "ann_accuracy", "agreement")
    return f"{_WORDS.get(key, '')}{_cell(float(value)) if is_share else f'{value:.4g}'}"


def _cell(value: Any) -> str:
    if value in (None, ""):
        return "–"
    return f"{value:.2%}" if isinstance(value, float) else html.escape(str(value))


class RunsServer(ThreadingHTTPServer):
    """Serves the runs of one folder to this machine.

    Parameters
    ----------
    root
        The folder.
    port
        Port; 0 chooses a free one.
    unit
        Unit of time in the reports.

    Raises
    ------
    DataError
        If the folder is missing or the port is taken.
    """

    daemon_threads = True

    def __init__(self, root: PathLikeStr, *, port: int = 0, unit: str = "steps") -> None:
        self.root, self.unit = as_path(root), unit
        find_runs(self.root)
        self._reports: dict[str, tuple[str, str]] = {}
        self._drawing = Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise DataError(
                f"Port {port} cannot be used ({error}); choose another: --port 0."
            ) from error

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of browsers that go away; of anything else, what Python says."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """Where the list is."""
        return f"http://{HOST}:{self.server_port}/"

    def report(self, run: Listed) -> str:
        """Return the report of a run, made anew if the run has changed."""
        state = _state(run.path)
        with self._drawing:
            known = self._reports.get(run.name)
            if known is None or known[0] != state:
                self._reports = {run.name: (state, report_html(view(run.path), unit=self.unit))}
            return self._reports[run.name][1]


def _state(folder: Path) -> str:
    """Return a value that changes when a run goes on."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    text = "\n".join(f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files)
    return hashlib.sha256(os.fsencode(text)).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: RunsServer
    timeout = PATIENCE_S

    def do_HEAD(self) -> None:
        """Answer as `do_GET` does, without the page."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with the list, a report, or what is wrong."""
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        if host not in (HOST, "localhost"):
            self._send(HTTPStatus.FORBIDDEN, "This server answers this machine alone.")
            return
        try:
            self._send(*self._answer_target(self.path))
        except ConnectionError:  # the browser went away
            self.close_connection = True

    def _answer_target(self, target: str) -> tuple[HTTPStatus, str]:
        """Return status and page for what a request asks for, which need not be an address."""
        try:
            path = unquote(urlsplit(target).path, errors=_ERRORS)
        except ValueError:
            return HTTPStatus.BAD_REQUEST, _page("This is no address", _BACK)
        return self._answer(path)

    def _answer(self, path: str) -> tuple[HTTPStatus, str]:
        """Return status and page, whatever the runs hold."""
        try:
            runs = find_runs(self.server.root)
            if path == "/":
                return HTTPStatus.OK, index_html(self.server.root, runs)
            chosen = [run for run in runs if path == f"/run/{run.name}"]
            if not chosen:
                return HTTPStatus.NOT_FOUND, _page("There is no such run", _BACK)
            return HTTPStatus.OK, self.server.report(chosen[0])
        except SNNError as error:
            said = str(error)
        except Exception as error:  # noqa: BLE001 - a page is all that a browser shows
            said = f"This page cannot be made ({type(error).__name__}: {error})."
        page = _page("This run cannot be shown", f"<p>{html.escape(said)}</p>{_BACK}")
        return HTTPStatus.INTERNAL_SERVER_ERROR, page

    def _send(self, status: HTTPStatus, page: str) -> None:
        body = page.encode(errors="backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the base class
        """Say nothing: the terminal belongs to the user."""


def serve_runs(root: Path, *, port: int, unit: str, announce: Announce) -> None:
    """Serve until Ctrl-C."""
    with RunsServer(root, port=port, unit=unit) as server:
        number, where = len(find_runs(root)), printable_line(root)
        try:
            announce(f"{where} at {server.address}, number of runs: {number} (Ctrl-C ends)")
            server.serve_forever()
        except KeyboardInterrupt:
            announce("Stopped.")
