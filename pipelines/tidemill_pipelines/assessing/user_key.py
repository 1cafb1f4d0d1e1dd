"""Is there one id per person, the same in all sources?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import duckdb

from tidemill.events.identity.claims import is_junk
from tidemill.objective import Target
from tidemill_pipelines.assessing.findings import Finding, blocking, cannot_say, ok, warning
from tidemill_pipelines.assessing.wording import are, counted

_NOBODYS = 0.5
"""Share of events without a user."""
_NOBODYS_OUTCOMES = 0.1
_JUNK = 0.001
_ROUND_THE_CLOCK = 0.01
"""Share of events of ids that never sleep."""
_ONE_ID = 0.2
_MERGED = 0.3
_FEWEST_USERS = 50
_SHARED = 0.02
"""Share of an event's users that any other event knows; below it they are other ids."""
_ACTIVE = 3
"""Events a user has on average: where most have one or two, names share few users by chance."""
_WHY_NOBODY = "What belongs to nobody joins no history and no outcome."
_WHY_KEY = "History and outcome meet through the user id alone: with two keys they never meet."
_WHY_IDS = "An id that stands for many people, or for a machine, is a user that does not exist."
_WHY_MERGES = "A merge moves events between users; what was learnt of the old ids no longer holds."
_EVENTS = f"""
SELECT count(*) AS events, count(*) FILTER (user_id IS NULL) AS without_id,
    count(*) FILTER ({is_junk("user_id")}) AS junk,
    count(*) FILTER (name = $target) AS outcomes,
    count(*) FILTER (name = $target AND user_id IS NULL) AS outcomes_without_id
FROM events WHERE timestamp < $at
"""
_JOINED = """
SELECT count(*), count(*) FILTER (e.name = $target) FROM user_events AS e
SEMI JOIN (SELECT event_id FROM events WHERE user_id IS NULL) USING (event_id)
WHERE e.superseded_at IS NULL AND e.timestamp < $at
"""
# An hour of the day is a bit, and a day a number: of a hundred million events neither sets of hours
# nor dates of a time zone would be cheap.
_USERS = """
WITH stamps AS (
    SELECT user_id, epoch_us(timestamp) // 3_600_000_000 AS hour
    FROM user_events WHERE timestamp < $at AND superseded_at IS NULL
),
days AS (
    SELECT user_id, count(*) AS events, bit_count(bit_or(1 << (hour % 24 + 24) % 24)) AS hours
    FROM stamps GROUP BY user_id, hour // 24
),
users AS (
    SELECT user_id, sum(events) AS events, count(*) FILTER (hours >= 22) >= 3 AS sleepless
    FROM days GROUP BY user_id
)
SELECT count(*) AS users, sum(events)::BIGINT AS events, max(events)::BIGINT AS most,
    arg_max(user_id, events) AS busiest,
    count(*) FILTER (sleepless) AS sleepless_users,
    coalesce(sum(events) FILTER (sleepless), 0)::BIGINT AS sleepless_events,
    (SELECT count(*) FROM merged_users) AS merged
FROM users
"""
_NAMES = """
WITH pairs AS (
    SELECT name, user_id, count(*) AS events FROM user_events
    WHERE timestamp < $at AND superseded_at IS NULL GROUP BY name, user_id
),
known AS (
    SELECT *, count(*) OVER (PARTITION BY user_id) AS names,
        sum(events) OVER (PARTITION BY user_id) AS of_user FROM pairs
)
SELECT name, count(*) AS users, count(*) FILTER (names > 1) AS shared, avg(of_user) AS active
FROM known GROUP BY name ORDER BY users DESC
"""


def judge_user_key(
    con: duckdb.DuckDBPyConnection,
    target: Target | None,
    at: datetime,
    *,
    learns_from_others: bool = True,
) -> list[Finding]:
    """`con` has the views of an event log; `target` is None where the objective has no outcome.

    `learns_from_others`: the outcome is told from events of other names, as well as from its own.
    """
    own = target.event if target is not None else None
    users = _row(con, _USERS, at=at)
    counts = _counts(con, own, at)
    findings = [
        _judge_nobodys(counts, own),
        _judge_ids(users, counts["junk"]),
        _judge_merges(users),
    ]
    names = _rows(con, _NAMES, at=at)
    return [*findings, _judge_names(names, own if learns_from_others else None)]


def _counts(con: duckdb.DuckDBPyConnection, own: str | None, at: datetime) -> dict[str, Any]:
    """Events and outcomes, and how many of them belong to nobody even after ids were joined."""
    found = _row(con, _EVENTS, at=at, target=own)
    joined = outcomes_joined = 0
    if found["without_id"]:
        joined, outcomes_joined = con.execute(_JOINED, {"at": at, "target": own}).fetchall()[0]
    found["nobodys"] = found["without_id"] - joined
    found["outcomes_nobodys"] = found["outcomes_without_id"] - outcomes_joined
    return found


