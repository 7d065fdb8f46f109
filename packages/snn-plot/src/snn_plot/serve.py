"""The runs below a folder in the browser: a list, and the report of each, for this machine alone.

Only names that the list itself was made of are answered, so no address can lead elsewhere, and
only requests for this machine's own name, so no foreign page can read a report through the browser.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from snn_core.errors import DataError, SNNError, printable, printable_line
from snn_core.files import as_path
from snn_core.typing import PathLikeStr
from snn_plot.listing import Listed, Runs, state_of, walk
from snn_plot.recorded import view
from snn_plot.report import asset, report_html

HOST = "127.0.0.1"
_HOSTS = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]*)?", re.IGNORECASE)
"""Names of this machine; browsers leave out a port that is the usual one."""

PATIENCE_S = 60.0
"""Seconds that a request may take to come, and its answer to be taken."""

_ERRORS = "surrogateescape"
"""How names of folders that are not UTF-8 get into an address and back."""

_BACK = '<a href="/">All runs</a>'

Announce = Callable[[str], Any]


def index_html(root: Path, runs: Sequence[Listed], *, remark: str = "") -> str:
    """Return the page that lists runs, with a remark below."""
    columns = ("model", "timesteps", "samples", "simulator", "spike_code")
    titles = ("run", "accuracy", "analog", "network", "steps", "samples", "simulator", "spike code")
    head = "".join(f"<th>{title}</th>" for title in titles)
    rows = []
    for run in runs:
        name = _text(run.name)
        if run.problem:
            rows.append(f"<tr><th>{name}</th><td colspan=7>{_text(run.problem)}</td></tr>")
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
    said = "".join(f'<p class="remark">{_text(line)}</p>' for line in (root.resolve(), remark))
    return _page(
        f"Runs in {_text(root.resolve().name or '/')}", f'<div class="scroll">{body}</div>{said}'
    )


def _text(value: object) -> str:
    """Return a text that a page shows as it is: neither markup nor letters that move others."""
    return html.escape(printable(str(value)))


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
    return f"{value:.2%}" if isinstance(value, float) else _text(value)


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
        walk(self.root)  # which raises if there is nothing to read
        self.runs = Runs()
        self._reports: dict[str, tuple[str, tuple[HTTPStatus, str]]] = {}
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

    def report(self, name: str, folder: Path) -> tuple[HTTPStatus, str]:
        """Return status and page for a run: its report, made anew if the run has changed."""
        state = state_of(folder)
        with self._drawing:
            known = self._reports.get(name)
            if known is None or known[0] != state:
                known = state, self._report_anew(folder)
                self._reports = {name: known}
            return known[1]

    def _report_anew(self, folder: Path) -> tuple[HTTPStatus, str]:
        try:
            return HTTPStatus.OK, report_html(view(folder), unit=self.unit)
        except SNNError as error:
            return _problem(str(error))


def _problem(said: str) -> tuple[HTTPStatus, str]:
    """Return status and page that say what is wrong."""
    page = _page("This run cannot be shown", f"<p>{_text(said)}</p>{_BACK}")
    return HTTPStatus.INTERNAL_SERVER_ERROR, page


class _Handler(BaseHTTPRequestHandler):
    server: RunsServer
    timeout = PATIENCE_S

    def do_HEAD(self) -> None:
        """Answer as `do_GET` does, without the page."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with the list, a report, or what is wrong."""
        if not _HOSTS.fullmatch(self.headers.get("Host") or ""):
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
            walked = walk(self.server.root)
            if path == "/":
                runs = self.server.runs.listed(walked)
                page = index_html(self.server.root, runs, remark=walked.remark)
                return HTTPStatus.OK, page
            name = path.removeprefix("/run/")
            if path == name or name not in walked.runs:
                return HTTPStatus.NOT_FOUND, _page("There is no such run", _BACK)
            return self.server.report(name, walked.runs[name])
        except SNNError as error:
            return _problem(str(error))
        except Exception as error:  # noqa: BLE001 - a page is all that a browser shows
            return _problem(f"This page cannot be made ({type(error).__name__}: {error}).")

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
        walked, where = walk(root), printable_line(root)
        try:
            number = len(walked.runs)
            announce(f"{where} at {server.address}, number of runs: {number} (Ctrl-C ends)")
            if walked.remark:
                announce(f"{walked.remark}.")
            server.serve_forever()
        except KeyboardInterrupt:
            announce("Stopped.")
