"""Reads a metric of the event log, period by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tidemill_features.sql import condition, field_of, known_at, quoted, reads_items
from tidemill_monitoring.alerting.outlook import MINIMUM_HISTORY, Numbers
from tidemill_monitoring.forecasting.completeness import completeness

if TYPE_CHECKING:
    import duckdb

    from tidemill.objective.alerting import Alert

_DAY = timedelta(days=1)
HISTORY_DAYS = 400 + 126
"""Enough for the same day of the last year, and for its own forecast."""
_ON_THE_WAY_DAYS = 15
"""After so long an arrival is an import of history: it says nothing about the usual lag."""
_RECENT_DAYS = 56
_NEAR_THE_END = 24
"""Silence of the last 24th of a period is no sign that the log ends within it."""

# Age 0 holds what had arrived when the newest period was looked at, age 1 a period later, ...
_ARRIVALS = """
SELECT (epoch_us(e.timestamp) - $start) // $width AS period, e.received_at = e.timestamp AS on_time,
    least(greatest(
        (epoch_us(e.received_at) - 1 - ($start + period * $width + $into)) // $width, 0
    ), $oldest) AS age,
    count(*)::BIGINT AS events, sum(x) AS total, sum(x * x) AS squares
FROM ({events}) AS e GROUP BY ALL
"""
_USERS = """
SELECT (epoch_us(timestamp) - $start) // $width AS period, count(DISTINCT user_id)
FROM ({events}) GROUP BY ALL
"""


@dataclass(frozen=True)
class Series:
    """One metric, from a midnight to the end of the newest whole period."""

    start: datetime
    every: timedelta
    values: Numbers
    """[periods]: the metric as it is."""
    unit: float
    """What one event typically moves: in this unit, chance makes the variance of a sum its mean."""
    complete: Numbers
    """[periods]: the share that has usually arrived by now."""
    lateness: Numbers
    """[periods]: by how much (standard deviation of the logarithm) that share varies."""

    @property
    def slots(self) -> int:
        """Periods in a day."""
        return round(_DAY / self.every)

    @property
    def known_days(self) -> int:
        """Whole days since the first event, without the day it came on."""
        seen = np.flatnonzero(self.values)
        if not len(seen):
            return 0
        return max(int(len(self.values) // self.slots - seen[0] // self.slots - 1), 0)

    def by_slot(self, periods: Numbers, filling: float = 0.0) -> Numbers:
        """[slots, days] of [periods]; what is missing of the last day is `filling`."""
        missing = -len(periods) % self.slots
        padded = np.concatenate([periods, np.full(missing, filling)])
        return padded.reshape(-1, self.slots).T

    def begins(self, period: int) -> datetime:
        """When a period begins, UTC."""
        return self.start + period * self.every

    def period_at(self, instant: datetime) -> int:
        """The number of the period that begins then."""
        return (instant - self.start) // self.every


def end_of_whole_periods(
    con: duckdb.DuckDBPyConnection, at: datetime, every: timedelta, is_log_end: bool
) -> datetime:
    """The end of the newest period that is over at `at`.

    Where `at` is no clock's time but the end of the log (`is_log_end`), a period counts as over
    only if events of any name reach its end.
    """
    if is_log_end:
        found = con.execute(
            "SELECT max(timestamp) FROM events WHERE timestamp < $at AND received_at < $at",
            {"at": at},
        ).fetchall()[0][0]
        at = min(at, found.astimezone(UTC) + every / _NEAR_THE_END) if found is not None else at
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // every * every


def read_series(
    con: duckdb.DuckDBPyConnection, alert: Alert, end: datetime, at: datetime, judged: int
) -> Series:
    """The metric until `end`, as known at `at`; `judged` periods may still lack arrivals."""
    every = alert.period
    slots = round(_DAY / every)
    start = end.replace(hour=0) - HISTORY_DAYS * _DAY
    periods = (end - start) // every
    parameters = {
        "start": round(start.timestamp() * 1e6),
        "width": round(every.total_seconds() * 1e6),
    }
    events = matching_events(alert, start, end, at)
    into = {"into": round((at - end).total_seconds() * 1e6), "oldest": _ON_THE_WAY_DAYS * slots}
    found = con.execute(_ARRIVALS.format(events=events), {**parameters, **into}).to_arrow_table()
    columns = {name: found.column(name).to_numpy() for name in found.column_names}
    place, age = columns["period"].astype(np.int64), columns["age"].astype(np.int64)
    counts, totals, squares = (np.zeros(periods) for _ in range(3))
    for sums, key in ((counts, "events"), (totals, "total"), (squares, "squares")):
        np.add.at(sums, place, columns[key])
    late = ~columns["on_time"].astype(bool)
    live = np.zeros((1, periods, _ON_THE_WAY_DAYS * slots + 1))
    np.add.at(live[0], (place[late], age[late]), columns["events"][late])
    newest = min(judged, periods - 1)
    shares, spread = completeness(counts[None, :], live, newest, _RECENT_DAYS * slots)
    complete, lateness = np.ones(periods), np.zeros(periods)
    complete[-newest:], lateness[-newest:] = shares[0], spread
    values = counts
    if alert.metric == "users":
        values = _daily_users(con, events, parameters, periods)
    elif alert.metric != "count":
        values = np.maximum(totals, 0.0)
    return Series(start, every, values, _unit(alert, totals, squares), complete, lateness)


def matching_events(
    alert: Alert, start: datetime, end: datetime, at: datetime, by: Sequence[str] = ()
) -> str:
    """A query for the events of an alert and what each adds, `x`; with the views of the log.

    Columns `segment_0`, ... hold the fields `by`.
    """
    source = "user_events" if alert.metric == "users" else "events"
    known = known_at(_instant(at), "e") if source == "user_events" else _as_known(at)
    fields = (*alert.where, *by)
    items = (
        "LEFT JOIN items AS i USING (item_id) " if reads_items(dict.fromkeys(fields, "")) else ""
    )
    segments = "".join(f", {field_of(key)} AS segment_{n}" for n, key in enumerate(by))
    return (
        f"SELECT e.timestamp, e.received_at, e.user_id, {_amount(alert)} AS x{segments} "
        f"FROM {source} AS e {items}WHERE e.name = {quoted(alert.event)} "
        f"AND {condition(alert.where)} AND e.timestamp >= {_instant(start)} "
        f"AND e.timestamp < {_instant(end)} AND {known}"
    )


def _as_known(at: datetime) -> str:
    """What is marked, as repeats and bots are, does not count; `user_events` leaves it out."""
    return f"e.received_at < {_instant(at)} AND e.event_id NOT IN (SELECT event_id FROM uncounted)"


def _instant(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.astimezone(UTC).isoformat()}'"


def _amount(alert: Alert) -> str:
    """SQL of what an event adds. What is no number adds nothing."""
    if alert.metric in ("count", "users"):
        return "1.0::DOUBLE"
    field = "e.value" if alert.metric == "value" else field_of(alert.metric)
    number = f"TRY_CAST({field} AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} ELSE 0 END"


def _daily_users(
    con: duckdb.DuckDBPyConnection, events: str, parameters: dict[str, int], periods: int
) -> Numbers:
    values = np.zeros(periods)
    for period, users in con.execute(_USERS.format(events=events), parameters).fetchall():
        values[period] = users
    return values


def _unit(alert: Alert, totals: Numbers, squares: Numbers) -> float:
    """Of a sum of independent amounts x, chance alone gives the variance sum(x^2); a typical
    period's is taken, so that one amount of a million does not hide all others."""
    if alert.metric in ("count", "users"):
        return 1.0
    said = totals > 0
    return float(np.median(squares[said] / totals[said])) if said.any() else 1.0


def too_young(series: Series) -> int:
    """Days that have to pass before the first period can be judged; 0 when one can."""
    return max(MINIMUM_HISTORY + 1 - series.known_days, 0)
