"""What follows a verdict is done for every run, and cannot spoil one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tidemill.home import Home
from tidemill_monitoring.cli import monitor

Run = Callable[[], tuple[int, str, str]]


@pytest.fixture
def home(open_shop: Callable, monkeypatch: pytest.MonkeyPatch) -> Home:
    found: Home = open_shop(renamed={"search": "Search"}, users=250).home
    monkeypatch.setenv("TIDEMILL_HOME", str(found.root))
    return found


@pytest.fixture
def run(home: Home) -> Run:
    """Exit code, stdout and stderr of the monitor over a shop with an alarm."""
    app = typer.Typer()
    app.command()(monitor)

    def call() -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["orders", "--at", "2024-04-30", "--json"])
        return result.exit_code, result.stdout, result.stderr

    return call


def test_each_run_leaves_a_page_and_metrics(home: Home, run: Run) -> None:
    """Beside the verdict, without a registry, and without a receiver nothing else."""
    assert run()[0] == 3
    assert "data quality: ok to act" in (home.monitoring("orders") / "history.html").read_text()
    metrics = home.monitoring_metrics.read_text()
    assert '{objective="orders",concern="data quality",status="act"} 1' in metrics
    assert not home.notifications("orders").exists()


def test_what_cannot_be_written_is_one_line_each(home: Home, run: Run) -> None:
    """Exit code and JSON are those of the verdict."""
    home.monitoring_metrics.mkdir(parents=True)
    home.history("orders").mkdir(parents=True)
    code, out, err = run()
    assert (code, json.loads(out)["status"]) == (3, "act")
    assert "the metrics were not written: IsADirectoryError" in err
    assert "the history page was not written: TidemillError" in err


def test_runs_of_another_version_stop_no_monitor(home: Home, run: Run) -> None:
    """They are in the page's way alone."""
    old: Path = home.monitoring("orders") / "20240101T000000Z"
    old.mkdir(parents=True)
    (old / "verdict.json").write_text('{"format": 0}')
    code, _, err = run()
    assert code == 3
    assert "has format 0" in err
    assert home.monitoring_metrics.exists()
