"""The feature query: plain SQL over `user_events`, `items` and `cutoffs`, for DuckDB or Spark.

Events are first folded into days that end at the cutoff's time of day. A day is kept apart by when
it became *known*, so a late event counts from the cutoff after its arrival and never before; and
by when it was *superseded*, so what turned out to be another's counts up to that cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill_features.aggregates import DAYS_EVER, DISTINCT_ITEMS, EVENT_AGGREGATES
from tidemill_features.catalog import Catalog, Signal

DAY_US = 86_400_000_000
_ITEM_WINDOW = 56
_NEVER = 2**62
"""Microseconds; later than any cutoff."""


def feature_query(catalog: Catalog, day_starts_at_us: int, only_users: bool = False) -> str:
    """SQL giving one row per user, signal and cutoff: `user_id, cutoff_us, signal, <aggregates>`.

    `signal` is the position in the catalog. Relations read: `user_events`, `items` and
    `cutoffs(cutoff_us)`, all of whose cutoffs lie at `day_starts_at_us` after midnight UTC;
    with `only_users` also `wanted_users(user_id)`.
    """
    aggregates = ",\n    ".join(
        f"CAST({aggregate.sql} AS FLOAT) AS {aggregate.name}"
        for aggregate in EVENT_AGGREGATES
        if aggregate is not DISTINCT_ITEMS
    )
    return f"""
WITH signal_events AS (
{_signal_events(catalog.signals, only_users)}
),
daily AS (
  SELECT user_id, signal, day, GREATEST(day, known_day) AS known_day, superseded_day,
    COUNT(*) AS events, COALESCE(SUM(value), 0) AS value,
    MIN(timestamp_us) AS first_us, MAX(timestamp_us) AS last_us
  FROM ({_days("signal_events", day_starts_at_us)}) AS dated
  GROUP BY user_id, signal, day, GREATEST(day, known_day), superseded_day
),
item_days AS (
  SELECT DISTINCT user_id, signal, item_id, day, GREATEST(day, known_day) AS known_day,
    superseded_day
  FROM ({_days("signal_events", day_starts_at_us)}) AS dated
  WHERE item_id IS NOT NULL AND signal IN ({_unnarrowed(catalog.signals)})
),
cutoff_days AS (
  SELECT cutoff_us, (cutoff_us - {day_starts_at_us}) // {DAY_US} AS cutoff_day FROM cutoffs
),
aggregated AS (
  SELECT user_id, cutoff_us, signal,
    {aggregates}
  FROM (
    SELECT daily.*, cutoff_us, cutoff_day - 1 - day AS age
    FROM daily JOIN cutoff_days ON known_day < cutoff_day AND superseded_day >= cutoff_day
  ) AS known
  GROUP BY user_id, cutoff_us, signal
),
items_seen AS (
  SELECT user_id, cutoff_us, signal, COUNT(DISTINCT item_id) AS distinct_items
  FROM item_days JOIN cutoff_days
    ON known_day < cutoff_day AND superseded_day >= cutoff_day
    AND cutoff_day - 1 - day < {_ITEM_WINDOW}
  GROUP BY user_id, cutoff_us, signal
),
days_bought AS (
  SELECT user_id, cutoff_us, signal, COUNT(DISTINCT day) AS days_ever
  FROM daily JOIN cutoff_days ON known_day < cutoff_day AND superseded_day >= cutoff_day
  WHERE {_is_purchase(catalog.signals)}
  GROUP BY user_id, cutoff_us, signal
)
SELECT aggregated.*,
  CAST(COALESCE(distinct_items, 0) AS FLOAT) AS {DISTINCT_ITEMS.name},
  CAST(COALESCE(days_ever, 0) AS FLOAT) AS {DAYS_EVER.name}
