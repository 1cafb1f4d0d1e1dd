"""Segments: where an effect may be larger or smaller. Exploratory, and marked so.

Many segments are looked at every day, so some will look remarkable by chance. A segment is an idea
for the next experiment, never a result of this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from tidemill_features.sql import field_of
from tidemill_monitoring.experiments.effects import Effect, fixed_horizon
from tidemill_monitoring.experiments.estimates import adjusted
from tidemill_monitoring.experiments.looks import LEAST_ACTIVE
from tidemill_monitoring.experiments.measured import Measured, Period, measure_by
from tidemill_monitoring.experiments.moments import Moments
from tidemill_monitoring.experiments.steadying import steadied

_MOST = 8
_NEW, _KNOWN, _UNKNOWN = "new", "known before", "unknown"


@dataclass(frozen=True)
class Segment:
    """One treatment's effect on some of the users, by the newest look alone."""

    name: str
    units: int
    """In both arms, their windows closed."""
    lift: float
    lower: float
    """Bounds as of a single look, without regard to the other segments."""
    upper: float


def explore(
    con: duckdb.DuckDBPyConnection,
    measured: Measured,
    period: Period,
    alpha: float,
    by: str | None,
) -> list[Segment]:
    """The metric that was measured last, of the first treatment, for the largest segments.

    `by` a property of events (`property.<name>`): its newest value before the exposure. Without
    it, by whether there was any event before. Segments with too few active users are left out.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE labels AS {labels_query(by)}")
    names = [
        name
        for (name,) in con.execute(
            f"SELECT label FROM labels GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT {_MOST}"
        ).fetchall()
    ]
    moments = measure_by(con, measured, period, names)
    found = [_segment(name, moments, place, measured, alpha) for place, name in enumerate(names)]
    return [each for each in found if each is not None]


def labels_query(by: str | None) -> str:
    """SQL over `exposed` and `user_events` giving `unit, label`, for DuckDB and Spark."""
    label, otherwise, said = f"'{_KNOWN}'", _NEW, ""
    if by is not None:
        field = field_of(by)
        label, otherwise, said = (
            f"MAX_BY({field}, e.timestamp)",
            _UNKNOWN,
            f"\n    AND {field} IS NOT NULL",
        )
    return f"""
SELECT x.unit, COALESCE(l.label, '{otherwise}') AS label FROM exposed AS x LEFT JOIN (
  SELECT u.unit, {label} AS label
  FROM exposed AS u JOIN user_events AS e ON e.user_id = u.unit
  WHERE e.superseded_at IS NULL AND UNIX_MICROS(e.timestamp) < u.exposed_us{said}
  GROUP BY u.unit
) AS l ON l.unit = x.unit
""".strip()


def _segment(
    name: str, moments: Moments, place: int, measured: Measured, alpha: float
) -> Segment | None:
    of_segment = moments.at(np.array(place, dtype=np.intp))
    arms = [of_segment.at(np.array(arm, dtype=np.intp)) for arm in (0, 1)]
    if min(float(arm.active) for arm in arms) < LEAST_ACTIVE:
        return None
    control, treatment = steadied(arms, adjusted(arms, measured.metric.is_ratio))
    effect = Effect(control, treatment)
    bounds = effect.lift_interval(fixed_horizon(alpha))
    units = int(sum(float(arm.units) for arm in arms))
    return Segment(name, units, float(effect.lift), float(bounds.lower), float(bounds.upper))
