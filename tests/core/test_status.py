"""What `tidemill status` knows about a home."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tidemill.cli.status import next_steps, status
from tidemill.errors import ObjectiveError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.predictions import PredictionLog, Predictions, count_predictions
from tidemill.report.overview import look

MakeEvents = Callable[..., pa.Table]


@pytest.fixture
def with_events(home: Home, make_events: MakeEvents) -> None:
    """Two events of 1 March 2017."""
    EventLog(home.events).append(make_events("e1", "e2"))


def log_predictions(home: Home, *users: str) -> None:
    rows = len(users)
    answer = Predictions(
        "id", 1, "buying", "1", "hash", users, np.zeros(rows, np.int64), np.zeros(rows, bool),
        np.zeros(rows), ["A"] * rows, np.zeros((rows, 2), np.float32),
    )  # fmt: skip
    log = PredictionLog(home.predictions("buying"))
    log.append(answer)
    log.close()


def test_an_empty_home_says_what_to_run_first(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """And looking at it creates nothing."""
    status()
    assert "tidemill events import" in capsys.readouterr().err
    assert not home.root.exists()


@pytest.mark.usefixtures("with_events")
def test_events_are_counted_to_the_last(home: Home) -> None:
    """The log's own numbers."""
    found = look(home)
    assert found.events == 2
    assert f"{found.last_event:%Y-%m-%d}" == "2017-03-01"
    assert next_steps(found) == ["train a model with `tidemill train OBJECTIVE.yaml`"]


def test_a_live_model_is_shown_with_what_it_promised(
    home: Home, know_objective: Callable[..., None], make_live: Callable[..., None]
) -> None:
    """Version, test window's end, AUC and the lift of grade A come from the served folder."""
    know_objective()
    make_live(version="3")
    (found,) = look(home).objectives
    assert found.live is not None
    assert (found.type, found.live.version, found.live.auc) == ("propensity", "3", 0.83)
    assert found.live.grade_a_lift == 4.0
    assert f"{found.live.data_until:%Y-%m-%d}" == "2026-03-26"


@pytest.mark.usefixtures("with_events")
def test_each_unfinished_thing_has_a_next_step(
    home: Home,
    know_objective: Callable[..., None],
    make_live: Callable[..., None],
    write_verdict: Callable[..., Any],
) -> None:
    """Train, then serve, then monitor, then nothing."""
    know_objective()
    assert "tidemill train buying" in next_steps(look(home))[0]
    make_live()
    assert "tidemill serve buying" in next_steps(look(home))[0]
    log_predictions(home, "u1")
    assert "tidemill monitor buying" in next_steps(look(home))[0]
    write_verdict("2026-03-01T00:00:00+00:00")
    assert next_steps(look(home)) == []


@pytest.mark.usefixtures("with_events")
def test_a_refused_training_leads_to_its_reason(
    home: Home, know_objective: Callable[..., None]
) -> None:
    """Training the same again would be refused again; what the gate said is the next thing."""
    know_objective()
    (home.runs / "buying" / "20260101T000000.0" / "tidemill-training" / "register").mkdir(
        parents=True
    )
    (step,) = next_steps(look(home))
    assert "tidemill models buying" in step


def test_the_newest_monitor_verdict_counts(
    home: Home, know_objective: Callable[..., None], write_verdict: Callable[..., Any]
) -> None:
    """Older ones are history."""
    know_objective()
    write_verdict("2026-03-01T00:00:00+00:00", status="act")
    write_verdict("2026-03-02T00:00:00+00:00", status="watch")
    (found,) = look(home).objectives
    assert found.monitor is not None
    assert (found.monitor.status, found.monitor.at.day) == ("watch", 2)


def test_logged_predictions_are_counted_without_a_torn_end(home: Home) -> None:
    """A frame that a crash cut off was never acknowledged."""
    log_predictions(home, "u1", "u2")
    log_predictions(home, "u3")
    for segment in home.predictions("buying").iterdir():
        whole = segment.read_bytes()
        segment.write_bytes(whole + whole[:-1])
    assert count_predictions(home.predictions("buying")) == 3


def test_an_objective_that_cannot_be_read_does_not_hide_the_others(
    home: Home, know_objective: Callable[..., None]
) -> None:
    """An older file may not fit a newer schema."""
    know_objective()
    (home.objectives / "broken.yaml").write_text("kind: Nonsense")
    types = {found.name: found.type for found in look(home).objectives}
    assert types == {"broken": "unreadable", "buying": "propensity"}


def test_an_unknown_objective_is_an_error(home: Home) -> None:
    """A typing mistake is not an empty answer."""
    with pytest.raises(ObjectiveError, match="no objective is called 'bying'"):
        look(home, "bying")


def test_scripts_get_json(
    know_objective: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers, not a table; null for what is not there yet."""
    know_objective()
    status(as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["objectives"]
    assert (found["name"], found["live"], found["predictions"]) == ("buying", None, 0)


def test_status_needs_no_tracking_store() -> None:
    """It answers at once: importing MLflow or Feast alone would take seconds."""
    code = "import sys, tidemill.report.overview; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_cut_off_on_a_narrow_terminal(
    home: Home, know_objective: Callable[..., None], make_live: Callable[..., None]
) -> None:
    """Names and types are what files and other commands are given; dates say nothing by halves."""
    name = "purchase-of-a-product-within-a-month"
    know_objective(name)
    make_live(name, version="3")
    shown = subprocess.run(
        [sys.executable, "-m", "tidemill.cli", "status"],
        env={"TIDEMILL_HOME": str(home.root), "COLUMNS": "80", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"{name} propensity v3" in shown
    assert "2026-03-26" in shown
    assert "AUC 0.830" in shown
