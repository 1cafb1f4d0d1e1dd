"""Outcomes: what happened to whom within the horizon after a cutoff."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.objective import Target
from tidemill_features.sql import condition, field_of, quoted, reads_items


def label_users(
    con: duckdb.DuckDBPyConnection, target: Target, cutoff: datetime, users: Sequence[str]
) -> NDArray[np.bool_]:
    """Whether the target came true for each user in [cutoff, cutoff + target.within), shape [n].

    A label may use events that arrived late: it is the truth, not what was known. Of a user who
    has since become another, it is what the person did, under whatever id.
    """
    con.register("labelled", pa.table({"user_id": pa.array(list(users), pa.string())}))
    happened = con.execute(
        "WITH present AS (SELECT l.user_id AS asked, COALESCE(m.current_user_id, l.user_id) "
        "AS user_id FROM labelled AS l LEFT JOIN merged_users AS m USING (user_id)) "
        f"SELECT DISTINCT asked FROM {_target_events(target)} JOIN present USING (user_id) "
        "WHERE e.timestamp >= $start AND e.timestamp < $end",
        {"start": cutoff, "end": cutoff + target.within},
    ).fetchall()
    con.unregister("labelled")
    hits = {user for (user,) in happened}
    labels = np.fromiter((user in hits for user in users), dtype=np.bool_, count=len(users))
    return ~labels if target.absent else labels


def label_pairs(
    con: duckdb.DuckDBPyConnection,
    target: Target,
    users: Sequence[str],
    cutoffs: Sequence[int],
) -> NDArray[np.bool_]:
    """As `label_users`, for each user at a cutoff of their own, microseconds since 1970 UTC."""
    pairs = {
        "pair": pa.array(range(len(users)), pa.int64()),
        "user_id": pa.array(list(users), pa.string()),
        "cutoff_us": pa.array(list(cutoffs), pa.int64()),
    }
    con.register("labelled", pa.table(pairs))
    happened = con.execute(
        "WITH present AS (SELECT l.pair, l.cutoff_us, COALESCE(m.current_user_id, l.user_id) "
        "AS user_id FROM labelled AS l LEFT JOIN merged_users AS m USING (user_id)) "
        f"SELECT DISTINCT pair FROM {_target_events(target)} JOIN present USING (user_id) "
        "WHERE epoch_us(e.timestamp) >= cutoff_us AND epoch_us(e.timestamp) < cutoff_us + $within",
        {"within": target.within // timedelta(microseconds=1)},
    ).fetchall()
    con.unregister("labelled")
    labels = np.zeros(len(users), dtype=np.bool_)
    labels[[pair for (pair,) in happened]] = True
    return ~labels if target.absent else labels


def target_users_by_day(
    con: duckdb.DuckDBPyConnection, target: Target
) -> list[tuple[datetime, int]]:
    """Days (UTC) with target events, and the distinct users of each, oldest first."""
    return con.execute(
        "SELECT CAST(e.timestamp AS DATE) AS day, COUNT(DISTINCT e.user_id) "
        f"FROM {_target_events(target)} GROUP BY day ORDER BY day"
    ).fetchall()


def mean_target_value(con: duckdb.DuckDBPyConnection, target: Target) -> float | None:
    """Mean `value` of the target's events, None where they carry none."""
    found: float | None = con.execute(
        f"SELECT avg(e.value) FROM {_target_events(target)}"
    ).fetchall()[0][0]
    return found


def common_values(con: duckdb.DuckDBPyConnection, event: str | None, key: str) -> list[str]:
    """The most frequent values of a `where` key among the events of a name, at most five."""
    rows = con.execute(
        f"SELECT {field_of(key)} AS found FROM events AS e LEFT JOIN items AS i USING (item_id) "
        "WHERE ($event IS NULL OR e.name = $event) AND found IS NOT NULL "
        "GROUP BY found ORDER BY COUNT(*) DESC, found LIMIT 5",
        {"event": event},
    ).fetchall()
    return [value for (value,) in rows]


def _target_events(target: Target) -> str:
    """A relation `e` with the events that decide the target, of those who are behind them."""
    items = "LEFT JOIN items AS i USING (item_id) " if reads_items(target.where) else ""
    name = "TRUE" if target.event is None else f"e.name = {quoted(target.event)}"
    return (
        f"(SELECT e.user_id, e.timestamp, e.value FROM user_events AS e {items}"
        f"WHERE e.superseded_at IS NULL AND {name} AND {condition(target.where)}) AS e"
    )