FROM aggregated
LEFT JOIN items_seen USING (user_id, cutoff_us, signal)
LEFT JOIN days_bought USING (user_id, cutoff_us, signal)
""".strip()


def condition(where: Mapping[str, str], events: str = "e", items: str = "i") -> str:
    """SQL that is true for events matching every `property.<name>` / `item.<name>` in `where`."""
    tests = [f"{field_of(key, events, items)} = {quoted(value)}" for key, value in where.items()]
    return " AND ".join(tests) or "TRUE"


def known_at(cutoff: str, events: str = "user_events") -> str:
    """SQL that is true for rows of `user_events` that count at `cutoff`, a parameter's name."""
    return (
        f"{events}.timestamp < {cutoff} AND {events}.received_at < {cutoff} "
        f"AND COALESCE({events}.superseded_at >= {cutoff}, TRUE)"
    )


def reads_items(where: Mapping[str, str]) -> bool:
    return any(key.startswith("item.") for key in where)


def _signal_events(signals: Sequence[Signal], only_users: bool) -> str:
    """One SELECT per set of narrowing keys, so that the log is read a handful of times."""
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[int, Signal]]] = {}
    for position, signal in enumerate(signals):
        name = () if signal.event is None else ("",)
        keys = (*name, *sorted(signal.where))
        groups.setdefault((signal.value or "value", keys), []).append((position, signal))
    selects = [
        _signal_group(amount, keys, members, only_users)
        for (amount, keys), members in groups.items()
    ]
    return "\n  UNION ALL\n".join(selects)


def _signal_group(
    amount: str, keys: tuple[str, ...], members: Sequence[tuple[int, Signal]], only_users: bool
) -> str:
    columns = [f"k{index}" for index in range(len(keys))]
    fields = [field_of(key, "e", "i") if key else "e.name" for key in keys]
    rows = ", ".join(
        f"({', '.join([str(position), *(quoted(_value(s, key)) for key in keys)])})"
        for position, s in members
    )
    join_items = "LEFT JOIN items AS i ON i.item_id = e.item_id " if _any_item(keys) else ""
    join_users = "SEMI JOIN wanted_users AS w ON w.user_id = e.user_id " if only_users else ""
    on = " AND ".join(f"{f} = s.{c}" for f, c in zip(fields, columns, strict=True)) or "TRUE"
    return (
        f"  SELECT e.user_id, s.signal, e.item_id, {amount_of(amount)} AS value,\n"
        "    UNIX_MICROS(e.timestamp) AS timestamp_us, UNIX_MICROS(e.received_at) AS received_us,\n"
        f"    COALESCE(UNIX_MICROS(e.superseded_at), {_NEVER}) AS superseded_us\n"
        f"  FROM user_events AS e {join_users}{join_items}"
        f"JOIN (VALUES {rows}) AS s(signal{''.join(f', {c}' for c in columns)}) ON {on}"
    )


def _days(relation: str, day_starts_at_us: int) -> str:
    return (
        f"SELECT *, (timestamp_us - {day_starts_at_us}) // {DAY_US} AS day, "
        f"(received_us - {day_starts_at_us}) // {DAY_US} AS known_day, "
        f"(superseded_us - {day_starts_at_us}) // {DAY_US} AS superseded_day FROM {relation}"
    )


def _unnarrowed(signals: Sequence[Signal]) -> str:
    return ", ".join(str(index) for index, signal in enumerate(signals) if not signal.where)


def _is_purchase(signals: Sequence[Signal]) -> str:
    positions = [str(index) for index, signal in enumerate(signals) if signal.value is not None]
    return f"signal IN ({', '.join(positions)})" if positions else "FALSE"


def _any_item(keys: Sequence[str]) -> bool:
    return any(key.startswith("item.") for key in keys)


def _value(signal: Signal, key: str) -> str:
    return signal.where[key] if key else str(signal.event)


def field_of(key: str, events: str = "e", items: str = "i") -> str:
    """`property.kind` reads the event's JSON, `item.brand` the item's."""
    source, _, name = key.partition(".")
    column = f"{events}.properties" if source == "property" else f"{items}.attributes"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    path = f'$."{escaped}"'
    return f"json_extract_string({column}, {quoted(path)})"


def amount_of(value: str, events: str = "e") -> str:
    """What an event is worth, exactly: `value` is its own, `property.<name>` a number there."""
    field = f"{events}.value" if value == "value" else field_of(value, events)
    return f"TRY_CAST({field} AS DECIMAL(18, 4))"


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
