"""The online store verdict: rows that lack days of events, and users who should have a row."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.freshness.stored import StoredRows
from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.served import from_us
from tidemill_monitoring.verdicts import Concern, Status, Verdict

STALE_DAYS, LOST_DAYS = 2.0, 7.0
"""Days of events that a row may lack. A store that is filled every night lacks one at most."""
USUAL_TIMES = 2.0
"""Or so many times the usual distance of two fillings, if that is longer."""
SHARE_WATCH, SHARE_ACT = 0.05, 0.5
"""Share of rows that must surely lack more."""
MINIMUM_ROWS = 20

_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Ages:
    """How much of the events some rows lack."""

    rows: int
    median_days: float
    largest_days: float
    stale: int
    """More than the watch limit."""
    lost: int
    """More than the act limit."""
    newest_cutoff: str


@dataclass(frozen=True)
class Traffic:
    """The window's answers."""

    asked: NDArray[np.int64]
    cutoffs: NDArray[np.int64]
    """Of answers with a row, microseconds since 1970 UTC."""
    cold: int
    """Answers to users without a row."""
    cold_users: int
    cold_known: int
    """Of those users, who had been known for longer than the watch limit."""


def limits_of(rhythm_days: float) -> tuple[float, float]:
    """Days from which a row is stale, and lost."""
    usual = USUAL_TIMES * rhythm_days
    return max(STALE_DAYS, usual), max(LOST_DAYS, USUAL_TIMES * usual)


def judge_online_store(
    stored: StoredRows | None,
    traffic: Traffic,
    *,
    at: int,
    log_end: int,
    limits: tuple[float, float],
    every_user_has_a_row: bool,
    unread: str = "",
    damaged: int = 0,
) -> Verdict:
    """`at` and `log_end`, the newest event before it, are in microseconds since 1970 UTC.

    The store as it lies decides; `stored` is None when it could not be read, and `unread` says why.
    Answers that read stale rows from a store that is fresh by now are worth a look only.
    `damaged` segments of the prediction log are missing from `traffic`.
    """
    asked = np.minimum(traffic.asked, log_end)
    served = _ages(asked, traffic.cutoffs, limits)
    lying = None if stored is None else _lying(stored, at, log_end, limits)
    missing = _missing(stored, at) if every_user_has_a_row and stored is not None else (0, 0)
    answers = len(traffic.cutoffs) + traffic.cold
    evidence: dict[str, Any] = {
        "stored": None if lying is None else asdict(lying),
        "served": None if served is None else asdict(served),
        "missing_rows": missing[0],
        "known_users": missing[1],
        "answers": answers,
        "cold_share": traffic.cold / answers if answers else None,
        "cold_users": traffic.cold_users,
        "cold_known_users": traffic.cold_known,
        "stale_days": limits[0],
        "lost_days": limits[1],
        "unread": unread or None,
        "damaged_segments": damaged,
    }
    if lying is None and served is None and not damaged:
        return Verdict(Concern.ONLINE_STORE, Status.UNDECIDED, _unknown(unread), evidence)
    findings = [
        _of_rows(lying, "of the active users' rows", limits),
        _of_missing(*missing),
        _of_served(served, limits, only_watch=lying is not None),
        _of_cold(traffic),
        _of_damage(damaged),
    ]
    return _combine([each for each in findings if each], lying or served, evidence)


Finding = tuple[Status, str]


def _ages(
    seen: NDArray[np.int64], cutoffs: NDArray[np.int64], limits: tuple[float, float]
) -> Ages | None:
    if len(cutoffs) < MINIMUM_ROWS:
        return None
    days = np.maximum(seen - cutoffs, 0) / _DAY_US
    return Ages(
        rows=len(cutoffs),
        median_days=float(np.median(days)),
        largest_days=float(days.max()),
        stale=int((days > limits[0]).sum()),
        lost=int((days > limits[1]).sum()),
        newest_cutoff=from_us(int(cutoffs.max())).isoformat(),
    )


