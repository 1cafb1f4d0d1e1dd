"""Who an event belongs to never looks ahead: held against a replay that cannot look ahead."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from identity_replay import Replay

from tidemill.events.identity.claims import claims_of, merged
from tidemill.events.identity.decisions import Decision, active_times
from tidemill.events.identity.known import known_before
from tidemill.events.identity.links import Caps, judge_claims
from tidemill.events.identity.owners import make_owners
from tidemill.events.identity.views import create_views
from tidemill.events.schema import EVENTS

START = datetime(2024, 5, 1, tzinfo=UTC)
LAST = 14
"""Hours; few, so that much happens at once."""
USERS, DEVICES = ("u1", "u2", "u3", "u4"), ("a1", "a2", "u1")

hours = st.integers(0, LAST - 1).map(lambda hour: START + timedelta(hours=hour))
event = st.tuples(
    st.sampled_from([None, *USERS]),
    st.sampled_from([None, *DEVICES]),
    st.sampled_from([None, None, *USERS, *DEVICES]),
    hours,
    hours,
).filter(lambda drawn: drawn[0] or drawn[1])
histories = st.lists(event, min_size=2, max_size=14)
decisions = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "a1"]), st.lists(hours, unique=True, max_size=3)),
    max_size=2,
    unique_by=lambda drawn: drawn[0],
)
caps = st.tuples(st.integers(1, 3), st.integers(1, 3))
cutoffs = [START + timedelta(hours=hour) for hour in range(LAST + 1)]

TWO_AT_ONCE = [("u3", "u1", "u2", START, START), ("u3", "a2", "a1", START, START)]
"""Two events that each tell of two ids."""


def hourly(*rows):
    """Events received one an hour: user, anonymous id, previous id."""
    return [(*row, START, START + timedelta(hours=hour)) for hour, row in enumerate(rows)]


SHARED_LATER = hourly(("u1", "a1", None), ("u2", None, "u1"), ("u3", None, "u1"))
"""A link in the middle of a chain ends for what comes later."""
SHARED_BEFORE = hourly(
    (None, "a1", None), ("u2", None, "u1"), ("u3", None, "u1"), ("u1", "a1", None)
)
"""It has ended before the chain that leads there begins."""
SHARED_AT_ONCE = [
    *hourly(("u1", "a1", None), ("u2", "a1", None)),
    (None, "a1", None, START, START + timedelta(hours=1)),
]
"""Received with the very event by which the device is shared."""
MERGED = hourly(("u1", None, None), ("u2", None, "u1"))
BACK_AND_FORTH = [("u1", [START + timedelta(hours=hour) for hour in (3, 5, 7)])]
"""Forgotten, restored, forgotten."""


def as_events(history):
    return [
        {
            "event_id": f"e{number:02}",
            "name": "$alias" if previous else "visit",
            "user_id": user,
            "anonymous_id": anonymous,
            "timestamp": at,
            "received_at": received,
            "properties": json.dumps({"previous_id": previous} if previous else {}),
        }
        for number, (user, anonymous, previous, at, received) in enumerate(history)
    ]


def as_decisions(drawn):
    return sorted(
        (at, ("forget", "restore")[number % 2], forgotten)
        for forgotten, times in drawn
        for number, at in enumerate(sorted(times))
    )


def connection(events, limits, decided=()):
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; SET threads = 1")
    con.register("events", pa.Table.from_pylist(events, schema=EVENTS))
    con.execute("CREATE TABLE uncounted (event_id VARCHAR)")
    con.execute(f"CREATE TABLE claims AS {claims_of('events')}")
    judge_claims(con, Caps(*limits))
    make_owners(con, active_times(Decision(*decision) for decision in decided))
    con.execute("CREATE VIEW identity_owners AS SELECT * FROM owners")
    create_views(con)
    return con


def owners_at(con, *cutoffs):
    """Event id to user at each cutoff."""
    rows = con.execute(
        "SELECT event_id, user_id, received_at, superseded_at FROM user_events"
    ).fetchall()
    for cutoff in cutoffs:
        counting = [
            (event, user)
            for event, user, since, until in rows
            if since < cutoff and (until is None or until >= cutoff)
        ]
        assert len(counting) == len(dict(counting)), "an event belongs to one at a time"
        yield dict(counting)


@settings(max_examples=40, deadline=None)
@given(histories, decisions, caps)
@example([(None, "a1", None, START, START), *TWO_AT_ONCE], [], (1, 3))
@example(SHARED_BEFORE, [], (1, 3))
@example(SHARED_AT_ONCE, [], (1, 3))
@example(MERGED, BACK_AND_FORTH, (3, 3))
def test_every_cutoff_sees_what_a_replay_up_to_it_sees(history, decided, limits):
    """Logins, aliases, chains, cycles, shared devices, caps, undone links, all in any order."""
    events, decided = as_events(history), as_decisions(decided)
    with connection(events, limits, decided) as con:
        for cutoff, owners in zip(cutoffs, owners_at(con, *cutoffs), strict=True):
            assert owners == Replay(*limits).run(events, decided, cutoff)


@settings(max_examples=40, deadline=None)
@given(histories, caps, st.sampled_from(cutoffs))
@example(SHARED_LATER, (1, 3), START + timedelta(hours=2))
def test_what_is_received_later_changes_nothing_before(history, limits, cutoff):
    """Nor the mark by which cached feature rows know that nothing changed."""
    events = as_events(history)
    earlier = [event for event in events if event["received_at"] < cutoff]
    with connection(events, limits) as con, connection(earlier, limits) as past:
        assert [*owners_at(con, cutoff)] == [*owners_at(past, cutoff)]
        assert known_before(con, cutoff) == known_before(past, cutoff)


@settings(max_examples=40, deadline=None)
@given(histories, decisions, caps, caps, st.sampled_from(cutoffs))
def test_a_changed_past_is_noticed(history, decided, limits, others, cutoff):
    """The events are the same, and somebody changed the caps or took links back."""
    events = as_events(history)
    with (
        connection(events, limits) as con,
        connection(events, others, as_decisions(decided)) as other,
    ):
        if [*owners_at(con, cutoff)] != [*owners_at(other, cutoff)]:
            assert known_before(con, cutoff) != known_before(other, cutoff)


@settings(max_examples=20, deadline=None)
@given(histories, st.integers(0, 14))
def test_claims_of_parts_make_the_claims_of_the_whole(history, cut):
    """So the log is read once, and then only what was added."""
    events = as_events(history)
    with duckdb.connect() as con:
        for name, part in {"early": events[:cut], "late": events[cut:], "all": events}.items():
            con.register(f"{name}_events", pa.Table.from_pylist(part, schema=EVENTS))
            con.execute(f"CREATE TABLE {name}_claims AS {claims_of(f'{name}_events')}")
        whole = sorted(con.execute("FROM all_claims").fetchall(), key=str)
        parts = con.execute(merged("early_claims", "late_claims")).fetchall()
        assert sorted(parts, key=str) == whole
