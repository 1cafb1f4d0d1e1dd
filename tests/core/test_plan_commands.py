"""The commands about the tracking plan: infer, put in place, retry, and what does not count."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from tidemill.cli import plan as commands
from tidemill.errors import EventLogError
from tidemill.events import EventLog
from tidemill.events.plan import check_plan, load_plan
from tidemill.events.schema import EVENTS
from tidemill.home import Home

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRICT = """\
apiVersion: tidemill.dev/v1alpha1
kind: TrackingPlan
spec: {events: {liked: {required: [colour]}}}
"""


@pytest.fixture
def run(home: Home) -> Callable[..., str]:
    """`run("plan", ...)`: what the command prints; its errors are raised."""
    app = typer.Typer()
    commands.register(app)

    def invoke(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return invoke


@pytest.fixture
def clicked(home: Home) -> EventLog:
    """Three users who liked something; u0 clicked twice."""
    event = {"name": "liked", "received_at": NOON, "properties": "{}"}
    at = [(user, timedelta(seconds=n)) for n in range(3) for user in (f"u{n}",)]
    at.append(("u0", timedelta(milliseconds=300)))
    rows = [
        {**event, "event_id": str(n), "user_id": user, "timestamp": NOON + after}
        for n, (user, after) in enumerate(at)
    ]
    log = EventLog(home.events)
    log.append(pa.Table.from_pylist(rows, schema=EVENTS))
    return log


def test_the_default_plan_can_be_seen(run: Callable[..., str]) -> None:
    """Also before there is a log."""
    assert json.loads(run("plan", "--json"))["spec"]["debounce"] == "1s"
    assert run("plan").startswith("apiVersion: tidemill.dev/v1alpha1\nkind: TrackingPlan\nspec:")


def test_a_plan_is_put_in_place_with_what_it_would_refuse(
    run: Callable[..., str], clicked: EventLog, tmp_path: Path
) -> None:
    """The events in the log stay."""
    (tmp_path / "new.yaml").write_text(STRICT)
    answer = json.loads(run("plan", str(tmp_path / "new.yaml"), "--json"))
    assert answer["would_reject"] == {"plan: liked.colour is missing": 4}
    assert load_plan(clicked.root).spec.events["liked"].required == ["colour"]
    assert "plan: liked.colour is missing" in run("plan", str(tmp_path / "new.yaml"))


def test_a_plan_may_come_through_a_pipe(
    run: Callable[..., str], clicked: EventLog, tmp_path: Path
) -> None:
    """Which can be read once: what was checked is what is kept."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text(STRICT), daemon=True)
    writer.start()
    run("plan", str(tmp_path / "pipe"))
    writer.join(10)
    assert (clicked.root / "plan.yaml").read_text() == STRICT


def test_a_bad_plan_does_not_replace_a_good_one(
    run: Callable[..., str], clicked: EventLog, tmp_path: Path
) -> None:
    """Collecting goes on by the old one."""
    (tmp_path / "good.yaml").write_text(STRICT)
    run("plan", str(tmp_path / "good.yaml"))
    (tmp_path / "bad.yaml").write_text(STRICT.replace("required", "requierd"))
    with pytest.raises(EventLogError, match="did you mean 'required'"):
        run("plan", str(tmp_path / "bad.yaml"))
    assert load_plan(clicked.root).spec.events["liked"].required == ["colour"]


def test_an_inferred_plan_can_be_put_in_place(
    run: Callable[..., str], clicked: EventLog, tmp_path: Path
) -> None:
    """And refuses nothing that is there."""
    run("infer-plan", "--out", str(tmp_path / "plan.yaml"))
    assert (tmp_path / "plan.yaml").read_text() == run("infer-plan")
    assert json.loads(run("plan", str(tmp_path / "plan.yaml"), "--json"))["would_reject"] == {}


def test_retry_says_what_became_of_the_letters(
    run: Callable[..., str], clicked: EventLog, tmp_path: Path
) -> None:
    """In numbers that add up to those that were tried."""
    (tmp_path / "new.yaml").write_text(STRICT)
    run("plan", str(tmp_path / "new.yaml"))
    with clicked.connect() as con:
        events = con.execute("SELECT * FROM events").to_arrow_table()
    clicked.bury(check_plan(events, load_plan(clicked.root), "shop", NOON).dead)
    answer: dict[str, Any] = json.loads(run("retry", "--json"))
    assert answer == {
        **{"tried": 4, "accepted": 0, "duplicates": 0},
        "refused": {"plan: liked.colour is missing": 4},
    }
    assert "still refused: plan: liked.colour is missing" in run("retry")


def test_hygiene_counts_by_event_and_user(run: Callable[..., str], clicked: EventLog) -> None:
    """What is kept and does not count is never silent."""
    answer = json.loads(run("hygiene", "--json"))
    assert answer["not_counted"] == ["repeat", "bot"]
    assert answer["events"] == [{"subject": "liked", "events": 4, "repeats": 1, "bots": 0}]
    assert answer["users"] == [{"subject": "u0", "events": 2, "repeats": 1, "bots": 0}]
    assert "liked" in run("hygiene")
