"""What history knows of a metric and of the traffic, as an experiment would have met them.

Every user who was answered is taken for exposed, the first time within the history; where few were,
every user who did anything, just after that. What they did within the metric's window from then on,
and before, is the baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np

from tidemill.errors import NotReadyError
from tidemill_features.sql import DAY_US
from tidemill_monitoring.experiments.exposed import us_of
from tidemill_monitoring.experiments.measured import Period, measure
from tidemill_monitoring.experiments.metrics import Metric
from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.planning import Baseline

LONGEST_DAYS = 365
"""An experiment that takes longer is not planned."""
_HISTORY = timedelta(days=56)
_LEAST_DAYS = 7
_LEAST_USERS = 100
_FROM_ANSWERS = """
CREATE OR REPLACE TEMP TABLE exposed AS
SELECT unit, 0 AS arm, MIN(first_us) AS exposed_us FROM exposures
WHERE unit IS NOT NULL AND first_us >= $first AND first_us < $end GROUP BY unit
"""
_FROM_EVENTS = """
CREATE OR REPLACE TEMP TABLE exposed AS
SELECT user_id AS unit, 0 AS arm, MIN(epoch_us(timestamp)) + 1 AS exposed_us FROM user_events
WHERE superseded_at IS NULL AND epoch_us(timestamp) >= $first AND epoch_us(timestamp) < $end
GROUP BY user_id
"""
_ARRIVALS = "SELECT exposed_us // {day} AS day, COUNT(*) FROM exposed GROUP BY 1"


@dataclass(frozen=True)
class History:
    """Baselines of some metrics, and the traffic."""

    baselines: Sequence[Baseline]
    arrivals: Array
    """[LONGEST_DAYS] users exposed by the end of each day of an experiment, at present traffic."""
    days: int
    """Of the history."""
    is_answered: bool
    """Whether users count from an answer of the prediction log, not from any event of theirs."""

    def observed(self, metric: Metric) -> Array:
        """[LONGEST_DAYS] of these, users whose window has closed by the end of each day."""
        waiting = np.zeros(min(metric.whole_days, LONGEST_DAYS))
        return np.concatenate([waiting, self.arrivals])[:LONGEST_DAYS]


def read_history(
    con: duckdb.DuckDBPyConnection, metrics: Sequence[Metric], at: datetime
) -> History:
    """What was known `at` a midnight. `con` has the views of the event log and `exposures`.

    Raises NotReadyError where the log does not reach back a week and the longest window.
    """
    longest = max(metric.whole_days for metric in metrics)
    end = at - timedelta(days=longest)
    first = _first_day(con, end, longest)
    is_answered = _expose(con, first, end)
    arrivals = _arrivals(con, first, end)
    baselines = [
        Baseline.of(measure(con, metric, 1, Period(first, at)).arms()[0].at(_LAST), metric.is_ratio)
        for metric in metrics
    ]
    return History(baselines, arrivals, (end - first).days, is_answered)


_LAST = np.array(-1, dtype=np.intp)


def _first_day(con: duckdb.DuckDBPyConnection, end: datetime, longest: int) -> datetime:
    found = con.execute(
        "SELECT MIN(timestamp) FROM user_events WHERE received_at < $end", {"end": end}
    ).fetchall()[0][0]
    begins = end if found is None else _next_midnight(found)
    days = max((end - begins).days, 0)
    if days < _LEAST_DAYS:
        raise NotReadyError(
            f"the event log reaches back {days} days before the last window of {longest} days",
            hint=f"{_LEAST_DAYS} are needed; import older events, or choose a shorter window",
        )
    return max(begins, end - _HISTORY)


def _expose(con: duckdb.DuckDBPyConnection, first: datetime, end: datetime) -> bool:
    """Make the table `exposed`; from events where too few were answered, or for too short."""
    between = {"first": us_of(first), "end": us_of(end)}
    con.execute(_FROM_ANSWERS, between)
    users, oldest = con.execute("SELECT COUNT(*), MIN(exposed_us) FROM exposed").fetchall()[0]
    reach = (us_of(end) - oldest) / DAY_US if users else 0
    if users >= _LEAST_USERS and reach >= _LEAST_DAYS:
        return True
    con.execute(_FROM_EVENTS, between)
    return False


def _arrivals(con: duckdb.DuckDBPyConnection, first: datetime, end: datetime) -> Array:
    """As it was; then as many new users a day as in the later half of the history."""
    start, days = us_of(first) // DAY_US, (end - first).days
    new = np.zeros(days)
    for day, users in con.execute(_ARRIVALS.format(day=DAY_US)).fetchall():
        new[day - start] = users
    later = np.full(max(LONGEST_DAYS - days, 0), new[days // 2 :].mean())
    return np.concatenate([new, later])[:LONGEST_DAYS].cumsum()


def _next_midnight(instant: datetime) -> datetime:
    midnight = instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1)
