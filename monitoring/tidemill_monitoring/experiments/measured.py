"""Measures metrics of exposed units on DuckDB: sums for each arm and day, under one cap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations_with_replacement
from typing import Any

import duckdb
import numpy as np

from tidemill_features.engine import SPARK_NAMES
from tidemill_features.sql import DAY_US
from tidemill_monitoring.experiments.exposed import us_of
from tidemill_monitoring.experiments.measured_sql import (
    EXPOSED_ON,
    LABEL,
    cap_query,
    closes,
    moments_query,
    outcomes_query,
    units_query,
)
from tidemill_monitoring.experiments.metrics import Metric
from tidemill_monitoring.experiments.moments import Moments


@dataclass(frozen=True)
class Period:
    """What of the logs is looked at."""

    first: datetime
    """The earliest exposure."""
    until: datetime
    """The end of the newest whole day (UTC); what was received later is not known yet."""

    @property
    def days(self) -> range:
        """Days (UTC, since 1970)."""
        return range(us_of(self.first) // DAY_US, us_of(self.until) // DAY_US)


@dataclass(frozen=True)
class Measured:
    """A metric of all arms."""

    metric: Metric
    days: Moments
    """[days, arms] of the units whose window closed on each day of the period."""
    cap: float | None
    """The value that what is above counts as; None where nothing is winsorised."""

    def arms(self) -> list[Moments]:
        """For each arm, everything up to each day."""
        total = self.days.cumulated()
        return [_of_arm(total, arm) for arm in range(total.units.shape[1])]


def measure(con: duckdb.DuckDBPyConnection, metric: Metric, arms: int, period: Period) -> Measured:
    """Moments of the metric for the units of the table `exposed`.

    Leaves the table `outcomes`, what each unit did, for `measure_by` and `measure_exposed`.
    """
    con.execute(SPARK_NAMES)
    query = outcomes_query(metric, period.first - metric.past, period.until, period.until)
    con.execute(f"CREATE OR REPLACE TEMP TABLE outcomes AS {query}")
    cap = _cap(con, metric, period.days)
    places = {day: number for number, day in enumerate(period.days)}
    return Measured(metric, _moments(con, metric, cap, period, closes(metric), places, arms), cap)


def measure_by(
    con: duckdb.DuckDBPyConnection, measured: Measured, period: Period, labels: Sequence[str]
) -> Moments:
    """[labels, arms] of the same units over all days, by the table `labels(unit, label)`."""
    places = {label: number for number, label in enumerate(labels)}
    arms = measured.days.units.shape[1]
    return _moments(con, measured.metric, measured.cap, period, LABEL, places, arms)


def measure_exposed(con: duckdb.DuckDBPyConnection, measured: Measured, period: Period) -> Moments:
    """[days, arms] of the same units by the day of their first answer, for those days of the period
    of which every unit's window has closed."""
    days = period.days[: len(period.days) - measured.metric.whole_days]
    places = {day: number for number, day in enumerate(days)}
    arms = measured.days.units.shape[1]
    return _moments(con, measured.metric, measured.cap, period, EXPOSED_ON, places, arms)


def _moments(
    con: duckdb.DuckDBPyConnection,
    metric: Metric,
    cap: float | None,
    period: Period,
    place: str,
    places: Mapping[Any, int],
    arms: int,
) -> Moments:
    """[places, arms]"""
    moments = _empty((len(places), arms), metric.width)
    pairs = list(combinations_with_replacement(range(metric.width), 2))
    query = moments_query(metric, cap, period.days, place)
    for arm, found, active, fourths, *sums in con.execute(query).fetchall():
        if found in places:
            at = places[found], arm
            moments.active[at], moments.fourths[at] = active, fourths
            moments.sums[at] = sums[: metric.width]
            for (a, b), product in zip(pairs, sums[metric.width :], strict=True):
                moments.products[at][a, b] = moments.products[at][b, a] = product
    for arm, found, units in con.execute(units_query(metric, period.days, place)).fetchall():
        if found in places:
            moments.units[places[found], arm] = units
    return moments


def _cap(con: duckdb.DuckDBPyConnection, metric: Metric, days: range) -> float | None:
    if metric.winsorise is None:
        return None
    found = con.execute(cap_query(metric, days)).fetchall()[0][0]
    return None if found is None else float(found)


def _empty(shape: tuple[int, ...], width: int) -> Moments:
    return Moments(
        np.zeros(shape),
        np.zeros(shape),
        np.zeros((*shape, width)),
        np.zeros((*shape, width, width)),
        np.zeros(shape),
    )


def _of_arm(moments: Moments, arm: int) -> Moments:
    return Moments(
        moments.units[:, arm],
        moments.active[:, arm],
        moments.sums[:, arm],
        moments.products[:, arm],
        moments.fourths[:, arm],
    )
