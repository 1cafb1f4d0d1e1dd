"""Data quality of the event log: which event names stopped, fell, jumped, appeared or were renamed.

Everything here works on daily counts, `counts[name, day]`, where day 0 is the last 24 hours before
the monitored instant. Windows are compared on a log scale, because volumes vary by factors, with
a median and MAD that one odd window cannot move, and a floor for the Poisson noise of counting.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

EARLIER_WINDOWS = 8
"""At most this many earlier windows are compared: the last two months of weeks."""
MINIMUM_WINDOWS = 3
"""Fewer earlier windows say nothing about how much a volume usually varies."""

BROKEN = ("stopped", "collapsed")
"""Kinds of change after which an event cannot be relied on."""

_MINIMUM_EVENTS = 20
"""Expected events below which a silence or a change is chance."""
_USUAL_SPREAD = 0.1
"""Least spread of a log volume: +-10% is ordinary business."""
_UNUSUAL = 5.0
"""Spreads away from the median; robust z-scores from eight windows have heavy tails."""
_JUMP = float(np.log(1.5))
"""A change of less than half is not worth a person's time."""
_COLLAPSE = float(np.log(4.0))
"""Losing three quarters of an event's volume is an incident, not a season."""
_SAME_VOLUME = float(np.log(1.6))
"""How far the daily volume of a renamed event may be from the old name's."""


@dataclass(frozen=True)
class DailyCounts:
    """Events per name and 24-hour block before the monitored instant."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    """[names, days]; day 0 is the newest."""
    first_seen: tuple[datetime, ...]
    """First event of each name in the whole log."""
    last_seen: tuple[datetime, ...]
    days_known: int
    """Whole days the log reaches back; older blocks are not zeros but unknown."""


@dataclass(frozen=True)
class Renaming:
    """The name that took over from a stopped one."""

    name: str
    since: datetime
    """First event of the new name."""
    daily_before: float
    """Usual events a day of the old name."""
    daily_after: float
    similarity: float
    """Of the two names' letters and digits, 0 to 1."""


@dataclass(frozen=True)
class VolumeChange:
    """One event name whose volume is not what it was."""

    name: str
    kind: str
    """stopped, collapsed, fell, jumped or appeared."""
    observed: int
    """Events in the window."""
    expected: float
    """Median of the earlier windows."""
    since: datetime
    """Last event for a stopped name, first event for one that appeared, else the window's start."""
    renamed_to: Renaming | None = None


def find_changes(daily: DailyCounts, window: int, since: datetime) -> list[VolumeChange]:
    """Changes of the last `window` days against up to eight windows before; most serious first.

    `since` is the window's start. Empty when there are too few earlier windows to compare with.
    """
    earlier = earlier_windows(daily, window)
    if earlier < MINIMUM_WINDOWS:
        return []
    totals = daily.counts[:, : window * (earlier + 1)]
    totals = totals.reshape(len(daily.names), earlier + 1, window).sum(axis=2)
    changes = []
    for index, name in enumerate(daily.names):
        expected = float(np.median(totals[index, 1:]))
        days = daily.counts[index, : window * (earlier + 1)]
        kind = _judge(days, totals[index], expected / window)
        if kind is None:
            continue
        begun, successor = since, None
        if kind == "appeared":
            begun = daily.first_seen[index]
        if kind == "stopped":
            begun = daily.last_seen[index]
            successor = _successor(daily, index, expected / window)
        changes.append(VolumeChange(name, kind, int(totals[index, 0]), expected, begun, successor))
    successors = {change.renamed_to.name for change in changes if change.renamed_to is not None}
    order = ("stopped", "collapsed", "appeared", "fell", "jumped")
    return sorted(
        (change for change in changes if change.name not in successors),
        key=lambda change: (order.index(change.kind), -change.expected),
    )