def _lying(stored: StoredRows, at: int, log_end: int, limits: tuple[float, float]) -> Ages | None:
    """None when the store was filled after the monitored instant: how it was then is unknown."""
    cutoffs = stored.cutoffs[stored.cutoffs > 0]
    if cutoffs.max(initial=0) > at:
        return None
    return _ages(np.full(len(cutoffs), log_end), cutoffs, limits)


def _missing(stored: StoredRows, at: int) -> tuple[int, int]:
    """Users without a row, of those who were known when the store was filled last."""
    newest = int(stored.cutoffs.max(initial=0))
    if not 0 < newest <= at:
        return 0, 0
    known = stored.known_since < newest
    return int((known & (stored.cutoffs == 0)).sum()), int(known.sum())


def _of_rows(ages: Ages | None, whose: str, limits: tuple[float, float]) -> Finding | None:
    if ages is None:
        return None
    for count, status, limit in (
        (ages.lost, Status.ACT, limits[1]),
        (ages.stale, Status.WATCH, limits[0]),
    ):
        surely = wilson_interval(count, ages.rows)[0]
        if surely > (SHARE_ACT if status is Status.ACT else SHARE_WATCH):
            since = ages.newest_cutoff[:16].replace("T", " ")
            return status, (
                f"{count / ages.rows:.0%} {whose} lack more than {limit:g} days of events (up to "
                f"{ages.largest_days:.1f}); the newest is as of {since} UTC: "
                "`tidemill features materialize` did not run since, or does not reach this store"
            )
    return None


def _of_served(
    ages: Ages | None, limits: tuple[float, float], *, only_watch: bool
) -> Finding | None:
    found = _of_rows(ages, "of the rows that answers read", limits)
    if found is None or not only_watch:
        return found
    return Status.WATCH, found[1]


def _of_missing(missing: int, known: int) -> Finding | None:
    if known < MINIMUM_ROWS or wilson_interval(missing, known)[0] <= SHARE_WATCH:
        return None
    is_act = wilson_interval(missing, known)[0] > SHARE_ACT
    return (Status.ACT if is_act else Status.WATCH), (
        f"{missing} of {known} active users have no row, though they were known when the store was "
        "filled: they get the answer for strangers"
    )


def _of_cold(traffic: Traffic) -> Finding | None:
    users, known = traffic.cold_users, traffic.cold_known
    if users < MINIMUM_ROWS or wilson_interval(known, users)[0] <= SHARE_WATCH:
        return None
    everybody = len(traffic.cutoffs) + traffic.cold
    if wilson_interval(traffic.cold, everybody)[0] <= SHARE_WATCH:
        return None
    return Status.WATCH, (
        f"{traffic.cold / everybody:.0%} of the answers found no row, and {known} of {users} such "
        "users had been known for days"
    )


def _of_damage(segments: int) -> Finding | None:
    if not segments:
        return None
    return Status.WATCH, (
        f"{segments} segments of the prediction log cannot be read to their end, so every verdict "
        "lacks their answers"
    )


def _unknown(unread: str) -> str:
    reason = "It was filled after the monitored instant, or has no rows of active users"
    if unread:
        reason = f"The store could not be read: {unread.rstrip('.')}"
    return (
        f"{reason}; and too few answers were asked for in the window by the clock to tell from "
        "them how old the rows are."
    )


def _combine(findings: list[Finding], ages: Ages | None, evidence: dict[str, Any]) -> Verdict:
    if findings:
        statuses = [status for status, _ in findings]
        status = Status.ACT if Status.ACT in statuses else Status.WATCH
        text = "; ".join(dict.fromkeys(text for _, text in findings))
        return Verdict(Concern.ONLINE_STORE, status, f"{text[0].upper()}{text[1:]}.", evidence)
    assert ages is not None  # noqa: S101  # the caller left when nothing was known
    sentence = (
        f"The rows that are read lack {ages.median_days:.1f} days of events (median of "
        f"{ages.rows}; {ages.largest_days:.1f} at most)."
    )
    return Verdict(Concern.ONLINE_STORE, Status.OK, sentence, evidence)
