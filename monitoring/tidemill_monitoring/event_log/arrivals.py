"""Daily counts by event name, and how complete a day usually is at its age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.event_log.span import DAY_NUMBER, IN_SPAN, Span
from tidemill_monitoring.forecasting.completeness import completeness

if TYPE_CHECKING:
    import duckdb

_BACKFILLED = 15
"""Days after which an arrival is an import of history: it says nothing about the usual lag."""
_RECENT_DAYS = 56

# Age 0 holds what had arrived when the newest judged day was looked at, age 1 a day later, ...
_COUNTS = f"""
SELECT name, day, on_time, count(*)::BIGINT AS events, least(greatest(
        (arrived - 1 - ($start_us + day * $width + $into_day)) // $width, 0
    ), $oldest) AS age
FROM (
    SELECT name, {DAY_NUMBER.format(time="timestamp")} AS day, epoch_us(received_at) AS arrived,
        received_at = timestamp AS on_time
    FROM events WHERE {IN_SPAN}
) GROUP BY ALL
"""


@dataclass(frozen=True)
class Arrivals:
    """What the log holds of each name, day by day."""

    names: tuple[str, ...]
    counts: NDArray[np.float64]
    """[names, days], known at the instant of the report."""
    complete: NDArray[np.float64]
    """[names, judged days]: the share that has usually arrived at the day's age."""
    complete_spread: NDArray[np.float64]
    """[judged days]: by how much (standard deviation of the logarithm) that share varies."""

    def first_days(self) -> NDArray[np.int64]:
        """[names]: number of the first day with an event; the number of days if there is none."""
        seen = self.counts > 0
        first: NDArray[np.int64] = seen.argmax(axis=1)
        return np.where(seen.any(axis=1), first, self.counts.shape[1])


def read_arrivals(con: duckdb.DuckDBPyConnection, span: Span) -> Arrivals:
    """One pass over the days of `span`; empty for an empty log."""
    into_day = round((span.at - span.end).total_seconds() * 1e6)
    parameters = {**span.parameters, "into_day": into_day, "oldest": _BACKFILLED}
    found = con.execute(_COUNTS, parameters).to_arrow_table()
    names = tuple(sorted(set(found.column("name").to_pylist())))
    row_of = {name: row for row, name in enumerate(names)}
    rows = np.array([row_of[name] for name in found.column("name").to_pylist()], dtype=np.int64)
    day, age, events = (found.column(key).to_numpy() for key in ("day", "age", "events"))
    on_time = found.column("on_time").to_numpy()
    counts = np.zeros((len(names), span.days))
    np.add.at(counts, (rows, day), events)
    live = np.zeros((len(names), span.days, _BACKFILLED + 1))
    late = ~on_time.astype(bool)
    np.add.at(live, (rows[late], day[late], age[late]), events[late])
    complete, spread = completeness(counts, live, span.judged, _RECENT_DAYS)
    return Arrivals(names, counts, complete, spread)
