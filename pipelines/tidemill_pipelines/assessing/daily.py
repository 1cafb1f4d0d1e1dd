"""Events of each name by day, which the checks for missing and changed collection read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

_MOST_NAMES = 100


@dataclass(frozen=True)
class Daily:
    """Whole days (UTC), the oldest first."""

    first: date
    names: tuple[str, ...]
    """The most frequent ones."""
    counts: NDArray[np.float64]
    """[names, days]."""
    total: NDArray[np.float64]
    """[days], of all names."""

    @property
    def days(self) -> int:
        return len(self.total)

    def day(self, index: int) -> date:
        return self.first + timedelta(days=index)

    def index(self, instant: datetime) -> int:
        return (instant.date() - self.first).days


def whole_days(first: datetime, at: datetime) -> int:
    """Days (UTC) from that of the first event to the last whole one before `at`."""
    return (at.astimezone(UTC).date() - first.astimezone(UTC).date()).days


def read_daily(con: duckdb.DuckDBPyConnection, at: datetime) -> Daily | None:
    """Whole days before `at`, from the log's first on; None where there is none.

    `con` has the view `events`.
    """
    end = at.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = con.execute(
        "SELECT name, CAST(timestamp AS DATE) AS day, count(*) FROM events "
        "WHERE timestamp < $end GROUP BY ALL",
        {"end": end},
    ).fetchall()
    if not rows:
        return None
    first = min(day for _, day, _ in rows)
    length = (end.date() - first).days
    by_name: dict[str, NDArray[np.float64]] = {}
    for name, day, count in rows:
        by_name.setdefault(name, np.zeros(length))[(day - first).days] += count
    total = np.sum(list(by_name.values()), axis=0)
    names = sorted(by_name, key=lambda name: -by_name[name].sum())[:_MOST_NAMES]
    return Daily(first, tuple(names), np.array([by_name[name] for name in names]), total)
