"""What was marked, counted."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

_MARKED = """
CREATE OR REPLACE TEMP VIEW marked AS
SELECT event_id, bool_or(reason = 'repeat') AS is_repeat, bool_or(reason = 'bot') AS is_bot
FROM marks GROUP BY event_id
"""
_COUNTS = """
count(*) AS events, count(*) FILTER (is_repeat) AS repeats, count(*) FILTER (is_bot) AS bots
FROM events LEFT JOIN marked USING (event_id)
"""
_BY_NAME = f"""
SELECT name, {_COUNTS} GROUP BY name HAVING repeats + bots > 0 ORDER BY repeats + bots DESC, name
"""
_BY_USER = f"""
SELECT coalesce(user_id, anonymous_id) AS who, {_COUNTS} GROUP BY who HAVING repeats + bots > 0
ORDER BY repeats + bots DESC, who LIMIT $limit
"""


@dataclass(frozen=True)
class Marked:
    """Marked events among all those of one name, or of one user."""

    subject: str
    events: int
    repeats: int
    bots: int
    """An event can be both."""


def marked_by_name(con: duckdb.DuckDBPyConnection) -> list[Marked]:
    """Event names with marked events, the most marked first; `con` is that of an EventLog."""
    con.execute(_MARKED)
    return [Marked(*row) for row in con.execute(_BY_NAME).fetchall()]


def marked_by_user(con: duckdb.DuckDBPyConnection, limit: int) -> list[Marked]:
    """The `limit` users (or anonymous ids) with the most marked events."""
    con.execute(_MARKED)
    return [Marked(*row) for row in con.execute(_BY_USER, {"limit": limit}).fetchall()]
