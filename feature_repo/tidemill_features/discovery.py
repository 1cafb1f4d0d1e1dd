"""Finds the signals worth counting in a log: event names, and values that many users share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb

from tidemill_features.catalog import Signal
from tidemill_features.sql import known_at as was_known

MAX_EVENTS = 24
"""Event names, by users reached."""
MAX_BREAKDOWNS = 48
"""Values of properties and item attributes per event name, by users reached."""
MIN_REACH = 0.01
"""Share of users a signal must reach: a column that is zero for nearly everybody teaches little."""
MIN_USERS = 20
MIN_SPAN = 0.5
"""Share of the event's own time span a value must cover: a value that comes and goes, such as the
id of one campaign, marks a period and says nothing about the next."""


def discover_signals(con: duckdb.DuckDBPyConnection, known_at: datetime) -> list[Signal]:
    """Signals in the events known at `known_at`, by users reached, event names first.

    Only text values are split on: numbers are quantities, and their sums belong in `value`.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE known_events AS "
        "SELECT name, user_id, item_id, properties, timestamp "
        f"FROM user_events WHERE {was_known('$at')}",
        {"at": known_at},
    )
    (users,) = con.execute("SELECT COUNT(DISTINCT user_id) FROM known_events").fetchall()[0]
    reach = max(MIN_USERS, int(users * MIN_REACH))
    names = _event_names(con, reach)
    breakdowns = list(_breakdowns(con, names, reach))
    con.execute("DROP TABLE known_events")
    return [Signal(name) for name in names] + breakdowns


def _event_names(con: duckdb.DuckDBPyConnection, reach: int) -> list[str]:
    rows = con.execute(
        "SELECT name FROM known_events GROUP BY name HAVING COUNT(DISTINCT user_id) >= ? "
        "ORDER BY COUNT(DISTINCT user_id) DESC, name LIMIT ?",
        [reach, MAX_EVENTS],
    ).fetchall()
    return [name for (name,) in rows]


def _breakdowns(con: duckdb.DuckDBPyConnection, names: list[str], reach: int) -> Iterator[Signal]:
    """Property values are read from the event's JSON, item attributes from the item's."""
    query = """
    WITH occurrences AS (
      SELECT user_id, item_id, properties, MIN(timestamp) AS first, MAX(timestamp) AS last
      FROM known_events WHERE name = $name GROUP BY user_id, item_id, properties
    ),
    texts AS (
      SELECT user_id, first, last, 'property' AS source, properties AS json,
        UNNEST(json_keys(properties)) AS key
      FROM occurrences
      UNION ALL
      SELECT user_id, first, last, 'item', attributes, UNNEST(json_keys(attributes))
      FROM occurrences JOIN items USING (item_id)
    )
    SELECT source || '.' || key AS where_key, json_extract_string(json, '$."' || key || '"') AS text
    FROM texts
    WHERE regexp_matches(key, '^[A-Za-z0-9_ $-]+$')
      AND json_type(json, '$."' || key || '"') = 'VARCHAR'
    GROUP BY where_key, text
    HAVING COUNT(DISTINCT user_id) >= $reach AND MAX(last) - MIN(first) >=
      $span * (SELECT MAX(last) - MIN(first) FROM occurrences)
    ORDER BY COUNT(DISTINCT user_id) DESC, where_key, text LIMIT $limit
    """
    limits = {"reach": reach, "span": MIN_SPAN, "limit": MAX_BREAKDOWNS}
    for name in names:
        for key, value in con.execute(query, {"name": name, **limits}).fetchall():
            yield Signal(name, {key: value})
