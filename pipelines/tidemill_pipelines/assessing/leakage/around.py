"""What the event log holds of each row's user, before the cutoff and after it.

*Past* is what was known at the cutoff. *Hindsight* is what happened before the cutoff as it is
known by now, with late arrivals and later merges of ids. *Future* is what happened from then on.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np
from numpy.typing import NDArray

from tidemill.objective import Target
from tidemill_features.instants import in_microseconds
from tidemill_pipelines.assessing.leakage import around_sql as sql
from tidemill_pipelines.assessing.leakage.table import TrainingTable

Values = NDArray[np.float64]
Columns = dict[str, Values]
"""By what is counted, [n, signals]."""
ANY = "any event"


@dataclass(frozen=True)
class Block:
    """Columns of the log beside the rows of a table."""

    names: tuple[str, ...]
    """`<event>, <what>`"""
    values: Values
    """[n, names], NaN where there is no event to measure."""

    def where(self, rows: NDArray[np.bool_]) -> Block:
        """Some of the rows."""
        return Block(self.names, self.values[rows])


@dataclass(frozen=True)
class Around:
    """The log around each row."""

    past: Block
    late: Block
    """By how much hindsight exceeds the past."""
    spans: dict[str, Block]
    """Events in each span after the cutoff, see `around_sql.spans`."""
    worth: dict[str, Block]
    """The sum of their values."""
    state: Block
    """At the end of the log: ever, lately, and how long not."""
    known: NDArray[np.bool_]
    """Whether anything of the row's user was known at its cutoff, shape [n]."""
    seen: NDArray[np.bool_]
    """Whether the log knows the row's user at all, shape [n]."""

    def where(self, rows: NDArray[np.bool_]) -> Around:
        """Some of the rows."""
        return Around(
            past=self.past.where(rows),
            late=self.late.where(rows),
            spans={name: block.where(rows) for name, block in self.spans.items()},
            worth={name: block.where(rows) for name, block in self.worth.items()},
            state=self.state.where(rows),
            known=self.known[rows],
            seen=self.seen[rows],
        )


def look_around(
    con: duckdb.DuckDBPyConnection, target: Target, at: datetime, table: TrainingTable
) -> Around:
    """Count for each row of `table`; `con` has `user_events`, `merged_users` and `items`."""
    end = in_microseconds(at)
    spans = sql.spans(int(target.within.total_seconds() * 1_000_000))
    asked = sql.ask(con, target, table)
    past = _columns(con, asked, sql.past(), sql.PAST)
    hindsight = _columns(con, asked, sql.hindsight(), sql.HINDSIGHT)
    future = _columns(
        con, asked, sql.future(spans, end), {**sql.future_columns(spans), **sql.STATE}
    )
    sql.forget(con)
    return Around(
        past=_block(asked.signals, past),
        late=_block(asked.signals, {name: hindsight[name] - past[name] for name in hindsight}),
        spans={s: _block(asked.signals, {s: future[f"events {s}"]}) for s in spans},
        worth={s: _block(asked.signals, {s: future[f"value {s}"]}) for s in spans},
        state=_block(asked.signals, {name: future[name] for name in sql.STATE}),
        known=past["ever"][:, -1] > 0,
        seen=hindsight["ever"][:, -1] + future["events to the end"][:, -1] > 0,
    )


def _columns(
    con: duckdb.DuckDBPyConnection, asked: sql.Asked, query: str, kinds: Mapping[str, sql.Kind]
) -> Columns:
    """The result of a query by row and signal as arrays; the last signal is that of any event."""
    found = con.execute(query).to_arrow_table()
    row, signal = (found.column(name).to_numpy() for name in ("row", "signal"))
    columns: Columns = {}
    for index, (name, kind) in enumerate(kinds.items()):
        column = np.full((asked.rows, asked.width), np.nan if kind.is_age else 0.0)
        column[row, signal] = found.column(2 + index).to_numpy()
        columns[name] = np.column_stack([column[:, asked.shown], _over_names(column, asked, kind)])
    return columns


def _over_names(column: Values, asked: sql.Asked, kind: sql.Kind) -> Values:
    """Of any event: from those of all names, each of which has events of its own."""
    named = column[:, : asked.names]
    if not kind.is_age:
        return np.asarray(named.sum(axis=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without an event stay NaN
        return np.asarray((np.nanmax if kind.is_oldest else np.nanmin)(named, axis=1))


def _block(signals: Sequence[str], columns: Columns) -> Block:
    names = tuple(f"{signal}, {what}" for what in columns for signal in (*signals, ANY))
    return Block(names, np.column_stack(list(columns.values())))
