"""What became of everything that came in: refused, duplicate or marked, by channel and day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidemill_monitoring.event_log.concerns import LogConcern
from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.verdicts import Status, Verdict, join_names

if TYPE_CHECKING:
    import duckdb

_REFUSED_WATCH, _REFUSED_ACT = 0.005, 0.05
_DUPLICATES_WATCH = 0.05
_MARKED_WATCH = 0.1
_IMPORT = "import"
"""The channel of files, which may be imported as often as one likes."""
_NOTHING = "Nothing came in during these days."
_COLUMNS = "sum(accepted)::BIGINT, sum(duplicates)::BIGINT, sum(rejected)::BIGINT"
_RECEIPTS = f"""
SELECT strftime("at", '%Y-%m-%d') AS day, channel, {_COLUMNS},
    sum(repeats)::BIGINT, sum(bots)::BIGINT
FROM receipts WHERE "at" >= $since AND "at" < $until GROUP BY ALL ORDER BY ALL
"""
_DEAD = """
SELECT strftime(received_at, '%Y-%m-%d') AS day, reason, count(*)
FROM dead_letters WHERE received_at >= $since AND received_at < $until
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True)
class ReceiptDay:
    """One channel on one UTC day."""

    day: str
    channel: str
    accepted: int
    duplicates: int
    rejected: int
    repeats: int
    bots: int


@dataclass(frozen=True)
class RefusedDay:
    """Dead letters of one reason on one UTC day."""

    day: str
    reason: str
    events: int


def read_receipts(
    con: duckdb.DuckDBPyConnection, until: datetime, days: int
) -> tuple[list[ReceiptDay], list[RefusedDay]]:
    """Of the last `days` before `until`, in the time of the machine that received them."""
    window = {"since": until - timedelta(days=days), "until": until}
    receipts = [ReceiptDay(*row) for row in con.execute(_RECEIPTS, window).fetchall()]
    refused = [RefusedDay(*row) for row in con.execute(_DEAD, window).fetchall()]
    return receipts, refused


def judge_refused(receipts: Sequence[ReceiptDay], refused: Sequence[RefusedDay]) -> Verdict:
    """The share of events that could not be taken, and why."""
    came = sum(day.accepted + day.duplicates for day in receipts)
    dead = sum(day.events for day in refused)
    by_reason: dict[str, int] = {}
    for day in refused:
        by_reason[day.reason] = by_reason.get(day.reason, 0) + day.events
    reasons = dict(sorted(by_reason.items(), key=lambda item: -item[1]))
    evidence = {
        "received": came + dead,
        "refused": dead,
        "by_reason": reasons,
        "by_day": [[day.day, day.reason, day.events] for day in refused],
    }
    if not came + dead:
        return Verdict(LogConcern.REFUSED, Status.UNDECIDED, _NOTHING, evidence)
    if not dead:
        return Verdict(LogConcern.REFUSED, Status.OK, "No event was refused.", evidence)
    share = dead / (came + dead)
    surely, _ = wilson_interval(dead, came + dead)
    status = _grade(surely, _REFUSED_WATCH, _REFUSED_ACT)
    sentence = (
        f"{share:.2%} of the events received were refused, most of them for "
        f"{join_names(list(reasons), 2)}; `tidemill events rejected` shows them."
    )
    if status is not Status.OK:
        sentence += " Mend the sender or the tracking plan."
    return Verdict(LogConcern.REFUSED, status, sentence, evidence)


def judge_duplicates(receipts: Sequence[ReceiptDay]) -> Verdict:
    """Events that came again; they are left out, so they cost a look and no more."""
    shares = {}
    surely = {}
    for channel in sorted({day.channel for day in receipts}):
        days = [day for day in receipts if day.channel == channel]
        again = sum(day.duplicates for day in days)
        came = again + sum(day.accepted for day in days)
        if came:
            shares[channel] = again / came
            surely[channel] = wilson_interval(again, came)[0]
    evidence = {
        "channels": shares,
        "by_day": [[day.day, day.channel, day.accepted, day.duplicates] for day in receipts],
    }
    many = [
        channel for channel in shares if channel != _IMPORT and surely[channel] > _DUPLICATES_WATCH
    ]
    if many:
        worst = max(many, key=lambda channel: shares[channel])
        sentence = (
            f"Duplicates are {shares[worst]:.0%} of what {join_names(many)} sent; they were left "
            "out. Look at the sender's timeouts and retries."
        )
        return Verdict(LogConcern.DUPLICATES, Status.WATCH, sentence, evidence)
    if not shares:
        return Verdict(LogConcern.DUPLICATES, Status.UNDECIDED, _NOTHING, evidence)
    return Verdict(LogConcern.DUPLICATES, Status.OK, _calm_duplicates(shares), evidence)


def _calm_duplicates(shares: dict[str, float]) -> str:
    if not any(shares.values()):
        return "No event came twice."
    worst = max(shares, key=lambda channel: shares[channel])
    return f"At most {shares[worst]:.1%} came twice (`{worst}`) and was left out."


def _grade(share: float, watch: float, act: float) -> Status:
    return Status.ACT if share >= act else Status.WATCH if share >= watch else Status.OK
