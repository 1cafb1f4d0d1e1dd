"""What is computed from a signal: SQL over its daily rows, the same text for every engine.

Each expression aggregates the rows of one (user, signal, cutoff). The columns at hand are
    age          whole days between the row's day and the cutoff, 0 for the last 24 hours
    events       events of that day
    value        exact decimal sum of their values
    first_us, last_us, cutoff_us   microseconds since 1970
Sums are taken over integers and decimals, never floats, so the result does not depend on the
order of rows, the number of threads or the engine, and a rebuild equals what was served.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

# With an exponent, literals are doubles in every engine; without, Spark would divide decimals.
_DAY_US = "8.64e10"


@dataclass(frozen=True)
class Aggregate:
    """One named SQL aggregate over a signal's daily rows."""

    name: str
    sql: str
    description: str
    """With a `{signal}` placeholder; read by people in reports."""
    absent: float
    """Value for a user without any event of the signal; NaN where none exists."""
    grows: bool = False
    """True when the value only grows with time, so that its distribution always drifts."""


def _count(days: int) -> Aggregate:
    return Aggregate(
        f"count_{days}d",
        f"SUM(CASE WHEN age < {days} THEN events ELSE 0 END)",
        f"{{signal}}: events in the last {days} days",
        0.0,
    )


def _value(days: int) -> Aggregate:
    return Aggregate(
        f"value_{days}d",
        f"SUM(CASE WHEN age < {days} THEN value ELSE 0 END)",
        f"{{signal}}: sum of values in the last {days} days",
        0.0,
    )


_RECENT = "SUM(CASE WHEN age < 28 THEN events ELSE 0 END)"
_BEFORE = "SUM(CASE WHEN age >= 28 AND age < 56 THEN events ELSE 0 END)"
_MEAN_GAP = f"(MAX(last_us) - MIN(first_us)) / {_DAY_US} / (SUM(events) - 1)"
_REPEATED = "SUM(events) > 1 AND MAX(last_us) > MIN(first_us)"
_SINCE_LAST = f"(MAX(cutoff_us) - MAX(last_us)) / {_DAY_US}"

COUNT_EVER = Aggregate("count_ever", "SUM(events)", "{signal}: events so far", 0.0, grows=True)
VALUE_EVER = Aggregate(
    "value_ever", "SUM(value)", "{signal}: sum of values so far", 0.0, grows=True
)
DAYS_SINCE_LAST = Aggregate(
    "days_since_last", _SINCE_LAST, "{signal}: days since the last one", nan
)
DAYS_SINCE_FIRST = Aggregate(
    "days_since_first",
    f"(MAX(cutoff_us) - MIN(first_us)) / {_DAY_US}",
    "{signal}: days since the first one",
    nan,
    grows=True,
)
TREND = Aggregate(
    "trend_28d",
    f"LN((1e0 + {_RECENT}) / (1e0 + {_BEFORE}))",
    "{signal}: log ratio of the last 28 days to the 28 days before",
    0.0,
)
ACTIVE_WEEKS = Aggregate(
    "active_weeks_112d",
    "BIT_COUNT(BIT_OR(CASE WHEN age < 112 THEN 1 << CAST(age // 7 AS INT) ELSE 0 END))",
    "{signal}: weeks with at least one, of the last 16",
    0.0,
)
MEAN_GAP = Aggregate(
    "mean_gap_days",
    f"CASE WHEN {_REPEATED} THEN {_MEAN_GAP} END",
    "{signal}: mean days between one and the next",
    nan,
)
OVERDUE = Aggregate(
    "overdue",
    f"CASE WHEN {_REPEATED} THEN {_SINCE_LAST} / ({_MEAN_GAP}) END",
    "{signal}: days since the last one over the mean gap",
    nan,
)
DAYS_EVER = Aggregate(
    "days_ever", "MAX(days_ever)", "{signal}: days with at least one so far", 0.0, grows=True
)
DISTINCT_ITEMS = Aggregate(
    "distinct_items_56d",
    "MAX(distinct_items)",
    "{signal}: different items in the last 56 days",
    0.0,
)

EVENT_AGGREGATES = (
    *(_count(days) for days in (7, 14, 28, 56, 112)),
    COUNT_EVER,
    *(_value(days) for days in (28, 112)),
    VALUE_EVER,
    DAYS_SINCE_LAST,
    DAYS_SINCE_FIRST,
    TREND,
    ACTIVE_WEEKS,
    MEAN_GAP,
    OVERDUE,
    DISTINCT_ITEMS,
)
PURCHASE_AGGREGATES = (*EVENT_AGGREGATES, DAYS_EVER)
BREAKDOWN_AGGREGATES = (
    *(_count(days) for days in (14, 28, 56, 112)),
    COUNT_EVER,
    *(_value(days) for days in (28, 112)),
    DAYS_SINCE_LAST,
    TREND,
    ACTIVE_WEEKS,
    MEAN_GAP,
    OVERDUE,
)
