"""Links that people took back: a small Delta table of what was decided, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa

from tidemill.errors import EventLogError
from tidemill.events.clock import log_end
from tidemill.events.delta import Table, explained
from tidemill.events.identity.owners import ACTIVE
from tidemill.events.schema import TIMESTAMP
from tidemill.events.staging import exclusive

Action = Literal["forget", "restore"]
DECISIONS = pa.schema(
    [
        pa.field("decided_at", TIMESTAMP),
        pa.field("action", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("made_at", TIMESTAMP),
    ]
)
"""`forget`: the id joins nobody from `decided_at` on; `restore` takes that back from then on.
`made_at` is when somebody said so."""


@dataclass(frozen=True)
class Decision:
    """One row of DECISIONS."""

    decided_at: datetime
    action: Action
    id: str
    reason: str | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))


def decisions_table(log_root: Path) -> Table:
    return Table(log_root / "identity_decisions", DECISIONS)


def read_decisions(log_root: Path) -> list[Decision]:
    """All decisions, in the order of when they count from."""
    table = decisions_table(log_root)
    if table.version() < 0:
        return []
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        table.create_view(con, "decisions")
        rows = con.execute(
            "SELECT decided_at, action, id, reason, made_at FROM decisions "
            "ORDER BY decided_at, made_at"
        ).fetchall()
    return [Decision(*row) for row in rows]


def decide(log_root: Path, decision: Decision) -> None:
    """Keep a decision. Raises EventLogError when it changes nothing or is before another one."""
    with explained(log_root), exclusive(log_root / ".lock"):
        earlier = [known for known in read_decisions(log_root) if known.id == decision.id]
        _require_change(earlier, decision)
        row = pa.Table.from_pylist([vars(decision)], schema=DECISIONS)
        decisions_table(log_root).write(row.to_batches(), "append")


def decision_time(con: duckdb.DuckDBPyConnection) -> datetime:
    """Now; of a log that ended in the past, the last instant before its end.

    `con` has the view `events`.
    """
    now = datetime.now(UTC)
    (newest,) = con.execute("SELECT max(received_at) FROM events").fetchall()[0]
    if newest is None or now - newest < timedelta(days=2):
        return now
    return log_end(con) - timedelta(microseconds=1)


def active_times(decisions: Iterable[Decision]) -> pa.Table:
    """When the link of each forgotten id counts, ACTIVE schema; `decisions` are in order."""
    rows: dict[str, list[dict[str, object]]] = {}
    for decision in decisions:
        spans = rows.setdefault(decision.id, [_span(decision.id, None)])
        if decision.action == "forget":
            spans[-1]["active_until"] = decision.decided_at
        else:
            spans.append(_span(decision.id, decision.decided_at))
    return pa.Table.from_pylist([span for spans in rows.values() for span in spans], schema=ACTIVE)


def _span(forgotten: str, since: datetime | None) -> dict[str, object]:
    return {"id": forgotten, "active_from": since, "active_until": None}


def _require_change(earlier: list[Decision], decision: Decision) -> None:
    is_forgotten = bool(earlier) and earlier[-1].action == "forget"
    if is_forgotten == (decision.action == "forget"):
        state = "forgotten already" if is_forgotten else "not forgotten"
        raise EventLogError(f"the id '{decision.id}' is {state}, so nothing was changed")
    if earlier and decision.decided_at < earlier[-1].decided_at:
        raise EventLogError(
            f"the last decision on '{decision.id}' counts from {earlier[-1].decided_at}, "
            f"and this one would count from {decision.decided_at}",
            hint="decide for a later instant: --at",
        )
