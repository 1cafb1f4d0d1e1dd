"""Which monitor runs the report and the status know about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.report.history import monitor_runs

Write = Callable[..., Path]


def test_runs_come_newest_first(home: Home, write_verdict: Write) -> None:
    """By the instant they looked at."""
    write_verdict("2026-03-01T00:00:00+00:00", status="ok")
    write_verdict("2026-03-08T00:00:00+00:00", status="act")
    assert [run.status for run in monitor_runs(home, "buying")] == ["act", "ok"]


def test_an_unfinished_run_says_nothing(home: Home, write_verdict: Write) -> None:
    """The verdict is written last; a folder without it was cut off."""
    (write_verdict("2026-03-01T00:00:00+00:00") / "verdict.json").unlink()
    assert list(monitor_runs(home, "buying")) == []


def test_a_verdict_of_another_format_is_refused_by_name(home: Home, write_verdict: Write) -> None:
    """Half-understood verdicts would be worse than none."""
    write_verdict("2026-03-01T00:00:00+00:00", format=2)
    with pytest.raises(TidemillError, match=r"verdict\.json has format 2"):
        list(monitor_runs(home, "buying"))


def test_a_concern_that_was_not_judged_has_no_evidence(home: Home, write_verdict: Write) -> None:
    """Readers ask without checking."""
    write_verdict("2026-03-01T00:00:00+00:00", {"drift": ("ok", "Calm.", {"features": 3})})
    run = next(monitor_runs(home, "buying"))
    assert run.evidence("drift") == {"features": 3}
    assert run.evidence("performance") == {}
