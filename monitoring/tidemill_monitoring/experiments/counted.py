"""What was counted, what was left out, and what went wrong on the way, with its number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from tidemill_features.sql import quoted
from tidemill_monitoring.experiments.exposed import ExposureCounts
from tidemill_monitoring.experiments.measured import Period
from tidemill_monitoring.experiments.metrics import Metric

_USUAL_IN_AN_HOUR = 30
"""Events; where as many are usual, an hour with less than a tenth of them is no chance."""
_USUAL_DAYS = 28
_HOURS = """
SELECT date_trunc('hour', timestamp) AS hour, count(*) AS events FROM events
WHERE timestamp >= $start AND timestamp < $until AND received_at < $until GROUP BY 1
"""
_SILENT = f"""
WITH seen AS ({_HOURS}),
every_hour AS (
  SELECT unnest(generate_series($start, $until - INTERVAL 1 HOUR, INTERVAL 1 HOUR)) AS hour
),
filled AS (
  SELECT e.hour, coalesce(s.events, 0) AS events FROM every_hour AS e LEFT JOIN seen AS s
  USING (hour) WHERE e.hour >= (SELECT min(hour) FROM seen)
)
SELECT hour FROM (
  SELECT *, median(events) OVER (PARTITION BY hour(hour)) AS usual FROM filled
) WHERE 10 * events < usual AND usual >= {_USUAL_IN_AN_HOUR} AND hour >= $first ORDER BY hour
"""
_LATE = """
SELECT count(*) FROM events WHERE name IN ({names}) AND timestamp >= $first AND timestamp < $until
AND received_at >= timestamp + INTERVAL 1 DAY AND received_at < $until
"""
_MARKED = """
SELECT count(*) FROM events SEMI JOIN uncounted USING (event_id)
WHERE name IN ({names}) AND timestamp >= $first AND timestamp < $until
"""
_DUPLICATES = """
SELECT coalesce(sum(duplicates), 0) FROM receipts WHERE "at" >= $first AND "at" < $until
"""


@dataclass(frozen=True)
class Counted:
    """One thing that was met."""

    name: str
    count: int
    means: str
    """What became of it, a clause."""
    is_alarming: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "count": self.count, "means": self.means}


def count_all(
    con: duckdb.DuckDBPyConnection,
    exposed: ExposureCounts,
    metrics: Sequence[Metric],
    period: Period,
) -> list[Counted]:
    """Everything that was met, zeros included. `con` has the views of the event log."""
    return [*_of_exposures(exposed), *_of_events(con, metrics, period)]


def _of_exposures(found: ExposureCounts) -> list[Counted]:
    several = "left out of every estimate: what they did has no one cause"
    return [
        Counted("users found in several arms", found.crossed, several),
        Counted("ids that turned out to be another's", found.joined, "counted as that user"),
        Counted("answers without a user", found.without_id, "left out: nobody to follow"),
        Counted("answers to users who take no part", found.outside, "left out"),
        Counted(
            "answers in an arm that is not declared",
            found.unknown_arm,
            "left out",
            is_alarming=found.unknown_arm > 0,
        ),
        Counted(
            "answers by another model than the arm's",
            found.fallbacks,
            "counted in the arm: so it would be if it went live",
        ),
        Counted("answers before the start", found.before, "left out"),
        Counted("answers after the end", found.after, "left out"),
    ]


def _of_events(
    con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric], period: Period
) -> list[Counted]:
    between = {"first": period.first, "until": period.until}
    names = _names(metrics)
    silent = _silent_hours(con, period)
    return [
        Counted("events delivered twice", _number(con, _DUPLICATES, between), "counted once"),
        Counted(
            "events marked as repeats or bots",
            _number(con, _MARKED.format(names=names), between) if _has_marks(con) else 0,
            "left out, as everywhere",
        ),
        Counted(
            "events that arrived more than a day late",
            _number(con, _LATE.format(names=names), between),
            "counted on their own day",
        ),
        Counted(
            "hours with less than a tenth of the usual events",
            len(silent),
            _when(silent) if silent else "no interruption was seen",
            is_alarming=bool(silent),
        ),
    ]


def _silent_hours(con: duckdb.DuckDBPyConnection, period: Period) -> list[datetime]:
    first, until = (
        each.replace(minute=0, second=0, microsecond=0) for each in (period.first, period.until)
    )
    between = {"start": first - timedelta(days=_USUAL_DAYS), "until": until, "first": first}
    return [row[0].astimezone(UTC) for row in con.execute(_SILENT, between).fetchall()]


def _when(silent: Sequence[datetime]) -> str:
    return (
        f"the first at {silent[0]:%Y-%m-%d %H}h UTC: what happened then may be lost, in all arms "
        "alike, which makes effects smaller and favours none"
    )


def _names(metrics: Sequence[Metric]) -> str:
    """Of all events that any metric counts; any event where one counts all."""
    amounts = [amount for metric in metrics for amount in (metric.amount, metric.per) if amount]
    if any(amount.event is None for amount in amounts):
        return "SELECT name FROM events"
    return ", ".join(sorted({quoted(str(amount.event)) for amount in amounts}))


def _has_marks(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(con.execute("SELECT EXISTS (SELECT 1 FROM uncounted)").fetchall()[0][0])


def _number(con: duckdb.DuckDBPyConnection, query: str, between: dict[str, datetime]) -> int:
    return int(con.execute(query, between).fetchall()[0][0])
