"""`tidemill events identity`: seeing who is who, and taking it back."""

import json
from datetime import timedelta

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from tidemill.cli import console, events
from tidemill.errors import TidemillError
from tidemill.events import EventLog
from tidemill.events.schema import EVENTS


@pytest.fixture
def log(home, cutoff):
    """A phone that became lead-7's, who became ann; and what was refused."""
    rows = [
        ("look", 1, None, "phone", None),
        ("login", 2, "lead-7", "phone", None),
        ("merge", 3, "ann", None, "lead-7"),
        ("other", 4, "bob", "phone", None),
        ("junk", 5, "ann", None, "null"),
        ("cycle", 6, "lead-7", None, "ann"),
    ]
    table = [
        {
            "event_id": event,
            "name": "$alias" if previous else "visit",
            "user_id": user,
            "anonymous_id": anonymous,
            "timestamp": cutoff + timedelta(days=day),
            "received_at": cutoff + timedelta(days=day),
            "properties": json.dumps({"previous_id": previous} if previous else {}),
        }
        for event, day, user, anonymous, previous in rows
    ]
    log = EventLog(home.events)
    log.append(pa.Table.from_pylist(table, schema=EVENTS))
    return log


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    """A person's table is as wide as the terminal."""
    monkeypatch.setattr(console.out, "width", 200)


def run(*arguments):
    app = typer.Typer()
    events.register(app)
    return CliRunner().invoke(app, ["events", "identity", *arguments])


def told(*arguments):
    result = run(*arguments, "--json")
    if isinstance(result.exception, TidemillError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def now(log, event):
    with log.connect() as con:
        query = "SELECT user_id FROM user_events WHERE event_id = $event AND superseded_at IS NULL"
        return [user for (user,) in con.execute(query, {"event": event}).fetchall()]


def test_a_user_is_shown_with_all_who_joined(log):
    """Since when, by which event; through a chain when the last link is known."""
    ann = told("ann")
    assert ann["events"] == 5
    assert [(row["id"], row["since"][:10], row["until"]) for row in ann["joined"]] == [
        ("lead-7", "2024-06-04", None),
        ("phone", "2024-06-04", None),
    ]
    assert [(row["id"], row["event_id"]) for row in ann["links"]] == [
        ("phone", "login"),
        ("lead-7", "merge"),
    ]


def test_what_was_refused_is_shown_with_its_reason(log):
    """For whoever it concerns."""
    refused = {row["event_id"]: row["verdict"] for row in told("ann")["refused"]}
    assert refused == {
        "other": "joined to another already",
        "junk": "junk id",
        "cycle": "cycle",
    }
    assert [row["event_id"] for row in told("bob")["refused"]] == ["other"]


def test_an_id_is_shown_with_whom_it_belongs_to(log):
    """First to the one, then to the other."""
    belongs = told("phone")["belongs_to"]
    assert [(row["user_id"], row["until"] is None) for row in belongs] == [
        ("lead-7", False),
        ("ann", True),
    ]


def test_a_link_is_shown_before_anybody_was_anonymous(home, cutoff):
    """Whoever tries it with one event wants to see that it was understood."""
    row = {"event_id": "e", "name": "login", "user_id": "ann", "anonymous_id": "phone"}
    times = {"timestamp": cutoff, "received_at": cutoff}
    EventLog(home.events).append(pa.Table.from_pylist([{**row, **times}], schema=EVENTS))
    assert [joined["id"] for joined in told("ann")["joined"]] == ["phone"]


def test_a_person_reads_the_same(log):
    """As tables."""
    shown = run("ann").output
    assert "events that count for 'ann' to this day: 5" in shown
    for words in ("a chain of links", "$alias merge", "joined to another already", "cycle"):
        assert words in shown


def test_forgetting_takes_a_link_back_and_restoring_gives_it_again(log):
    """The events stay as they are."""
    before = log.connect().execute("FROM events").to_arrow_table()
    told("--forget", "lead-7", "--reason", "a colleague's test")
    assert now(log, "look") == ["lead-7"]
    assert told("ann")["decisions"][0]["reason"] == "a colleague's test"
    told("--restore", "lead-7")
    assert now(log, "look") == ["ann"]
    assert log.connect().execute("FROM events").to_arrow_table().equals(before)


def test_forgetting_counts_from_its_instant_on(log, cutoff):
    """What was predicted before then was predicted from what was believed."""
    told("--forget", "phone", "--at", (cutoff + timedelta(days=5)).isoformat())
    rows = log.connect().execute(
        "SELECT user_id, superseded_at FROM user_events WHERE event_id = 'look' ORDER BY 2"
    )
    days = [(user, (until - cutoff).days) for user, until in rows.fetchall()]
    assert days == [("lead-7", 3), ("ann", 5)]


def test_a_log_of_the_past_is_decided_on_at_its_end(log, cutoff):
    """So that its own now sees it; a decision of today would wait for years."""
    told("--forget", "phone")
    decided = told("phone")["decisions"][0]["decided_at"]
    assert decided.startswith("2024-06-07T23:59:59")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nobody"], "no event has to do with the id 'nobody'"),
        (["--forget", "bob"], "'bob' is not joined to anybody"),
        (["--restore", "phone"], "'phone' is not forgotten"),
        (["ann", "--forget", "phone"], "2 of USER, --forget and --restore were given"),
        ([], "0 of USER, --forget and --restore were given"),
    ],
)
def test_what_makes_no_sense_is_refused(log, arguments, words):
    """In words, and nothing is changed."""
    with pytest.raises(TidemillError, match=words):
        told(*arguments)
    assert told("ann")["decisions"] == []


def test_nobody_is_forgotten_twice(log):
    """Nor before they were restored."""
    told("--forget", "phone")
    with pytest.raises(TidemillError, match="forgotten already"):
        told("--forget", "phone")
    with pytest.raises(TidemillError, match="would count from 2024-01-01"):
        told("--restore", "phone", "--at", "2024-01-01")
