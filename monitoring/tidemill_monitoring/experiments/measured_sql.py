"""What exposed units did, as SQL over `exposed` and `user_events`: one text for DuckDB and Spark.

`exposed(unit, arm, exposed_us)` has one row a unit; `user_events` and `items` are those of the
event log. A metric is first summed for each unit that did anything (`outcomes_query`), then, once
its cap is known (`cap_query`), folded into what estimators need for each arm and day
(`moments_query`). Units that did nothing add nothing to sums; they are counted apart
(`units_query`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations_with_replacement

from tidemill_features.sql import DAY_US, condition, field_of, quoted, reads_items
from tidemill_monitoring.experiments.metrics import Amount, Metric

EXPOSED_ON = f"exposed_us // {DAY_US}"
"""The day (UTC, since 1970) of a unit's first answer."""
LABEL = "label"
"""Column of the relation `labels(unit, label)`."""


def outcomes_query(metric: Metric, start: datetime, end: datetime, known_at: datetime) -> str:
    """SQL giving `unit, arm, exposed_us, c0, ...` for each unit with matching events.

    Columns are those of `Moments`: the metric within its window after the exposure, then within its
    past before.
    Events from `start` to `end` are read, as far as they had been received at `known_at`.
    """
    events = "\n  UNION ALL\n".join(
        f"  SELECT e.user_id, UNIX_MICROS(e.timestamp) AS at_us, {added}\n"
        f"  FROM user_events AS e{_items(amount)}\n"
        f"  WHERE {_matches(amount)} AND e.superseded_at IS NULL\n"
        f"    AND e.timestamp >= {_instant(start)} AND e.timestamp < {_instant(end)}\n"
        f"    AND e.received_at < {_instant(known_at)}"
        for amount, added in _added(metric)
    )
    parts = metric.width // 2
    sums = [f"SUM(CASE WHEN at_us >= exposed_us THEN x{part} ELSE 0 END)" for part in range(parts)]
    sums += [f"SUM(CASE WHEN at_us < exposed_us THEN x{part} ELSE 0 END)" for part in range(parts)]
    if metric.is_once:
        sums = [f"LEAST({sums[0]}, 1)", f"LEAST({sums[1]}, {_exact(metric.windows_before)})"]
    columns = ",\n  ".join(f"CAST({each} AS DOUBLE) AS c{n}" for n, each in enumerate(sums))
    return f"""
WITH happened AS (
{events}
)
SELECT u.unit, u.arm, u.exposed_us,
  {columns}
FROM exposed AS u JOIN happened AS h ON h.user_id = u.unit
WHERE h.at_us >= u.exposed_us - {metric.past_us} AND h.at_us < u.exposed_us + {metric.within_us}
GROUP BY u.unit, u.arm, u.exposed_us
""".strip()


def cap_query(metric: Metric, days: range) -> str:
    """SQL giving the winsorising cap over `outcomes`: one row with one number, or null."""
    closed = _closed(metric, days)
    return (
        f"SELECT PERCENTILE_DISC({metric.winsorise}) WITHIN GROUP (ORDER BY ABS(c0)) AS cap\n"
        f"FROM outcomes WHERE c0 <> 0 AND {closed}"
    )


def moments_query(metric: Metric, cap: float | None, days: range, place: str) -> str:
    """SQL over `outcomes` giving `arm, place, active, fourths, s0, ..., p0_0, ...` (see `Moments`).

    Of units whose window closes on one of `days` (UTC, since 1970). `place` is `closes(metric)`,
    EXPOSED_ON or LABEL.
    """
    columns = range(metric.width)
    values = ", ".join(f"{_capped(metric, column, cap)} AS c{column}" for column in columns)
    sums = [f"SUM(c{column}) AS s{column}" for column in columns]
    sums += [f"SUM(c{a} * c{b}) AS p{a}_{b}" for a, b in combinations_with_replacement(columns, 2)]
    return f"""
SELECT arm, place, SUM(CASE WHEN c0 <> 0 THEN 1 ELSE 0 END) AS active,
  SUM(c0 * c0 * c0 * c0) AS fourths, {", ".join(sums)}
FROM (
  SELECT arm, {place} AS place, {values}
  FROM outcomes{_labelled("outcomes", place)} WHERE {_closed(metric, days)}
) AS closed
GROUP BY arm, place
""".strip()


def units_query(metric: Metric, days: range, place: str) -> str:
    """SQL giving `arm, place, units`: all exposed units, whether they did anything or not."""
    return (
        f"SELECT arm, {place} AS place, COUNT(*) AS units\n"
        f"FROM exposed{_labelled('exposed', place)} WHERE {_closed(metric, days)}\n"
        f"GROUP BY arm, {place}"
    )


def closes(metric: Metric) -> str:
    """SQL of the day (UTC, since 1970) in which a unit's window closes, or at whose end."""
    return f"(exposed_us + {metric.within_us - 1}) // {DAY_US}"


def _added(metric: Metric) -> list[tuple[Amount, str]]:
    """What to look for, and what each such event adds: `x0`, and of a ratio `x1`."""
    own = _amount_sql(metric.amount)
    if metric.per is None:
        return [(metric.amount, f"{own} AS x0")]
    return [
        (metric.amount, f"{own} AS x0, 0 AS x1"),
        (metric.per, f"0 AS x0, {_amount_sql(metric.per)} AS x1"),
    ]


def _amount_sql(amount: Amount) -> str:
    """What is no number adds nothing."""
    if amount.value is None:
        return "1"
    field = "e.value" if amount.value == "value" else field_of(amount.value)
    return f"COALESCE(TRY_CAST({field} AS DECIMAL(18, 4)), 0)"


def _matches(amount: Amount) -> str:
    name = "TRUE" if amount.event is None else f"e.name = {quoted(amount.event)}"
    return f"{name} AND {condition(amount.where)}"


def _items(amount: Amount) -> str:
    return " LEFT JOIN items AS i ON i.item_id = e.item_id" if reads_items(amount.where) else ""


def _instant(at: datetime) -> str:
    return f"CAST('{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00' AS TIMESTAMPTZ)"


def _closed(metric: Metric, days: range) -> str:
    return f"{closes(metric)} >= {days.start} AND {closes(metric)} < {days.stop}"


def _capped(metric: Metric, column: int, cap: float | None) -> str:
    """Of a ratio, the upper part alone; the past holds as many caps as windows."""
    if cap is None or (metric.is_ratio and column % 2):
        return f"c{column}"
    most = cap if column == 0 else cap * metric.windows_before
    return f"GREATEST(LEAST(c{column}, {_exact(most)}), {_exact(-most)})"


def _exact(number: float) -> str:
    """As a double in every engine: without an exponent, Spark would take it for a decimal."""
    return f"{number!r}e0" if "e" not in repr(number) else repr(number)


def _labelled(relation: str, place: str) -> str:
    return f" JOIN labels ON labels.unit = {relation}.unit" if place == LABEL else ""
