import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_core import run
from snn_core.errors import DataError
from snn_core.running.result import RunFolder
from snn_plot import listing, serve
from snn_plot.recorded import view
from snn_plot.serve import RunsServer, index_html


@pytest.fixture
def server(make_run, tmp_path):
    """Return a server of one good and one damaged run, and a file beside its folder."""
    root = tmp_path / "runs"
    root.mkdir()
    make_run(root / "a b" / "run", log_vars=())
    (root / "broken").mkdir()
    (root / "broken" / "run.json").write_text("{")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "run.json").write_text("secret")
    started = RunsServer(root)
    Thread(target=started.serve_forever, daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


def get(server, path, *, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    headers = {"Host": host or f"127.0.0.1:{server.server_port}"}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_runs_are_listed_with_links_and_problems(server):
    status, page = get(server, "/")
    assert status == 200
    assert 'href="/run/a%20b/run"' in page
    assert "run.json cannot be read" in page
    assert "secret" not in page.replace(str(server.root), "")


def test_every_page_has_a_title(make_run, tmp_path, monkeypatch, server):
    def title(path):
        return re.search("<title>(.*?)</title>", get(server, path)[1]).group(1)

    assert title("/") == "Runs in runs"
    assert title("/run/nothing") == "There is no such run"
    assert title("/run/broken") == "This run cannot be shown"
    assert title("/run/a%20b/run") == "run: 7 samples on reference"
    monkeypatch.chdir(server.root)  # a folder that is called "." has a name
    assert "<title>Runs in runs</title>" in index_html(Path(), [])


def test_the_list_names_the_networks(server, network, data, tmp_path):
    network.save(tmp_path / "small.snn")
    run(tmp_path / "small.snn", "reference", data=data, timesteps=4, output_dir=server.root / "c")
    page = get(server, "/")[1]
    assert "<th>network</th>" in page
    assert page.count("<td>small.snn</td>") == 1


def test_the_list_tells_how_much_of_a_stopped_run_is_done(server):
    folder = server.root / "a b" / "run"
    assert "<td>7</td>" in get(server, "/")[1]
    (folder / "summary.json").unlink()
    (folder / "batches" / "00002.npz").unlink()
    result = view(folder).result
    page = get(server, "/")[1]
    assert "<td>6 of 7, stopped or running</td>" in page
    assert f"<td>{result.accuracy:.2%}</td>" in page
    for file in (folder / "batches").iterdir():
        file.unlink()
    assert "<td>0 of 7, stopped or running</td>" in get(server, "/")[1]


def test_a_report_is_made_anew_when_the_run_changes(server):
    status, page = get(server, "/run/a%20b/run")
    assert status == 200
    assert '<section id="accuracy">' in page
    assert "Energy" not in page.partition("<script")[0]
    probes = server.root / "a b" / "run" / "probes"
    probes.mkdir()
    (probes / "meter.csv").write_text("step,chip_uj\n1,7\n2,7\n")
    assert "Energy" in get(server, "/run/a%20b/run")[1].partition("<script")[0]


@pytest.mark.parametrize(
    "path",
    [
        "/run/../secret",
        "/run/" + quote("../secret", safe=""),
        "/run/a%20b/../../../secret",
        "/../secret/run.json",
        "//etc/passwd",
        "/run//etc",
        "/run/a%20b/run/run.json",
        "/nothing",
    ],
)
def test_nothing_else_is_answered(server, path):
    status, page = get(server, path)
    assert status == 404
    assert "There is no such run" in page


def test_a_damaged_run_is_a_message(server):
    status, page = get(server, "/run/broken")
    assert status == 500
    assert "run.json cannot be read" in page


def test_a_damaged_summary_does_not_block_the_list(server):
    (server.root / "a b" / "run" / "summary.json").write_text('{"accuracy": "high"}')
    status, page = get(server, "/")
    assert status == 200
    assert "accuracy: expected numbers" in page


def test_a_run_that_cannot_be_listed_does_not_block_the_list(server, monkeypatch):
    def fail(description):
        raise OverflowError("too large")

    monkeypatch.setattr(listing, "model_name", fail)
    status, page = get(server, "/")
    assert status == 200
    assert "This run cannot be listed (OverflowError: too large)." in page


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        ({"mse": 10**400}, "summary.json cannot be read"),
        ({"samples": 9}, "samples: it tells of 9, run.json of 7"),
        ({"accuracy": 1}, "<td>100.00%</td>"),
        ({"mse": 4611686018427387903}, "<td>MSE 4.612e+18</td>"),
        ({"difference": 1e308, "dt_ms": "<b>"}, "dt_ms: expected numbers, found &#x27;&lt;b&gt;"),
        ({"difference": 1e308, "simulator": "<b>"}, "it tells of &#x27;&lt;b&gt;&#x27;, run.json"),
    ],
)
def test_any_summary_has_its_row(server, summary, message):
    folder = RunFolder(server.root / "a b" / "run")
    assert list(folder.batches())  # which it has to know before it finishes
    folder.finish(summary)
    status, page = get(server, "/")
    assert status == 200
    assert message in page
    assert "run.json cannot be read" in page  # the other one


