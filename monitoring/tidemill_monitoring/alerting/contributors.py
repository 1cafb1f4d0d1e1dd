"""Which part of the events an incident is mostly made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.alerting.incidents import Incident
from tidemill_monitoring.alerting.outlook import Numbers, forecast_days
from tidemill_monitoring.alerting.series import Series, matching_events

if TYPE_CHECKING:
    import duckdb

    from tidemill.objective.alerting import Alert

_HISTORY_DAYS = 126
_MOST_VALUES = 40
"""Values of a field that are looked at, the most frequent; the others count together."""
_MOST_DAYS = 3
"""Days of an incident that are taken apart, the newest."""
_LEAST_EXPLAINED = 0.3
_STANDS_OUT = 1.3
"""A segment explains something only if its part in it is so much larger than its usual part."""
_OTHERS = "\N{HORIZONTAL ELLIPSIS}"

_SEGMENTS = """
WITH matched AS ({events}), named AS (
    SELECT *, coalesce(segment_0, '') AS segment FROM matched
), largest AS (
    SELECT segment FROM named GROUP BY segment ORDER BY count(*) DESC, segment LIMIT $most
)
SELECT coalesce(l.segment, $others) AS segment,
    (epoch_us(timestamp) - $start) // $width AS period, {metric} AS amount
FROM named LEFT JOIN largest AS l USING (segment) GROUP BY ALL
"""


@dataclass(frozen=True)
class Contributor:
    """One value of one field; amounts are in the metric's own unit."""

    field: str
    value: str
    """Empty where the field is missing."""
    observed: float
    expected: float
    explains: float
    """Part of what is missing in all, or too much."""
    usual_part: float
    """Of all that is expected."""


def find_contributors(
    con: duckdb.DuckDBPyConnection, alert: Alert, series: Series, incident: Incident, at: datetime
) -> list[Contributor]:
    """Values that stand out, those that explain most first."""
    last = incident.last
    days = np.arange(incident.first // series.slots, last // series.slots + 1)[-_MOST_DAYS:]
    found = [
        contributor
        for field in alert.by
        for contributor in _of_field(con, alert, field, series, incident, days, at)
    ]
    return sorted(found, key=lambda each: each.usual_part - each.explains)


def _of_field(
    con: duckdb.DuckDBPyConnection,
    alert: Alert,
    field: str,
    series: Series,
    incident: Incident,
    days: NDArray[np.int64],
    at: datetime,
) -> list[Contributor]:
    first_day = max(int(days[0]) - _HISTORY_DAYS, 0)
    start = series.start + first_day * timedelta(days=1)
    names, values = _read(con, alert, field, series, start, at)
    if len(names) < 2:
        return []
    periods = np.arange(values.shape[1]) + first_day * series.slots
    inside = (periods >= incident.first) & (periods <= incident.last)
    inside &= np.isin(periods // series.slots, days)
    expected = _expected(values, series, periods, incident, days - first_day)
    observed, due = values[:, inside].sum(axis=1), expected[:, inside].sum(axis=1)
    return _stand_out(field, names, observed, due)


def _read(
    con: duckdb.DuckDBPyConnection,
    alert: Alert,
    field: str,
    series: Series,
    start: datetime,
    at: datetime,
) -> tuple[list[str], Numbers]:
    """Names of the segments, and [segments, periods] from `start` on."""
    end = series.begins(len(series.values))
    events = matching_events(alert, start, end, at, (field,))
    metric = "count(DISTINCT user_id)::DOUBLE" if alert.metric == "users" else "sum(x)"
    rows = con.execute(
        _SEGMENTS.format(events=events, metric=metric),
        {
            "start": round(start.timestamp() * 1e6),
            "width": round(series.every.total_seconds() * 1e6),
            "most": _MOST_VALUES,
            "others": _OTHERS,
        },
    ).fetchall()
    names = sorted({name for name, _, _ in rows})
    row_of = {name: row for row, name in enumerate(names)}
    values = np.zeros((len(names), (end - start) // series.every))
    for name, period, amount in rows:
        values[row_of[name], period] = amount
    return names, np.maximum(values, 0.0)


def _expected(
    values: Numbers,
    series: Series,
    periods: NDArray[np.int64],
    incident: Incident,
    days: NDArray[np.int64],
) -> Numbers:
    """[segments, periods]: forecasts of the days asked for, blind to the incident; else zero."""
    slots = series.slots
    missing = -values.shape[1] % slots
    full = np.pad(values, ((0, 0), (0, missing))) / series.unit
    by_slot = (
        full.reshape(len(values), -1, slots).transpose(0, 2, 1).reshape(-1, full.shape[1] // slots)
    )
    known = np.pad((periods < incident.first), (0, missing)).reshape(-1, slots).T
    forecast = forecast_days(by_slot, np.tile(known, (len(values), 1)), days)
    found = np.zeros(by_slot.shape)
    found[:, days] = np.nan_to_num(forecast)
    line = found.reshape(len(values), slots, -1).transpose(0, 2, 1).reshape(len(values), -1)
    complete = series.complete[periods]
    expected: Numbers = line[:, : values.shape[1]] * complete * series.unit
    return expected


def _stand_out(
    field: str, names: Sequence[str], observed: Numbers, expected: Numbers
) -> list[Contributor]:
    gap = float((expected - observed).sum())
    due = float(expected.sum())
    if not gap or not due:
        return []
    found = [
        Contributor(
            field,
            name,
            float(observed[row]),
            float(expected[row]),
            float(expected[row] - observed[row]) / gap,
            float(expected[row]) / due,
        )
        for row, name in enumerate(names)
        if name != _OTHERS
    ]
    return [
        each
        for each in found
        if each.explains >= max(_LEAST_EXPLAINED, _STANDS_OUT * each.usual_part)
    ]