def _judge_nobodys(found: dict[str, Any], own: str | None) -> Finding:
    share = found["nobodys"] / max(1, found["events"])
    lost = found["outcomes_nobodys"] / max(1, found["outcomes"])
    seen = f"{share:.1%} of {found['events']:,} events belong to no user"
    seen += f", and {lost:.1%} of {found['outcomes']:,} `{own}`." if found["outcomes"] else "."
    facts = {**found, "share": share, "share_of_outcomes": lost}
    if share <= _NOBODYS and lost <= _NOBODYS_OUTCOMES:
        return ok("events-without-user", seen, _WHY_NOBODY, **facts)
    return warning(
        "events-without-user",
        seen,
        _WHY_NOBODY,
        "send `user_id` wherever the user is known, and both ids at login so that they are joined",
        **facts,
    )


def _judge_ids(users: dict[str, Any], junk: int) -> Finding:
    events = max(1, users["events"] or 0)
    largest = (users["most"] or 0) / events
    sleepless = users["sleepless_events"] / events
    problems = list(_impossible(users, largest, sleepless, junk / events))
    facts = {**users, "junk": junk, "share_of_busiest": largest}
    if not problems:
        are_many = users["users"] >= _FEWEST_USERS
        most = f", and none has more than {largest:.1%} of all events" if are_many else ""
        return ok(
            "impossible-ids",
            f"No id among {users['users']:,} is active round the clock or stands for nobody{most}.",
            _WHY_IDS,
            **facts,
        )
    return warning(
        "impossible-ids",
        "; ".join(problems) + ".",
        _WHY_IDS,
        "send no id instead of a placeholder, and keep machines and shared accounts out",
        **facts,
    )


def _impossible(
    users: dict[str, Any], largest: float, sleepless: float, junk: float
) -> Iterator[str]:
    if users["users"] >= _FEWEST_USERS and largest > _ONE_ID:
        yield f"the id '{users['busiest']}' alone has {largest:.0%} of all events"
    most_sleep = users["sleepless_users"] <= users["users"] / 2  # else these are not people
    sleepers = f"{counted(users['sleepless_users'], 'id')} {are(users['sleepless_users'])}"
    if most_sleep and sleepless > _ROUND_THE_CLOCK:
        yield (
            f"{sleepers} active in 22 hours of a day and more, on three days or more, with "
            f"{sleepless:.1%} of all events"
        )
    if junk > _JUNK:
        yield f"{junk:.1%} of events carry an id that names nobody, such as `null`"


def _judge_merges(users: dict[str, Any]) -> Finding:
    share = users["merged"] / max(1, users["users"] + users["merged"])
    seen = f"{users['merged']:,} of {users['users'] + users['merged']:,} user ids became another."
    facts = {"merged": users["merged"], "users": users["users"], "share": share}
    if share <= _MERGED:
        return ok("merged-users", seen, _WHY_MERGES, **facts)
    return warning(
        "merged-users",
        seen,
        _WHY_MERGES,
        "let one id live as long as its person: do not issue new ones at each login or device",
        **facts,
    )


def _judge_names(names: list[dict[str, Any]], own: str | None) -> Finding:
    known, names = names, [n for n in names if n["users"] >= _FEWEST_USERS]
    apart = [n for n in names if n["shared"] < _SHARED * n["users"] and n["active"] >= _ACTIVE]
    facts = {"names": names}
    if len(known) == 1:
        seen = f"`{known[0]['name']}` is the only event name, so nothing can be compared."
        return cannot_say("one-key", seen, _WHY_KEY, names=names)
    if len(names) < 2:
        seen = f"No two event names have {_FEWEST_USERS} users each, which could be compared."
        return cannot_say("one-key", seen, _WHY_KEY, names=names)
    if not apart:
        return ok(
            "one-key",
            f"The users of each of {len(names)} frequent event names have other events too.",
            _WHY_KEY,
            **facts,
        )
    seen = "; ".join(
        f"of {n['users']:,} users with `{n['name']}`, {n['shared']:,} have any other event"
        for n in apart
    )
    do = "map both sources to one user id before importing, or link the ids by an event with both"
    if own in {n["name"] for n in apart}:
        return blocking("one-key", f"{seen}.", _WHY_KEY, do, **facts)
    return warning("one-key", f"{seen}.", _WHY_KEY, do, **facts)


def _row(con: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> dict[str, Any]:
    return _rows(con, query, **parameters)[0]


def _rows(con: duckdb.DuckDBPyConnection, query: str, **parameters: Any) -> list[dict[str, Any]]:
    found = con.execute(query, parameters)
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