def earlier_windows(daily: DailyCounts, window: int) -> int:
    """How many whole windows the log holds before the one that is judged."""
    days = min(daily.days_known, daily.counts.shape[1])
    return int(np.clip(days // window - 1, 0, EARLIER_WINDOWS))


def unsteady_names(daily: DailyCounts, window: int) -> frozenset[str]:
    """Names whose volume ordinarily comes and goes: campaigns, seasons, weekly mailings.

    At least two earlier windows, and a quarter of them, differ from their median by half or more,
    or most are silent. One odd window makes no name unsteady. Whatever is counted per user from
    such an event moves for everybody at once.
    """
    earlier = earlier_windows(daily, window)
    if earlier < MINIMUM_WINDOWS:
        return frozenset()
    totals = daily.counts[:, window : window * (earlier + 1)]
    totals = totals.reshape(len(daily.names), earlier, window).sum(axis=2)
    return frozenset(
        name for name, each in zip(daily.names, totals, strict=True) if _is_unsteady(each)
    )


def uneven_features(events: Mapping[str, str | None], unsteady: Collection[str]) -> frozenset[str]:
    """Features of unsteady events; `events` names the event of each, None for all events."""
    return frozenset(
        name
        for name, event in events.items()
        if event in unsteady or (event is None and len(unsteady) > 0)
    )


def _is_unsteady(totals: NDArray[np.int64]) -> bool:
    logs = np.log(totals + 1.0)
    centre = float(np.median(logs))
    noise = 2.0 / np.sqrt(np.exp(centre))
    odd = int((np.abs(logs - centre) > max(_JUMP, noise)).sum())
    return bool(np.median(totals) == 0 or odd >= max(2, len(totals) / 4))


def _judge(days: NDArray[np.int64], totals: NDArray[np.int64], daily_rate: float) -> str | None:
    observed, earlier = int(totals[0]), totals[1:]
    unsteady = _is_unsteady(earlier)
    if _has_stopped(days, daily_rate) and not (unsteady and observed):
        return "stopped"
    if not earlier.any():
        return "appeared" if observed >= _MINIMUM_EVENTS else None
    change = _log_change(observed, earlier)
    if change is None or (unsteady and observed):
        return None
    if change < -_COLLAPSE and observed < earlier.min() / 2:
        return "collapsed"
    return "fell" if change < 0 else "jumped"


def _has_stopped(days: NDArray[np.int64], daily_rate: float) -> bool:
    """Silent now for longer than ever before, though events were due."""
    seen = np.flatnonzero(days)
    if not len(seen):
        return False
    silence, longest_pause = seen[0], int(np.diff(seen).max(initial=1)) - 1
    return bool(silence * daily_rate >= _MINIMUM_EVENTS and silence > 2 * longest_pause)


def _log_change(observed: int, earlier: NDArray[np.int64]) -> float | None:
    """Log ratio to the median of `earlier` when it is unusual and large, else None."""
    logs = np.log(earlier + 1.0)
    centre = float(np.median(logs))
    expected = np.exp(centre)
    if max(expected, observed) < _MINIMUM_EVENTS:
        return None
    mad = 1.4826 * float(np.median(np.abs(logs - centre)))
    known = 1.0 + 1.0 / (len(earlier) - 1)  # a spread estimated from few windows is often too small
    spread = known * float(np.hypot(max(mad, _USUAL_SPREAD), 1.0 / np.sqrt(expected)))
    change = float(np.log(observed + 1.0)) - centre
    outside = observed < earlier.min() or observed > earlier.max()
    return change if abs(change) > max(_JUMP, _UNUSUAL * spread) and outside else None


def _successor(daily: DailyCounts, stopped: int, daily_before: float) -> Renaming | None:
    """The new name that began when the old one stopped, at a similar volume."""
    silence = int(np.flatnonzero(daily.counts[stopped])[0])
    candidates = []
    for index in np.flatnonzero(daily.counts.any(axis=1)).tolist():
        started = int(np.flatnonzero(daily.counts[index])[-1])
        if abs(started - (silence - 1)) > 1:
            continue
        # The first block is usually only part of a day.
        whole_days = daily.counts[index, :started] if started else daily.counts[index, :1]
        daily_after = float(whole_days.mean())
        if abs(np.log((daily_after + 0.1) / daily_before)) > _SAME_VOLUME:
            continue
        likeness = name_similarity(daily.names[stopped], daily.names[index])
        since = daily.first_seen[index]
        candidates.append(Renaming(daily.names[index], since, daily_before, daily_after, likeness))
    return max(candidates, key=lambda found: found.similarity, default=None)


def name_similarity(one: str, other: str) -> float:
    """1.0 when the names differ only in case and punctuation."""
    first, second = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (one, other))
    return SequenceMatcher(None, first, second).ratio()