def test_the_list_and_the_report_tell_the_same(server):
    folder = server.root / "a b" / "run"
    accuracy = f"<td>{view(folder).result.accuracy:.2%}</td>"
    assert accuracy in get(server, "/")[1]
    found = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**found, "accuracy": 0.123}))
    assert "summary.json cannot be read (ValueError: it was changed" in get(server, "/")[1]
    assert "12.30%" not in get(server, "/")[1]
    status, page = get(server, "/run/a%20b/run")
    assert status == 500
    assert "it was changed, or is of other batches" in page
    del found["digest"]  # as of older versions: figures are those of the batches
    (folder / "summary.json").write_text(json.dumps({**found, "mean_rate": 0.123}))
    page = get(server, "/")[1]
    assert accuracy in page
    assert "<td>7</td>" in page


def test_what_has_not_changed_is_read_once(server, monkeypatch):
    read = []
    for module, name in ((listing, "RunFolder"), (serve, "view")):
        own = getattr(module, name)

        def note(*arguments, name=name, own=own):
            read.append(name)
            return own(*arguments)

        monkeypatch.setattr(module, name, note)
    for path in ("/", "/run/a%20b/run", "/", "/run/a%20b/run"):
        assert get(server, path)[0] == 200
    assert sorted(read) == ["RunFolder", "RunFolder", "view"]  # of two runs
    for _ in range(2):
        assert get(server, "/run/broken")[0] == 500
    assert sorted(read) == ["RunFolder", "RunFolder", "view", "view"]
    (server.root / "broken" / "run.json").write_text("{}")
    assert get(server, "/run/broken")[0] == 500
    assert get(server, "/")[0] == 200
    assert sorted(read) == ["RunFolder"] * 3 + ["view"] * 3


def test_files_that_come_and_go_while_a_run_works_do_not_matter(server, monkeypatch):
    folder = server.root / "a b" / "run"
    before = listing.state_of(folder)
    batches = folder / "batches"
    (batches / ".00009.npz.abcdefgh").touch()
    (folder / ".run.lock").touch()
    assert listing.state_of(folder) == before
    gone, listed = batches / "00003.npz", Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([*listed(path), gone]))
    assert listing.state_of(folder) == before
    gone.touch()
    assert listing.state_of(folder) != before


def test_folders_that_cannot_be_read_are_passed_over_and_named(server, monkeypatch):
    (server.root / "a b" / "closed").mkdir()
    (server.root / "closed").mkdir()
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    status, page = get(server, "/")
    assert status == 200
    assert 'href="/run/a%20b/run"' in page
    said = f"Passed over 2 folders that cannot be read: {server.root / 'a b' / 'closed'}, for one"
    assert said in page
    with pytest.raises(DataError, match="cannot be read; choose one that you may read"):
        RunsServer(server.root / "closed")


def test_runs_that_lie_too_deep_or_behind_links_are_not_looked_for(server, tmp_path):
    for names in ("a/b/c/d/e/f", "1/2/3/4/5/6/7"):
        shutil.copytree(server.root / "broken", server.root / names)
    (server.root / "link").symlink_to(tmp_path / "secret")
    found = listing.walk(server.root).runs
    assert sorted(found) == ["a b/run", "a/b/c/d/e/f", "broken"]


def test_a_run_in_the_folder_itself_does_not_hide_one_below_it(server):
    run, root = server.root / "a b" / "run", server.root / "x"
    shutil.copytree(run, root)
    assert list(listing.walk(root).runs) == ["x"]
    taken = "x (the folder itself)"
    for name in ("x", taken):
        shutil.copytree(run, root / name)
    runs = listing.walk(root).runs
    assert list(runs) == [f"{taken} (the folder itself)", "x", taken]
    assert list(runs.values()) == [root, root / "x", root / taken]
    with RunsServer(root) as other:
        for name in runs:
            assert other.report(name, runs[name])[0] == 200


def test_letters_that_would_turn_a_line_around_are_shown(server, make_run):
    make_run(server.root / "a\u202egnp", log_vars=())
    for path in ("/", "/run/" + quote("a\u202egnp")):
        status, page = get(server, path)
        assert status == 200
        assert "\u202e" not in page
        assert "a\\u202egnp" in page


def test_a_damaged_batch_is_a_message(server):
    next((server.root / "a b" / "run" / "batches").iterdir()).write_bytes(b"PK")
    status, page = get(server, "/run/a%20b/run")
    assert status == 500
    assert "cannot be read" in page


