"""The queries behind `around`: events of the asked users, counted by row and signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemill.objective import Target
from tidemill_features.sql import condition, quoted, reads_items
from tidemill_pipelines.assessing.leakage.table import DAY_US, TrainingTable

_MOST_EVENTS = 12
"""Event names, by users reached; all others are one signal."""
_DAYS = 8
"""Single days after the cutoff; the eighth is the first one's weekday again."""
_PAST_DAYS = (7, 14, 28, 56, 112)
_STATE_DAYS = (28, 112)
_NEVER = 2**62

Span = tuple[int, int | None]
"""First and last microsecond after the cutoff; None is the end of the log."""


@dataclass(frozen=True)
class Kind:
    """How a column is filled and joined over event names."""

    sql: str
    is_age: bool = False
    is_oldest: bool = False


@dataclass(frozen=True)
class Asked:
    """What was asked for, and how signals are numbered."""

    rows: int
    names: int
    """Signals 0 to here are event names, the last of them all other names."""
    width: int
    signals: tuple[str, ...]
    shown: NDArray[np.intp]
    """Their numbers."""


def _days(days: int, end: str) -> str:
    return f"at_us >= {end} - {days * DAY_US}"


def _counted(condition: str) -> Kind:
    return Kind(f"COUNT(*) FILTER (WHERE {condition})")


def _valued(condition: str) -> Kind:
    return Kind(f"COALESCE(SUM(value) FILTER (WHERE {condition}), 0)")


def _age(end: str) -> Kind:
    return Kind(f"MIN({end} - at_us) / {DAY_US}.0", is_age=True)


PAST: dict[str, Kind] = {
    "ever": _counted("TRUE"),
    **{f"in {days} days": _counted(_days(days, "cutoff_us")) for days in _PAST_DAYS},
    "value ever": _valued("TRUE"),
    **{f"value in {days} days": _valued(_days(days, "cutoff_us")) for days in (28, 112)},
    "days since the last": _age("cutoff_us"),
    "days since the first": Kind(f"MAX(cutoff_us - at_us) / {DAY_US}.0", True, True),
}
HINDSIGHT: dict[str, Kind] = {name: PAST[name] for name in ("ever", "in 28 days", "value ever")}
STATE: dict[str, Kind] = {
    "ever": _counted("TRUE"),
    **{f"in the last {days} days": _counted(_days(days, "end_us")) for days in _STATE_DAYS},
    "value ever": _valued("TRUE"),
    **{f"value in the last {days} days": _valued(_days(days, "end_us")) for days in _STATE_DAYS},
    "days since the last": _age("end_us"),
}


def spans(horizon: int) -> dict[str, Span]:
    """Spans after the cutoff by name; `horizon` in microseconds."""
    days = {f"day {n + 1}": (n * DAY_US, (n + 1) * DAY_US) for n in range(_DAYS)}
    weeks = {"week 1": (0, 7 * DAY_US), "week 2": (7 * DAY_US, 14 * DAY_US)}
    later = {"the horizon": (0, horizon), "the next horizon": (horizon, 2 * horizon)}
    return {**days, **weeks, **later, "to the end": (0, None)}


def future_columns(every: Mapping[str, Span]) -> dict[str, Kind]:
    """`events <span>` and `value <span>` of each."""
    tests = {name: _within(span) for name, span in every.items()}
    return {
        **{f"events {name}": _counted(test) for name, test in tests.items()},
        **{f"value {name}": _valued(test) for name, test in tests.items()},
    }


