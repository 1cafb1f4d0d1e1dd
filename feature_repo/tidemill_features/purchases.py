"""Outcomes of customers: on how many days of the horizon they bought, and for how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.objective import Target
from tidemill_features.sql import DAY_US, amount_of, condition, quoted, reads_items

_MOST_PROPERTIES = 50


@dataclass(frozen=True)
class Purchases:
    """Of each user after a cutoff of their own."""

    counts: NDArray[np.float64]
    """Days (24 hours each, from the cutoff on) with at least one."""
    values: NDArray[np.float64]
    """Sums; 0 where nothing was bought, or nothing carries a value."""


def count_purchases(
    con: duckdb.DuckDBPyConnection,
    target: Target,
    amount: str,
    users: Sequence[str],
    cutoffs: Sequence[int],
) -> Purchases:
    """Target events in [cutoff, cutoff + target.within) and their `amount`, `value` or
    `property.<name>`.

    Cutoffs are microseconds since 1970 UTC. As with labels, events that arrived late count, and so
    does what the person did under another id since.
    """
    pairs = {
        "pair": pa.array(range(len(users)), pa.int64()),
        "user_id": pa.array(list(users), pa.string()),
        "cutoff_us": pa.array(list(cutoffs), pa.int64()),
    }
    con.register("customers", pa.table(pairs))
    found = con.execute(
        "WITH present AS (SELECT c.pair, c.cutoff_us, COALESCE(m.current_user_id, c.user_id) "
        "AS user_id FROM customers AS c LEFT JOIN merged_users AS m USING (user_id)) "
        "SELECT pair, COUNT(DISTINCT (epoch_us(p.timestamp) - cutoff_us) // $day) AS bought, "
        "CAST(COALESCE(SUM(worth), 0) AS DOUBLE) AS worth "
        f"FROM {_purchases(target, amount)} JOIN present USING (user_id) "
        "WHERE epoch_us(p.timestamp) >= cutoff_us AND epoch_us(p.timestamp) < cutoff_us + $within "
        "GROUP BY pair",
        {"within": target.within // timedelta(microseconds=1), "day": DAY_US},
    ).fetchnumpy()
    con.unregister("customers")
    counts, values = np.zeros(len(users)), np.zeros(len(users))
    counts[found["pair"]], values[found["pair"]] = found["bought"], found["worth"]
    return Purchases(counts, values)


def carries_values(con: duckdb.DuckDBPyConnection, target: Target, amount: str) -> bool:
    """Whether any of the target's events is worth anything."""
    found = con.execute(f"SELECT BOOL_OR(worth <> 0) FROM {_purchases(target, amount)}").fetchone()
    return bool(found and found[0])


def fields_with_values(con: duckdb.DuckDBPyConnection, target: Target) -> list[str]:
    """What an `amount` could be: `value` and `property.<name>` of the target's events, if they hold
    a number other than 0; the one that does most often first."""
    events = _events(target)
    keys = con.execute(
        f"SELECT key FROM (SELECT unnest(json_keys(e.properties)) AS key FROM {events}) AS named "
        f"GROUP BY key ORDER BY COUNT(*) DESC, key LIMIT {_MOST_PROPERTIES}"
    ).fetchall()
    amounts = ["value", *(f"property.{key}" for (key,) in keys)]
    counts = ", ".join(f"COUNT(*) FILTER ({amount_of(amount)} <> 0)" for amount in amounts)
    (found,) = con.execute(f"SELECT {counts} FROM {events}").fetchall()
    held = dict(zip(amounts, found, strict=True))
    return sorted((amount for amount in amounts if held[amount]), key=lambda each: -held[each])


def _purchases(target: Target, amount: str) -> str:
    """A relation `p` with what each of the target's events is worth."""
    worth = f"{amount_of(amount)} AS worth"
    return f"(SELECT e.user_id, e.timestamp, {worth} FROM {_events(target)}) AS p"


def _events(target: Target) -> str:
    """What comes behind FROM: the target's events `e`, of those who are behind them."""
    items = " LEFT JOIN items AS i USING (item_id)" if reads_items(target.where) else ""
    return (
        f"user_events AS e{items} WHERE e.superseded_at IS NULL "
        f"AND e.name = {quoted(target.event or '')} AND {condition(target.where)}"
    )
