"""Facts of each day in one pass: lag, clocks, ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill.events.ids import NOBODY_IDS
from tidemill_monitoring.event_log.span import DAY_NUMBER, IN_SPAN, Span

if TYPE_CHECKING:
    import duckdb

QUANTILES = (0.5, 0.95, 0.99)
_AHEAD = 60
"""Seconds by which an event lies after its own arrival, from which on the clock is wrong."""
_BACKFILLED = 14 * 86_400
"""Seconds after which an arrival is an import of history."""
# By the day of arrival: by the day of the event, the newest days would lack their latest.
_LAGS = f"""
SELECT {DAY_NUMBER.format(time="received_at")} AS day, count(*) FILTER (lag <= {_BACKFILLED}),
    count(*) FILTER (lag < -{_AHEAD}), count(*) FILTER (lag > {_BACKFILLED}),
    approx_quantile(greatest(lag, 0), {list(QUANTILES)}) FILTER (lag <= {_BACKFILLED})
FROM (
    SELECT received_at, (epoch_us(received_at) - epoch_us(timestamp)) / 1e6 AS lag FROM events
    WHERE received_at >= $start AND received_at < $end AND received_at <> timestamp
) GROUP BY day
"""
_IDS = f"""
SELECT {DAY_NUMBER.format(time="timestamp")} AS day, count(*), count(*) FILTER (user_id IS NULL),
    count(*) FILTER ({{junk}})
FROM events WHERE {IN_SPAN} GROUP BY day
"""

Days = NDArray[np.float64]


@dataclass(frozen=True)
class Lags:
    """Of events that arrived at another time than their own; arrays are [days], by arrival."""

    rows: Days
    ahead: Days
    """Events that happened over a minute after they arrived."""
    backfilled: Days
    """Events older than two weeks; in none of the other numbers."""
    seconds: NDArray[np.float64]
    """[days, QUANTILES]; NaN on days without events."""


@dataclass(frozen=True)
class Ids:
    """Arrays are [days], by the day of the event."""

    rows: Days
    anonymous: Days
    """Events without a user_id."""
    junk: Days
    """Events with an id that names nobody, such as `null` or `undefined`."""


def read_lags(con: duckdb.DuckDBPyConnection, span: Span) -> Lags:
    """Lags and clocks by day of arrival."""
    rows, ahead, old = (np.zeros(span.days) for _ in range(3))
    found = Lags(rows, ahead, old, np.full((span.days, len(QUANTILES)), np.nan))
    parameters = {key: span.parameters[key] for key in ("start_us", "width", "start", "end")}
    for day, *counts, quantiles in con.execute(_LAGS, parameters).fetchall():
        rows[day], ahead[day], old[day] = counts
        if quantiles is not None:
            found.seconds[day] = quantiles
    return found


def read_ids(con: duckdb.DuckDBPyConnection, span: Span) -> Ids:
    """Who the events of each day name."""
    junk = " OR ".join(_junk(column) for column in ("user_id", "anonymous_id"))
    found = Ids(*(np.zeros(span.days) for _ in range(3)))
    rows = con.execute(_IDS.format(junk=junk), span.parameters).fetchall()
    for day, count, anonymous, named_nobody in rows:
        found.rows[day], found.anonymous[day], found.junk[day] = count, anonymous, named_nobody
    return found


def _junk(column: str) -> str:
    """SQL of tidemill.events.ids.is_junk_id, false for null."""
    listed = ", ".join(f"'{text}'" for text in sorted(NOBODY_IDS))
    text = f"lower(trim({column}))"
    return f"coalesce({text} IN ({listed}) OR trim({text}, '0-') = '', FALSE)"