def test_folders_whose_names_are_not_utf8_are_served(server, make_run):
    folder = os.fsencode(server.root) + b"/\xff"
    make_run(Path(os.fsdecode(folder)), log_vars=())
    status, page = get(server, "/")
    assert status == 200
    assert 'href="/run/%FF"' in page
    assert get(server, "/run/%FF")[0] == 200


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_request_gets_an_answer(server, path):
    assert get(server, f"/{path}")[0] in (200, 404, 500)


def ask(server, request):
    """Return the answer to the bytes of a request, which need not be one."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(2**16), b""))


@pytest.mark.parametrize("target", ["http://[x", "http://]/", "x://[y/"])
def test_a_target_that_is_no_address_is_answered(server, target, capfd):
    answer = ask(server, f"GET {target} HTTP/1.0\r\nHost: 127.0.0.1:1\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"<title>This is no address</title>" in answer
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/x\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: 127.0.0.1:1\r\n\r\n",
        b"GET / HTTP/1.0\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: [\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: \x1b]\xff\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_without_a_word_on_the_terminal(server, request_bytes, capfd):
    # Without a version that can be read, Python may answer with a page alone, as HTTP 0.9 did.
    assert re.search(rb"\A\S+ (4\d\d|50[15]) |>Error code:", ask(server, request_bytes))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("path", ["/", "/run/a%20b/run", "/run/broken", "/nothing"])
def test_a_head_is_that_of_the_page(server, path):
    host = f"Host: 127.0.0.1:{server.server_port}\r\n\r\n"
    head = ask(server, f"HEAD {path} HTTP/1.0\r\n{host}".encode())
    whole = ask(server, f"GET {path} HTTP/1.0\r\n{host}".encode())

    def lines(answer):
        return [line for line in answer.split(b"\r\n\r\n")[0].splitlines() if b"Date" not in line]

    assert lines(head) == lines(whole)
    assert head.endswith(b"\r\n\r\n")


def test_requests_that_never_end_hold_up_nobody_and_end(server, monkeypatch, capfd):
    monkeypatch.setattr(server.RequestHandlerClass, "timeout", 0.5)
    address = ("127.0.0.1", server.server_port)
    halves = [socket.create_connection(address, timeout=60) for _ in range(20)]
    for half in halves:
        half.sendall(b"GET / HT")
    assert get(server, "/")[0] == 200
    for half in halves:
        assert half.recv(1) == b""
        half.close()
    assert capfd.readouterr().err == ""


def test_browsers_that_go_away_leave_no_word_on_the_terminal(server, capfd):
    for begun in (b"", b"GET / HT", b"GET /run/a%20b/run HTTP/1.0\r\nHost: 127.0.0.1:1\r\n\r\n"):
        connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=60)
        connection.sendall(begun)
        # Closing then is a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert get(server, "/")[0] == 200
    time.sleep(0.2)
    assert capfd.readouterr().err == ""


def test_a_whole_page_comes_before_further_requests(server):
    host = f"Host: 127.0.0.1:{server.server_port}\r\n\r\n".encode()
    request = b"GET /run/a%20b/run HTTP/1.1\r\n" + host
    head, _, page = ask(server, request * 50).partition(b"\r\n\r\n")
    assert int(re.search(rb"Content-Length: (\d+)", head).group(1)) == len(page)


def test_a_run_with_an_endless_name_is_a_message_in_the_list(server):
    path = server.root / "a b" / "run" / "run.json"
    found = json.loads(path.read_text())
    found["model"]["name"] = "a" * 10**8
    path.write_text(json.dumps(found))
    status, page = get(server, "/")
    assert status == 200
    assert "run.json has 1000" in page
    assert len(page) < 10_000
    status, page = get(server, "/run/a%20b/run")
    assert status != 200
    assert len(page) < 10_000


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:80", "127.0.0.1:8000"])
def test_this_machine_is_answered_with_and_without_a_port(server, host):
    assert get(server, "/", host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:80",  # a foreign page whose name was made to point here
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "127.0.0.1:80@evil.example",
        "evil.example:127.0.0.1",
        "127.0.0.1 evil.example",
        "127.0.0.2",
        ":80",
    ],
)
def test_only_this_machine_is_answered(server, host):
    assert server.server_address[0] == "127.0.0.1"
    status, page = get(server, "/", host=host)
    assert status == 403
    assert "a b" not in page


def test_a_taken_port_is_named(server):
    with pytest.raises(DataError, match=f"Port {server.server_port} cannot be used"):
        RunsServer(server.root, port=server.server_port)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another event there")
def test_ctrl_c_ends_it_cleanly(run_dir):
    command = [sys.executable, "-m", "snn_core", "report", "--serve", run_dir.parent]
    process = subprocess.Popen(
        [*map(str, command), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A shell lets its background jobs ignore Ctrl-C, and processes pass that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one thread
    )
    first = process.stdout.readline()
    assert re.search(r" at http://127\.0\.0\.1:\d+/, number of runs: 1 \(Ctrl-C ends\)", first)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "Stopped.\n", "")
