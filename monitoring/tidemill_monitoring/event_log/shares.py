"""Is a share of something different from what it usually was, beyond chance and daily variation?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ENOUGH_ROWS = 100
"""Rows from which on a share is compared."""
_DAYS_OF_HISTORY = 7
_SURE = 5.0
"""Standard deviations: thousands of shares are compared in one report."""


@dataclass(frozen=True)
class ShareChange:
    """A share of the newest days against the days before."""

    before: float
    now: float
    since: int
    """The first day of the newest run of days that look like now."""


def find_change(
    hits: NDArray[np.float64], rows: NDArray[np.float64], judged: int, least: float
) -> ShareChange | None:
    """The change of hits/rows between the days before the last `judged` ones and the newest days.

    `hits` and `rows` are [days]. The newest days are as many as hold ENOUGH_ROWS. None when too
    little is known, or when the difference is below `least`, within chance, or within five times
    the usual variation from day to day.
    """
    past_rows = rows[:-judged]
    days = np.flatnonzero(past_rows >= 5)
    first = _newest(rows, judged)
    if len(days) < _DAYS_OF_HISTORY or past_rows.sum() < ENOUGH_ROWS or first is None:
        return None
    daily = hits[days] / rows[days]
    before = float(np.median(daily))
    now = float(hits[first:].sum() / rows[first:].sum())
    spread = 1.4826 * float(np.median(np.abs(daily - before)))
    pooled = (hits[:-judged].sum() + hits[first:].sum() + 1) / (
        past_rows.sum() + rows[first:].sum() + 2
    )
    chance = float(np.sqrt(pooled * (1 - pooled) / rows[first:].sum()))
    if abs(now - before) < max(least, _SURE * spread, _SURE * chance):
        return None
    return ShareChange(before, now, _since(hits, rows, judged, (before + now) / 2, now > before))


def _newest(rows: NDArray[np.float64], judged: int) -> int | None:
    """The day from which on enough rows are known; None when even all judged days hold fewer."""
    totals = np.cumsum(rows[::-1])[:judged]
    enough = np.flatnonzero(totals >= ENOUGH_ROWS)
    return len(rows) - 1 - int(enough[0]) if len(enough) else None


def _since(
    hits: NDArray[np.float64],
    rows: NDArray[np.float64],
    judged: int,
    middle: float,
    higher: bool,
) -> int:
    since = len(rows) - 1
    for day in range(len(rows) - 1, len(rows) - 1 - judged, -1):
        if not rows[day]:
            continue
        if (hits[day] / rows[day] > middle) != higher:
            break
        since = day
    return since
