"""Rates that no person reaches: many events in one minute, spread over many of its seconds.

The spread keeps apart what is done at once (a basket of a hundred lines, a queue that is flushed
under one timestamp, a log that knows minutes only) from what is done one by one too fast.
"""

from __future__ import annotations

import duckdb

from tidemill.events.hygiene.activity import MINUTE

SECONDS = 20
"""Distinct seconds of the minute in which a bot is busy."""

_SECOND = 1_000_000
_BUSY = f"""
CREATE OR REPLACE TEMP TABLE busy AS
SELECT hash(who) AS hashed, us // {MINUTE} AS minute FROM activity
GROUP BY ALL HAVING count(*) >= $limit AND bool_or(is_fresh)
"""
# What the log alone shows to be a bot's was marked when it came in.
_BOTS = f"""
SELECT event_id FROM (
    SELECT event_id, is_fresh, count(*) OVER same AS events,
        count(DISTINCT us // {_SECOND}) OVER same AS seconds,
        count(*) FILTER (NOT is_fresh) OVER same AS known_events,
        count(DISTINCT us // {_SECOND}) FILTER (NOT is_fresh) OVER same AS known_seconds
    FROM (SELECT *, hash(who) AS hashed, us // {MINUTE} AS minute FROM activity)
    SEMI JOIN busy USING (hashed, minute)
    WINDOW same AS (PARTITION BY who, minute)
)
WHERE events >= $limit AND seconds >= {SECONDS}
    AND (is_fresh OR known_events < $limit OR known_seconds < {SECONDS})
"""


def find_bots(con: duckdb.DuckDBPyConnection, limit: int) -> list[str]:
    """Ids of the events in `activity` whose user has `limit` or more of them in their minute.

    A minute that the new events complete is marked from its beginning, also where its first events
    are in the log already; those count until the mark's time.
    """
    con.execute(_BUSY, {"limit": limit})
    if not con.execute("SELECT count(*) FROM busy").fetchall()[0][0]:
        return []
    return [event_id for (event_id,) in con.execute(_BOTS, {"limit": limit}).fetchall()]
