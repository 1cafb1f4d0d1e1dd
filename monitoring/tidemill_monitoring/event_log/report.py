"""Runs every check on an event log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tidemill_monitoring.event_log.arrivals import Arrivals, read_arrivals
from tidemill_monitoring.event_log.daily import read_ids, read_lags
from tidemill_monitoring.event_log.identity import judge_identity, read_devices, read_joins
from tidemill_monitoring.event_log.marked import judge_marked, read_marked
from tidemill_monitoring.event_log.names import judge_names
from tidemill_monitoring.event_log.properties import judge_properties, read_uses
from tidemill_monitoring.event_log.receipts import (
    judge_duplicates,
    judge_refused,
    read_receipts,
)
from tidemill_monitoring.event_log.sampling import take_sample
from tidemill_monitoring.event_log.sequences import judge_sequences
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.event_log.timing import judge_clocks, judge_lag, read_offsets
from tidemill_monitoring.event_log.volume_verdicts import (
    Volumes,
    judge_silence,
    judge_tracking,
    judge_volumes,
    measure_volumes,
)
from tidemill_monitoring.verdicts import Status, Verdict, worst

if TYPE_CHECKING:
    import duckdb

FORMAT = 1
"""Of the report's JSON."""


@dataclass(frozen=True)
class QualityReport:
    """All that was found, and what the page draws."""

    span: Span
    arrivals: Arrivals
    volumes: Volumes
    verdicts: tuple[Verdict, ...]
    """One per LogConcern, in their order."""

    @property
    def status(self) -> Status:
        return worst(self.verdicts)

    @property
    def urgent_first(self) -> list[Verdict]:
        order = (Status.ACT, Status.WATCH, Status.UNDECIDED, Status.OK)
        return sorted(self.verdicts, key=lambda verdict: order.index(verdict.status))

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "format": FORMAT,
            "status": self.status.value,
            "at": self.span.at.isoformat(),
            "judged_from": self.span.judged_from.isoformat(),
            "judged_until": self.span.end.isoformat(),
            "verdicts": [asdict(verdict) for verdict in self.verdicts],
        }


def examine(
    con: duckdb.DuckDBPyConnection,
    span: Span,
    received_until: datetime,
    users_per_device: int,
    log: Callable[[str], None],
) -> QualityReport:
    """Judge the log behind `con` (see EventLog.connect).

    `span` is in the time of events, `received_until` in that of the machine that wrote the log:
    a log of last year may have been imported today. `users_per_device` is the tracking plan's.
    """
    recent = span.recent
    log("counting events by name and day")
    arrivals = read_arrivals(con, span)
    volumes = measure_volumes(arrivals, span)
    log("reading properties and ids")
    take_sample(con, arrivals, recent)
    properties = judge_properties(read_uses(con, recent.days), recent)
    lags = read_lags(con, recent)
    receipts, refused = read_receipts(con, received_until, span.judged)
    offsets = read_offsets(con, received_until, span.judged)
    identity = judge_identity(
        read_ids(con, recent),
        read_joins(con, span),
        read_devices(con, recent, users_per_device),
        recent,
    )
    totals = _totals(arrivals, recent)
    verdicts = (
        judge_silence(_last_event(con, span), span) or judge_volumes(volumes, span),
        judge_tracking(volumes, span),
        judge_names(con, arrivals, span),
        properties,
        judge_refused(receipts, refused),
        judge_sequences(con, recent),
        judge_lag(lags, recent),
        judge_clocks(lags, offsets, recent),
        identity,
        judge_duplicates(receipts),
        judge_marked(read_marked(con, totals, recent), sum(now for now, _ in totals.values())),
    )
    return QualityReport(span, arrivals, volumes, verdicts)


def _last_event(con: duckdb.DuckDBPyConnection, span: Span) -> datetime | None:
    found: datetime | None = con.execute(
        "SELECT max(timestamp) FROM events WHERE timestamp < $end AND received_at < $at",
        {"end": span.end, "at": span.at},
    ).fetchall()[0][0]
    return found


def _totals(arrivals: Arrivals, span: Span) -> dict[str, tuple[float, float]]:
    """Events of each name: of the judged days, and of those before them."""
    counts = arrivals.counts[:, -span.days :]
    now, before = counts[:, span.history :].sum(axis=1), counts[:, : span.history].sum(axis=1)
    return {name: (now[row], before[row]) for row, name in enumerate(arrivals.names)}
