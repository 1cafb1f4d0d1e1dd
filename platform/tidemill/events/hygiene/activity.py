"""The events that may be clicks: what both rules look at, new ones beside their surroundings."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from tidemill.events import mapped

MINUTE = 60_000_000
"""Microseconds."""

_HOUR = 60 * MINUTE
_GAP = 6
"""Hours without new events from which on the log in between is not read."""
_MOST_RANGES = 8

_ACTIVITY = """
SELECT event_id, coalesce(user_id, anonymous_id) AS who, name, item_id, properties,
    epoch_us(timestamp) AS us, {is_fresh} AS is_fresh
FROM {source} WHERE value IS NULL AND name NOT IN ({excepted})
"""


def show_activity(con: duckdb.DuckDBPyConnection, margin: int) -> bool:
    """Create the view `activity` over `fresh` and `log`; False when nothing is new.

    Columns event_id, who, name, item_id, properties, us (microseconds since 1970), is_fresh. Of
    `log` only the same people's events within `margin` microseconds or some hours of new ones.
    Neither transactions (events with a value) nor the calls that say who is who are activity.
    """
    hours = con.execute(f"SELECT DISTINCT epoch_us(timestamp) // {_HOUR} FROM fresh").fetchall()
    if not hours:
        return False
    nearby = " UNION ALL ".join(
        f"SELECT * FROM log WHERE timestamp BETWEEN {_instant(first)} AND {_instant(last)}"
        for first, last in _ranges(sorted(hour for (hour,) in hours), margin)
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE nearby AS "
        f"SELECT * FROM ({_select(f'({nearby})', is_fresh=False)}) WHERE who IN "
        "(SELECT coalesce(user_id, anonymous_id) FROM fresh)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW activity AS {_select('fresh', is_fresh=True)} "
        "UNION ALL SELECT * FROM nearby"
    )
    return True


def _select(source: str, is_fresh: bool) -> str:
    excepted = ", ".join(f"'{name}'" for name in (mapped.IDENTIFY, mapped.ALIAS, mapped.GROUP))
    return _ACTIVITY.format(source=source, is_fresh=is_fresh, excepted=excepted)


def _ranges(hours: list[int], margin: int) -> list[tuple[int, int]]:
    """Microseconds from and to, around runs of `hours` since 1970."""
    runs = [[hours[0], hours[0]]]
    for hour in hours[1:]:
        if hour - runs[-1][1] > _GAP:
            runs.append([hour, hour])
        runs[-1][1] = hour
    if len(runs) > _MOST_RANGES:
        runs = [[hours[0], hours[-1]]]
    return [(first * _HOUR - margin, (last + 1) * _HOUR + margin) for first, last in runs]


def _instant(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    instant = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    return f"TIMESTAMPTZ '{instant.isoformat()}'"
