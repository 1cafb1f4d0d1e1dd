"""Event names that stopped, appeared, or were renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill_monitoring.event_log.arrivals import Arrivals
from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.span import DAY, Span
from tidemill_monitoring.verdicts import Status, Verdict, join_names
from tidemill_monitoring.volumes import (
    EARLIER_WINDOWS,
    MINIMUM_WINDOWS,
    DailyCounts,
    VolumeChange,
    find_changes,
)

if TYPE_CHECKING:
    import duckdb

_WINDOW = 7
_SEEN = """
SELECT name, min(timestamp), max(timestamp) FROM events
WHERE timestamp < $end AND received_at < $at GROUP BY name
"""


def judge_names(con: duckdb.DuckDBPyConnection, arrivals: Arrivals, span: Span) -> Verdict:
    """Names of the last week against the two months before."""
    daily = _daily_counts(con, arrivals, span)
    changes = [
        change
        for change in find_changes(daily, _WINDOW, span.end - _WINDOW * DAY)
        if change.kind in ("stopped", "appeared")
    ]
    # What stopped longer ago than the judged days is not news.
    changes = [change for change in changes if change.since >= span.judged_from]
    evidence = {
        "names": len(arrivals.names),
        "changes": [_spell(change) for change in changes],
    }
    if not changes and daily.days_known < (MINIMUM_WINDOWS + 1) * _WINDOW:
        sentence = "The log is too short to tell new names from old ones; wait for four weeks."
        return Verdict(LogConcern.NAMES, Status.UNDECIDED, sentence, evidence)
    if not changes:
        sentence = "No event name is missing and none is new."
        return Verdict(LogConcern.NAMES, Status.OK, sentence, evidence)
    stopped = [change for change in changes if change.kind == "stopped"]
    status = Status.ACT if stopped else Status.WATCH
    return Verdict(LogConcern.NAMES, status, _sentence(changes, stopped), evidence)


def _daily_counts(con: duckdb.DuckDBPyConnection, arrivals: Arrivals, span: Span) -> DailyCounts:
    """The newest days first, as the comparison of windows wants them."""
    seen = {
        name: (first, last)
        for name, first, last in con.execute(_SEEN, {"end": span.end, "at": span.at}).fetchall()
    }
    names = arrivals.names
    newest_first = arrivals.counts[:, ::-1][:, : _WINDOW * (EARLIER_WINDOWS + 1)]
    oldest = min((first for first, _ in seen.values()), default=span.end)
    return DailyCounts(
        names,
        newest_first.astype("int64"),
        tuple(seen[name][0] for name in names),
        tuple(seen[name][1] for name in names),
        (span.end - oldest) // DAY,
    )


def _sentence(changes: list[VolumeChange], stopped: list[VolumeChange]) -> str:
    sentences = [_describe(change) for change in stopped[:3]]
    if len(stopped) > 3:
        sentences.append(f"{len(stopped) - 3} more names stopped.")
    new = [change.name for change in changes if change.kind == "appeared"]
    if new:
        sentences.append(f"New: {join_names(new)}; add to the tracking plan, or stop sending.")
    return " ".join(sentences)


def _describe(change: VolumeChange) -> str:
    text = f"`{change.name}` stopped on {change.since:%Y-%m-%d}; restore its tracking."
    if change.renamed_to is None:
        return text
    return (
        f"`{change.name}` stopped on {change.since:%Y-%m-%d} and `{change.renamed_to.name}` began "
        "at a similar volume: if it was renamed, undo that or change objectives and the plan."
    )


def _spell(change: VolumeChange) -> dict[str, object]:
    renamed = change.renamed_to
    return {
        "name": change.name,
        "kind": change.kind,
        "since": change.since.isoformat(),
        "observed": change.observed,
        "expected": change.expected,
        "renamed_to": None if renamed is None else renamed.name,
    }
