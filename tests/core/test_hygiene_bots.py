"""Rates that no person reaches are marked, in the minutes in which they are reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from tidemill.events.hygiene import find_marks
from tidemill.events.plan import DEFAULT_PLAN, TrackingPlan
from tidemill.events.plan.schema import PlanSpec
from tidemill.events.schema import EVENTS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Events = list[dict[str, Any]]


def burst(count: int, step: float, start: float = 0, **columns: Any) -> Events:
    """Events of one user, `step` seconds apart, each about another item."""
    times = [NOON + timedelta(seconds=start + n * step) for n in range(count)]
    event = {"name": "viewed", "user_id": "u1", "properties": "{}"}
    return [
        {"event_id": f"{start}-{n}", "item_id": f"i{n}", **event, "timestamp": at, **columns}
        for n, at in enumerate(times)
    ]


def bots(fresh: Events, log: Events | None = None, plan: TrackingPlan = DEFAULT_PLAN) -> set[str]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("fresh", pa.Table.from_pylist(fresh, schema=EVENTS))
        con.register("log", pa.Table.from_pylist(log or [], schema=EVENTS))
        marks = find_marks(con, plan).to_pylist()
    assert all(mark["reason"] == "bot" for mark in marks)
    return {mark["event_id"] for mark in marks}


def ids(events: Events) -> set[str]:
    return {event["event_id"] for event in events}


def test_a_minute_of_a_bot_is_marked_as_a_whole() -> None:
    """And not the minute after, in which it is slow."""
    fast, slow = burst(120, 0.5), burst(30, 2, start=60)
    assert bots(fast + slow) == ids(fast)


def test_one_event_less_is_a_person() -> None:
    """The limit itself is a bot's."""
    assert bots(burst(119, 0.5)) == set()


def test_many_events_at_once_are_no_bot() -> None:
    """A basket of hundreds of lines, or a queue that is flushed under few timestamps."""
    assert bots(burst(500, 0)) == set()
    assert bots(burst(500, 19 / 500)) == set()


def test_purchases_neither_count_nor_are_marked() -> None:
    """A transaction is never left out, whatever its rate."""
    assert bots(burst(500, 0.1, value=1.0)) == set()
    assert bots(burst(119, 0.5) + burst(60, 1, start=0.1, value=1.0)) == set()


def test_a_busy_service_is_many_people() -> None:
    """Rates are those of one user."""
    events = burst(500, 0.1)
    for n, event in enumerate(events):
        event["user_id"] = f"u{n % 10}"
    assert bots(events) == set()


def test_the_minute_is_marked_from_its_beginning() -> None:
    """A live bot arrives second by second: what came before the limit was its own too."""
    minute = burst(120, 0.5)
    assert bots(minute[100:], log=minute[:100]) == ids(minute)


def test_what_was_marked_before_is_not_marked_again() -> None:
    """Else every second of a bot would mark all the seconds before it."""
    minute = burst(240, 0.25)
    assert bots(minute[200:], log=minute[:200]) == ids(minute[200:])


def test_others_in_the_log_stay_as_they_are() -> None:
    """Only who is active now is looked at."""
    assert bots(burst(3, 1), log=burst(200, 0.25, user_id="u2")) == set()


def test_the_limit_is_the_plans() -> None:
    """And `off` marks nothing."""
    minute = burst(200, 0.25)
    for rate, expected in (({"eventsPerMinute": 201}, set()), ("off", set())):
        plan = TrackingPlan.of(PlanSpec.model_validate({"bots": rate}))
        assert bots(minute, plan=plan) == expected
    plan = TrackingPlan.of(PlanSpec.model_validate({"bots": {"eventsPerMinute": 200}}))
    assert bots(minute, plan=plan) == ids(minute)
