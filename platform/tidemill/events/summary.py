"""What the log holds, counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidemill.events.log import EventLog

_BY_NAME = """
SELECT name, count(*), count(DISTINCT coalesce(user_id, 'anonymous ' || anonymous_id)),
    min(timestamp), max(timestamp),
    count(*) FILTER (timestamp > (SELECT max(timestamp) FROM events) - INTERVAL 7 DAY)
FROM events GROUP BY name ORDER BY 2 DESC, 1
"""
_BY_REASON = "SELECT reason, count(*) FROM dead_letters GROUP BY reason ORDER BY 2 DESC, 1"
_LATEST = """
SELECT received_at, reason, source, line, raw FROM dead_letters
ORDER BY received_at DESC, source, line LIMIT $limit
"""


@dataclass(frozen=True)
class EventSummary:
    """All events of one name."""

    name: str
    events: int
    users: int
    """Distinct user ids, and anonymous ids of events without one."""
    first: datetime
    last: datetime
    recent: int
    """Events in the last 7 days of the log, which end with its latest event."""


@dataclass(frozen=True)
class DeadLetter:
    """One refused row."""

    received_at: datetime
    reason: str
    source: str
    line: int | None
    raw: str


def summarise_events(log: EventLog) -> list[EventSummary]:
    """One summary per event name, the most frequent first."""
    with log.connect() as con:
        return [EventSummary(*row) for row in con.execute(_BY_NAME).fetchall()]


def count_dead_letters(log: EventLog) -> dict[str, int]:
    """Refused rows by reason, the most frequent first."""
    with log.connect() as con:
        return dict(con.execute(_BY_REASON).fetchall())


def latest_dead_letters(log: EventLog, limit: int) -> list[DeadLetter]:
    """The refused rows of the latest imports, in the order of their files."""
    with log.connect() as con:
        return [DeadLetter(*row) for row in con.execute(_LATEST, {"limit": limit}).fetchall()]
