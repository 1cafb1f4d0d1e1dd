"""Two verdicts on time: how late events arrive, and whether clients' clocks are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.event_log.daily import QUANTILES, Lags
from tidemill_monitoring.event_log.span import Span
from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.verdicts import Status, Verdict, join_names

if TYPE_CHECKING:
    import duckdb

_ENOUGH_ROWS = 100
_NEWEST_DAYS = 3
_HOUR, _DAY = 3_600.0, 86_400.0
_SLOWER_WATCH, _SLOWER_ACT = 3.0, 10.0
_P95 = QUANTILES.index(0.95)
_AHEAD_WATCH = 0.01
_OFF_SECONDS = 300.0
_OFF_WATCH = 0.2
_OFFSETS = """
SELECT channel, count(*), median(clock_offset), count(*) FILTER (abs(clock_offset) > $off)
FROM receipts WHERE "at" >= $since AND "at" < $until AND clock_offset IS NOT NULL
GROUP BY channel ORDER BY channel
"""


def judge_lag(lags: Lags, span: Span) -> Verdict:
    """The newest days' 95th percentile of lag against that of the days before the judged ones."""
    days = np.flatnonzero(lags.rows >= _ENOUGH_ROWS)
    evidence = {
        "by_day": [
            [span.spell(day), int(lags.rows[day]), *lags.seconds[day].tolist()]
            for day in days.tolist()
        ],
        "quantiles": list(QUANTILES),
        "backfilled": int(lags.backfilled.sum()),
    }
    newest = days[days >= span.history][-_NEWEST_DAYS:]
    earlier = days[days < span.history]
    if not len(newest):
        sentence = "Events say nothing of their lag: they arrived at their own time, or none did."
        return Verdict(LogConcern.LAG, Status.UNDECIDED, sentence, evidence)
    now = float(np.median(lags.seconds[newest, _P95]))
    usual = float(np.median(lags.seconds[earlier, _P95])) if len(earlier) else None
    status = _lag_status(now, usual)
    sentence = f"95% of events arrive within {spell_seconds(now)}"
    sentence += "" if usual is None else f" ({spell_seconds(usual)} before)"
    sentence += "." if status is Status.OK else ": look at the senders' queues and the collector."
    return Verdict(LogConcern.LAG, status, sentence, evidence)


def _lag_status(now: float, usual: float | None) -> Status:
    if usual is None:
        return Status.WATCH if now > _DAY else Status.OK
    slower = now / max(usual, 1.0)
    if slower > _SLOWER_ACT and now > _DAY:
        return Status.ACT
    return Status.WATCH if slower > _SLOWER_WATCH and now > _HOUR else Status.OK


@dataclass(frozen=True)
class ClockOffset:
    """How far clients' clocks were off, before they were corrected."""

    channel: str
    receipts: int
    median: float
    """Seconds ahead of ours."""
    off: int
    """Receipts whose clocks were off by more than five minutes."""


def read_offsets(con: duckdb.DuckDBPyConnection, until: datetime, days: int) -> list[ClockOffset]:
    """Of the last `days` before `until`, by channel."""
    window = {"since": until - timedelta(days=days), "until": until, "off": _OFF_SECONDS}
    return [ClockOffset(*row) for row in con.execute(_OFFSETS, window).fetchall()]


def judge_clocks(lags: Lags, offsets: Sequence[ClockOffset], span: Span) -> Verdict:
    """Events after their own arrival, and clocks that had to be corrected."""
    ahead, rows = (float(each[span.history :].sum()) for each in (lags.ahead, lags.rows))
    evidence = {
        "ahead": int(ahead),
        "events": int(rows),
        "offsets": [asdict(offset) for offset in offsets],
    }
    surely = wilson_interval(int(ahead), int(rows))[0] if rows else 0.0
    off = [each for each in offsets if each.off > _OFF_WATCH * each.receipts and each.off >= 5]
    sentences = []
    if surely > _AHEAD_WATCH:
        sentences.append(
            f"{ahead / rows:.1%} of events happened after they arrived: their sender states no "
            "time of sending, so its clock cannot be corrected; add it."
        )
    if off:
        worst = max(off, key=lambda each: abs(each.median))
        sentences.append(
            f"Clocks of {join_names([each.channel for each in off])} are off by more than five "
            f"minutes in many requests (median {spell_seconds(abs(worst.median))} "
            f"{'ahead' if worst.median > 0 else 'behind'}); they were corrected."
        )
    if sentences:
        return Verdict(LogConcern.CLOCKS, Status.WATCH, " ".join(sentences), evidence)
    if not rows and not offsets:
        sentence = "Events do not say when they arrived, so clocks cannot be judged."
        return Verdict(LogConcern.CLOCKS, Status.UNDECIDED, sentence, evidence)
    return Verdict(LogConcern.CLOCKS, Status.OK, "No clock is far off.", evidence)


def spell_seconds(seconds: float) -> str:
    """`35 s`, `12 min`, `7 h`, `3.0 days`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.1f} days"
