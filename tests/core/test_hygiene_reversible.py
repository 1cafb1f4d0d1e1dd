"""Marks change what counts, never what is kept, and the plan can take them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.events.plan import keep_plan
from tidemill.events.schema import EVENTS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def put_plan(log: EventLog, spec: str) -> None:
    text = f"apiVersion: tidemill.dev/v1alpha1\nkind: TrackingPlan\nspec: {{{spec}}}\n"
    keep_plan(log.root, text.encode())


def clicks(user: str, count: int, step: float) -> pa.Table:
    rows = [
        {
            "event_id": f"{user}{n}",
            "name": "liked",
            "user_id": user,
            "timestamp": NOON + timedelta(seconds=n * step),
            "received_at": NOON,
            "properties": f'{{"n":{n if step > 0.3 else 0}}}',
        }
        for n in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=EVENTS)


def counts(log: EventLog) -> tuple[int, int]:
    """Events kept, and events that count."""
    with log.connect() as con:
        (kept,) = con.execute("SELECT count(*) FROM events").fetchall()[0]
        query = "SELECT count(*) FROM user_events WHERE superseded_at IS NULL"
        return kept, con.execute(query).fetchall()[0][0]


@pytest.fixture
def marked(log: EventLog) -> EventLog:
    """A double click, and a bot of 130 different clicks in a minute."""
    assert log.append(clicks("u", 2, 0.2)).marked == {"repeat": 1}
    assert log.append(clicks("b", 130, 0.4)).marked == {"bot": 130}
    return log


def test_marked_events_are_kept_and_do_not_count(marked: EventLog) -> None:
    """132 came in; one of them was a click of a person."""
    assert counts(marked) == (132, 1)


@pytest.mark.parametrize(
    ("spec", "count"), [("debounce: off", 2), ("bots: off", 131), ("debounce: off, bots: off", 132)]
)
def test_what_is_switched_off_counts_again(marked: EventLog, spec: str, count: int) -> None:
    """From the beginning, and until it is switched on again."""
    put_plan(marked, spec)
    assert counts(marked) == (132, count)
    put_plan(marked, "")
    assert counts(marked) == (132, 1)


def test_a_repeated_import_marks_nothing_anew(marked: EventLog) -> None:
    """Duplicates are not clicks."""
    again = marked.append(clicks("b", 130, 0.4))
    assert (again.duplicates, dict(again.marked)) == (130, {})
    assert counts(marked) == (132, 1)
