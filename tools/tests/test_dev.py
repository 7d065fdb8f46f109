"""What `dev.py test` says at its end, which CI reads."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location(
    "dev", Path(__file__).resolve().parent.parent.parent / "dev.py"
)
assert SPEC is not None
assert SPEC.loader is not None
dev = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(dev)


def session(name: str, result: str, duration: float) -> dict:
    return {"name": name, "signatures": [name], "result": result, "duration": duration}


def test_sessions_are_listed_with_their_seconds_slowest_first(capsys):
    found = [
        session("lint", "success", 2.4),
        session("full(snn-core, 3.13)", "failed", 113.6),
        session("smoke(snn-core, 3.12)", "skipped", 0.0),
        session("docs", "success", 4.0),
    ]
    assert dev.summarize(found, status=0) == 1
    assert capsys.readouterr().out.splitlines() == [
        "",
        "seconds  session (2 min 0 s in all)",
        "    114  full(snn-core, 3.13)  failed",
        "      4  docs",
        "      2  lint",
        "      0  smoke(snn-core, 3.12)  skipped",
        "sessions: 2 passed, 1 failed",
    ]


@pytest.mark.parametrize(
    ("results", "status", "expected"),
    [(["success"], 0, 0), (["success"], 3, 3), (["skipped"], 0, 1), ([], 0, 1)],
)
def test_a_check_that_ran_nothing_or_that_nox_calls_failed_is_a_failure(results, status, expected):
    found = [session("a", result, 1.0) for result in results]
    assert dev.summarize(found, status) == expected
