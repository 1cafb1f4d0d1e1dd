"""Repeated clicks: the same thing done by the same user again within a moment.

An event is a repeat when the same one (user, name, item, properties) came less than the window
before it. The gap to the event just before counts, so a run of clicks is one click however long it
goes on. Events at exactly the same time are left alone: a clock that ticks seconds or minutes
cannot tell a repetition from things done at once.
"""

from __future__ import annotations

from datetime import timedelta

import duckdb
import orjson

PER_SENDING = (
    *("context", "contexts", "time", "$time", "ts", "timestamp", "$timestamp", "client_timestamp"),
    *("event_time", "sent_at", "$sent_at", "insert_id", "$insert_id", "message_id", "messageId"),
    *("event_id", "uuid", "mp_processing_time_ms", "$mp_api_timestamp_ms", "engagement_time_msec"),
    *("batch_event_index", "batch_ordering_id", "event_bundle_sequence_id"),
)
"""Properties that SDKs add to each event anew; two clicks never share them, so they are not
compared."""

_FEWER = orjson.dumps(dict.fromkeys(PER_SENDING)).decode()
_BEFORE = "RANGE BETWEEN $reach PRECEDING AND 1 PRECEDING"
_AFTER = "RANGE BETWEEN 1 FOLLOWING AND $reach FOLLOWING"
# Properties are compared only where there is something to compare with: reading them is dear.
_NEAR = f"""
CREATE OR REPLACE TEMP TABLE near AS SELECT hashed, us FROM (
    SELECT hashed, us, count(*) OVER (same {_BEFORE}) + count(*) OVER (same {_AFTER}) AS others
    FROM (SELECT hash(who, name, item_id) AS hashed, us FROM activity)
    WINDOW same AS (PARTITION BY hashed ORDER BY us)
) WHERE others > 0
"""
_REPEATS = f"""
SELECT event_id FROM (
    SELECT event_id, is_fresh, count(*) OVER (same {_BEFORE}) AS earlier,
        count(*) FILTER (NOT is_fresh) OVER (same {_AFTER}) AS known_later
    FROM (
        SELECT *, json_merge_patch(properties, '{_FEWER}')::VARCHAR AS own
        FROM (SELECT *, hash(who, name, item_id) AS hashed FROM activity)
        SEMI JOIN near USING (hashed, us)
    )
    WINDOW same AS (PARTITION BY who, name, item_id, own ORDER BY us)
) WHERE is_fresh AND earlier + known_later > 0
"""


def find_repeats(con: duckdb.DuckDBPyConnection, window: timedelta) -> list[str]:
    """Ids of the new events in `activity` that repeat another one.

    Of a pair that arrives in the wrong order, the later arrival is the repeat: what was counted
    already stays counted, and the pair counts once.
    """
    reach = window // timedelta(microseconds=1) - 1
    con.execute(_NEAR, {"reach": reach})
    if not con.execute("SELECT count(*) FROM near").fetchall()[0][0]:
        return []
    return [event_id for (event_id,) in con.execute(_REPEATS, {"reach": reach}).fetchall()]