def ask(con: duckdb.DuckDBPyConnection, target: Target, table: TrainingTable) -> Asked:
    """Keep the rows and their users' events in the connection until `forget`."""
    asked = {
        "row": pa.array(range(len(table.users)), pa.int64()),
        "user_id": pa.array(table.users.tolist(), pa.string()),
        "cutoff_us": pa.array(table.cutoffs, pa.int64()),
    }
    con.register("asked_given", pa.table(asked))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE asked_rows AS SELECT a.*, "
        "COALESCE(m.current_user_id, a.user_id) AS person "
        "FROM asked_given AS a LEFT JOIN merged_users AS m USING (user_id)"
    )
    con.unregister("asked_given")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE asked_users AS "
        "SELECT user_id FROM asked_rows UNION SELECT person FROM asked_rows"
    )
    names = _names(con)
    narrowed = bool(target.where)
    con.execute(f"CREATE OR REPLACE TEMP TABLE asked_events AS {_events(names, target)}")
    shown = [*range(len(names)), *([len(names) + 1] if narrowed else [])]
    signals = (*names, *(["the target"] if narrowed else []))
    return Asked(
        rows=len(table.users),
        names=len(names) + 1,
        width=len(names) + 2,
        signals=signals,
        shown=np.asarray(shown, dtype=np.intp),
    )


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what `ask` has kept."""
    for name in ("asked_rows", "asked_users", "asked_events"):
        con.execute(f"DROP TABLE IF EXISTS {name}")


def past() -> str:
    """Per row and signal, what was known at the cutoff: PAST."""
    known = "at_us < cutoff_us AND received_us < cutoff_us AND superseded_us >= cutoff_us"
    return _counts(PAST, f"e.user_id = a.user_id AND {known}")


def hindsight() -> str:
    """Per row and signal, what happened before the cutoff as known by now: HINDSIGHT."""
    return _counts(HINDSIGHT, f"{_PRESENT} AND at_us < cutoff_us")


def future(every: Mapping[str, Span], end: int) -> str:
    """Per row and signal, what happened after the cutoff, and the state at `end`."""
    kinds = {**future_columns(every), **STATE}
    return _counts(kinds, f"{_PRESENT} AND at_us < {end}").replace("end_us", str(end))


_PRESENT = f"e.user_id = a.person AND superseded_us = {_NEVER}"


def _counts(kinds: Mapping[str, Kind], on: str) -> str:
    columns = ", ".join(kind.sql for kind in kinds.values())
    return (
        f"SELECT a.row, e.signal, {columns} FROM asked_rows AS a JOIN asked_events AS e ON {on} "
        "GROUP BY a.row, e.signal"
    )


def _within(span: Span) -> str:
    first, last = span
    after = f"at_us >= cutoff_us + {first}"
    return after if last is None else f"{after} AND at_us < cutoff_us + {last}"


def _names(con: duckdb.DuckDBPyConnection) -> list[str]:
    found = con.execute(
        "SELECT name FROM user_events SEMI JOIN asked_users USING (user_id) GROUP BY name "
        "ORDER BY COUNT(DISTINCT user_id) DESC, name LIMIT ?",
        [_MOST_EVENTS],
    ).fetchall()
    return [name for (name,) in found]


def _events(names: list[str], target: Target) -> str:
    """`user_id, signal, at_us, received_us, superseded_us, value` of the asked users."""
    columns = (
        "epoch_us(e.timestamp) AS at_us, epoch_us(e.received_at) AS received_us, "
        f"COALESCE(epoch_us(e.superseded_at), {_NEVER}) AS superseded_us, e.value"
    )
    cases = " ".join(f"WHEN {quoted(name)} THEN {at}" for at, name in enumerate(names))
    signal = f"CASE e.name {cases} ELSE {len(names)} END" if names else "0"
    users = "FROM user_events AS e SEMI JOIN asked_users AS u ON u.user_id = e.user_id"
    every = f"SELECT e.user_id, {signal} AS signal, {columns} {users}"
    if not target.where:
        return every
    items = "LEFT JOIN items AS i ON i.item_id = e.item_id" if reads_items(target.where) else ""
    name = "TRUE" if target.event is None else f"e.name = {quoted(target.event)}"
    return (
        f"{every} UNION ALL SELECT e.user_id, {len(names) + 1}, {columns} {users} {items} "
        f"WHERE {name} AND {condition(target.where)}"
    )
