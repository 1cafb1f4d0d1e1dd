"""The log's own now, so that last year's export trains as well as live traffic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from tidemill.errors import EventLogError


def log_end(con: duckdb.DuckDBPyConnection) -> datetime:
    """The first UTC midnight after the newest event, but never after the last one that passed.

    `con` has the view `events`. Raises EventLogError when no event is older than today.
    """
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    newest: datetime | None = con.execute(
        "SELECT MAX(GREATEST(timestamp, received_at)) FROM events "
        "WHERE timestamp < $today AND received_at < $today",
        {"today": today},
    ).fetchall()[0][0]
    if newest is None:
        raise EventLogError(
            "the event log holds no event before today",
            hint="import events with `tidemill events import PATH`",
        )
    midnight = newest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return min(today, midnight + timedelta(days=1))
