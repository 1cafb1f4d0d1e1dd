"""Events that are kept but not counted: repeated clicks and rates that no person reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.span import IN_SPAN, Span
from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.verdicts import Status, Verdict

if TYPE_CHECKING:
    import duckdb

_WATCH = {"repeat": 0.1, "bot": 0.05}
_JUMP = 2.0
"""A share that was as high before is how this event is; twice as much is news."""
_ADVICE = {
    "repeat": "is a button sent twice, or an SDK installed twice?",
    "bot": "block the crawler, or filter it in the SDK.",
}
_MARKED = f"""
SELECT name, reason, count(*) FILTER (timestamp >= $judged_from) AS now,
    count(*) FILTER (timestamp < $judged_from) AS before
FROM events JOIN (SELECT DISTINCT event_id, reason FROM marks) USING (event_id)
WHERE {IN_SPAN} GROUP BY ALL ORDER BY now DESC, name, reason
"""


@dataclass(frozen=True)
class MarkedName:
    """Marked events of one name and reason; shares of all events of the name."""

    name: str
    reason: str
    events: int
    rows: int
    before: float

    @property
    def is_news(self) -> bool:
        surely, _ = wilson_interval(self.events, max(self.rows, 1))
        return surely > max(_WATCH.get(self.reason, 1.0), _JUMP * self.before)


def read_marked(
    con: duckdb.DuckDBPyConnection, totals: dict[str, tuple[float, float]], span: Span
) -> list[MarkedName]:
    """`totals`: events of each name, judged and before."""
    if not con.execute("SELECT EXISTS (SELECT 1 FROM marks)").fetchall()[0][0]:
        return []
    parameters = {key: span.parameters[key] for key in ("start", "end", "at")}
    rows = con.execute(_MARKED, {**parameters, "judged_from": span.judged_from}).fetchall()
    return [
        MarkedName(name, reason, now, int(totals[name][0]), before / max(totals[name][1], 1))
        for name, reason, now, before in rows
    ]


def judge_marked(marked: Sequence[MarkedName], events: float) -> Verdict:
    """Whether much more is marked than before; `events` is how many the judged days hold."""
    evidence = {"names": [asdict(each) for each in marked]}
    if not events:
        return Verdict(LogConcern.MARKS, Status.UNDECIDED, "No events in these days.", evidence)
    news = [each for each in marked if each.is_news]
    if news:
        worst = max(news, key=lambda each: each.events / max(each.rows, 1))
        kind = "repeats" if worst.reason == "repeat" else "bot-like"
        sentence = (
            f"{worst.events / worst.rows:.0%} of `{worst.name}` are {kind} "
            f"({worst.before:.0%} before) and not counted: {_ADVICE[worst.reason]}"
        )
        if len(news) > 1:
            sentence += f" {len(news) - 1} more event names have many."
        return Verdict(LogConcern.MARKS, Status.WATCH, sentence, evidence)
    total = sum(each.events for each in marked)
    sentence = f"{total:,} events are marked and not counted, as usual."
    return Verdict(
        LogConcern.MARKS, Status.OK, sentence if total else "No event is marked.", evidence
    )
