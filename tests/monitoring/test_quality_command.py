"""`tidemill quality`: data on stdout, a status in the exit code, a page in the home."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from tidemill.errors import TidemillError
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS
from tidemill.home import Home
from tidemill_monitoring.quality_cli import register


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command in the home of `fill`."""
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    app = typer.Typer()

    @app.callback()
    def several() -> None:
        """More than one command, as in the real CLI."""

    register(app)
    return lambda *arguments: CliRunner().invoke(app, ["quality", *arguments])


@pytest.fixture
def fill(tmp_path: Path, days_of):
    """A home whose log has four names; `lost` is silent for the last four days."""

    def build(lost: str | None = None) -> Home:
        home = Home(tmp_path / "home")
        rows = []
        for name in ("view", "search", "cart", "order"):
            silent = 4 if name == lost else 0
            rows += days_of(name, [30] * (60 - silent) + [0] * silent).rows()
        EventLog(home.events).append(pa.Table.from_pylist(rows, schema=EVENTS))
        return home

    return build


def test_a_sound_log_exits_with_0_and_a_page(run, fill):
    """The page is kept beside the other reports."""
    home = fill()
    result = run()
    assert result.exit_code == 0
    assert "<title>Data quality" in (home.reports / "data-quality.html").read_text()


def test_a_lost_event_exits_with_3(run, fill):
    """And JSON says which; stdout holds nothing else."""
    fill(lost="cart")
    result = run("--json", "--at", "2024-06-01")
    assert result.exit_code == 3
    facts = json.loads(result.stdout)
    assert facts["status"] == "act"
    tracking = next(each for each in facts["verdicts"] if each["concern"] == "tracking")
    assert [alarm["name"] for alarm in tracking["evidence"]["alarms"]] == ["cart"]


def test_in_a_pod_a_verdict_is_no_failure(run, fill, tmp_path: Path):
    """The verdict is the termination message, small enough for Kubernetes."""
    fill(lost="cart")
    path = tmp_path / "termination-log"
    assert run("--at", "2024-06-01", "--termination-log", str(path)).exit_code == 0
    message = json.loads(path.read_text())
    assert message["status"] == "act"
    assert set(message) == {"at", "status", "concern", "sentence"}
    assert len(path.read_bytes()) <= 4096


def test_a_log_that_nobody_fills_any_more_is_seen_by_the_clock(run, fill):
    """By the log's own end everything is fine; a week later nothing has arrived."""
    fill()
    assert run().exit_code == 0
    for later in ("2024-06-05", "2024-06-20", "2025-06-01"):
        assert run("--at", later).exit_code == 3, later


def test_an_empty_home_decides_nothing(run):
    """A job that runs before the first event, or on the first day, does not fail."""
    assert run("--at", "now").exit_code == 4
    assert run().exit_code == 4


def test_the_page_goes_where_it_is_wanted(run, fill, tmp_path: Path):
    """Folders on the way are made."""
    fill()
    wanted = tmp_path / "deep" / "page.html"
    assert run("--html", str(wanted)).exit_code == 0
    assert wanted.exists()


def test_a_place_that_cannot_be_written_is_named(run, fill, tmp_path: Path):
    """A file where a folder is needed."""
    fill()
    (tmp_path / "file").write_text("")
    result = run("--html", str(tmp_path / "file" / "page.html"))
    assert isinstance(result.exception, TidemillError)
    assert "page.html" in result.exception.message


def test_fewer_days_need_less_history(run, fill):
    """Counted in whole days before the instant."""
    fill()
    facts = json.loads(run("--json", "--days", "3", "--at", "2024-06-01").stdout)
    judged = facts["verdicts"][0]["evidence"]["days_judged"]
    assert judged == ["2024-05-29", "2024-05-30", "2024-05-31"]
    assert facts["judged_from"].startswith("2024-05-29")


def test_the_instant_reported_is_the_one_that_was_asked_for(run, fill, log_end):
    """With its zone."""
    fill()
    at = log_end + timedelta(hours=5)
    facts = json.loads(run("--json", "--at", at.isoformat()).stdout)
    assert facts["at"] == at.isoformat()
