"""Reads daily event counts from the event log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tidemill_monitoring.volumes import EARLIER_WINDOWS, DailyCounts

if TYPE_CHECKING:
    import duckdb

_DAY = timedelta(days=1)
_DAY_US = 86_400_000_000

# An event counts in its window only if it had arrived by that window's end: the newest window
# cannot hold later arrivals either, and would look low next to windows that do.
_COUNTS = """
SELECT name, block, COUNT(*) AS events
FROM (
    SELECT name, received_at, (epoch_us($at) - epoch_us(timestamp) - 1) // $day AS block
    FROM events
    WHERE timestamp < $at AND timestamp >= $start
)
WHERE epoch_us(received_at) < epoch_us($at) - (block // $window) * $window * $day
GROUP BY name, block
"""
_SEEN = """
SELECT name, epoch_us(MIN(timestamp)), epoch_us(MAX(timestamp))
FROM events WHERE timestamp < $at AND received_at < $at GROUP BY name ORDER BY name
"""


def read_daily_counts(
    con: duckdb.DuckDBPyConnection, at: datetime, window_days: int
) -> DailyCounts:
    """Counts per event name and 24-hour block before `at`: this window and up to eight earlier."""
    days = window_days * (EARLIER_WINDOWS + 1)
    seen = con.execute(_SEEN, {"at": at}).fetchall()
    names = tuple(name for name, _, _ in seen)
    counts = np.zeros((len(names), days), dtype=np.int64)
    row_of = {name: row for row, name in enumerate(names)}
    parameters = {"at": at, "start": at - days * _DAY, "day": _DAY_US, "window": window_days}
    for name, block, events in con.execute(_COUNTS, parameters).fetchall():
        counts[row_of[name], block] = events
    firsts = tuple(_instant(first) for _, first, _ in seen)
    lasts = tuple(_instant(last) for _, _, last in seen)
    known = 0 if not firsts else (at - min(firsts)) // _DAY
    return DailyCounts(names, counts, firsts, lasts, known)


def _instant(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
