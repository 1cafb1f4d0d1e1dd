"""The data quality verdict: are the events and the features still what they were?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.values import ValueFault
from tidemill_monitoring.verdicts import (
    MINIMUM_USERS,
    Concern,
    Status,
    Verdict,
    join_names,
)
from tidemill_monitoring.volumes import BROKEN, MINIMUM_WINDOWS, VolumeChange

_SURE = 1e-6
"""Probability below which a feature that no longer varies is not chance."""
_USUALLY_PRESENT = 0.5
_SEVERITY = {
    "stopped": Status.ACT,
    "collapsed": Status.ACT,
    "fell": Status.WATCH,
    "jumped": Status.WATCH,
    "appeared": Status.WATCH,
}


@dataclass(frozen=True)
class DeadFeatures:
    """Features that carry no information any more."""

    disappeared: tuple[str, ...] = ()
    """Missing for every user, though most users had a value at training."""
    frozen: tuple[str, ...] = ()
    """The same value for every user, though it varied at training."""
    silent: tuple[str, ...] = ()
    """Zero for every user: what they count did not happen. Whether it should have is for the
    event volumes to say, and whether serving dropped it for the skew check."""


def find_dead_features(
    reference: NDArray[np.float32], current: NDArray[np.float32], names: Sequence[str]
) -> DeadFeatures:
    """Compare vectors [users, features] served now with those of training; NaN is missing."""
    if min(len(reference), len(current)) < MINIMUM_USERS:
        return DeadFeatures()
    disappeared: list[str] = []
    frozen: list[str] = []
    silent: list[str] = []
    for index, name in enumerate(names):
        before, now = reference[:, index], current[:, index]
        if np.isnan(now).all():
            if np.isnan(before).mean() < _USUALLY_PRESENT:
                disappeared.append(name)
        elif _is_constant(now) and (_share_of_mode(before) ** len(now)) < _SURE:
            (frozen if now[0] else silent).append(name)
    return DeadFeatures(tuple(disappeared), tuple(frozen), tuple(silent))


def _is_constant(values: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(values, np.full_like(values, values[0]), equal_nan=True))


def _share_of_mode(values: NDArray[np.float32]) -> float:
    _, counts = np.unique(values, return_counts=True)
    return float(counts.max() / len(values))


def judge_quality(
    changes: Sequence[VolumeChange],
    dead: DeadFeatures,
    faults: Sequence[ValueFault] = (),
    *,
    earlier_windows: int,
    event_names: int,
    trained_until: datetime,
    horizon: timedelta,
    target_event: str | None,
) -> Verdict:
    """One verdict on events and features.

    A change from before `trained_until` (the newest cutoff the served model has seen) is settled:
    the model was trained and tested with it, so it is shown but no alarm.
    """
    open_changes = [change for change in changes if change.since >= trained_until]
    statuses = {_SEVERITY[change.kind] for change in open_changes}
    if dead.disappeared:
        statuses.add(Status.ACT)
    if dead.frozen:
        statuses.add(Status.WATCH)
    statuses |= {Status.ACT if fault.is_act else Status.WATCH for fault in faults}
    sentences = [_describe(change, horizon, target_event) for change in open_changes[:3]]
    if len(open_changes) > 3:
        sentences.append(f"{len(open_changes) - 3} more event names changed.")
    sentences += _describe_dead(dead, any(change.kind in BROKEN for change in open_changes))
    sentences += _describe_faults(faults)
    evidence = _evidence(changes, dead, faults, trained_until, earlier_windows, event_names)
    if not statuses and earlier_windows < MINIMUM_WINDOWS:
        return Verdict(
            Concern.DATA_QUALITY,
            Status.UNDECIDED,
            "The event log is too short to know its usual volumes; wait until it holds four "
            "windows, or choose a shorter one with `--window`.",
            evidence,
        )
    if not statuses:
        calm = (
            f"All {event_names} event names arrive in their usual volume "
            f"(against {earlier_windows} earlier windows)."
        )
        return Verdict(Concern.DATA_QUALITY, Status.OK, calm, evidence)
    status = Status.ACT if Status.ACT in statuses else Status.WATCH
    return Verdict(Concern.DATA_QUALITY, status, " ".join(sentences), evidence)


def _describe(change: VolumeChange, horizon: timedelta, target_event: str | None) -> str:
    day = f"{change.since:%Y-%m-%d}"
    if change.kind == "appeared":
        return f"`{change.name}` is new since {day} ({change.observed} events)."
    if change.kind != "stopped":
        factor = (change.observed + 1) / (change.expected + 1)
        return (
            f"`{change.name}` {change.kind}: {change.observed} events where "
            f"{change.expected:.0f} are usual (x{factor:.2g}); check its tracking or what happened."
        )
    if change.renamed_to is None:
        text = f"`{change.name}` stopped on {day}; restore its tracking."
    else:
        found = change.renamed_to
        learnable = change.since + horizon
        text = (
            f"`{change.name}` stopped on {day}; `{found.name}` started on "
            f"{found.since:%Y-%m-%d} at a similar daily volume ({found.daily_after:.0f} against "
            f"{found.daily_before:.0f}): a tracking change renamed it? Undo the change, or "
            f"retrain; outcomes after it are known from {learnable:%Y-%m-%d} on."
        )
    if change.name == target_event:
        text += " It is the objective's own event: no outcome can be seen without it."
    return text


def _describe_dead(dead: DeadFeatures, events_broke: bool) -> list[str]:
    sentences = []
    if dead.disappeared:
        names = join_names(dead.disappeared)
        sentences.append(f"Features missing for every user now: {names}.")
    if dead.frozen:
        sentences.append(f"Features that no longer vary: {join_names(dead.frozen)}.")
    if dead.silent and events_broke:
        sentences.append(f"Features that are zero for every user now: {join_names(dead.silent)}.")
    return sentences


def _describe_faults(faults: Sequence[ValueFault]) -> list[str]:
    sentences = []
    outside = [fault for fault in faults if fault.kind == "out of range"]
    missing = [fault for fault in faults if fault.kind == "missing"]
    if outside:
        worst = outside[0]
        sentences.append(
            f"Values leave the range of training: {join_names([f.name for f in outside])} "
            f"({worst.share:.0%} outside {worst.lowest:g} to {worst.highest:g}, typically "
            f"x{worst.factor:.2g}); did a unit or a definition change?"
        )
    if missing:
        sentences.append(
            f"Missing where training had values: {join_names([f.name for f in missing])} "
            f"({missing[0].share:.0%} of users)."
        )
    return sentences


def _evidence(
    changes: Sequence[VolumeChange],
    dead: DeadFeatures,
    faults: Sequence[ValueFault],
    trained_until: datetime,
    earlier_windows: int,
    event_names: int,
) -> Mapping[str, object]:
    return {
        "event_names": event_names,
        "earlier_windows": earlier_windows,
        "changes": [
            {
                **asdict(change),
                "since": change.since.isoformat(),
                "settled": change.since < trained_until,
                "renamed_to": _successor(change),
            }
            for change in changes
        ],
        "disappeared_features": list(dead.disappeared),
        "frozen_features": list(dead.frozen),
        "silent_features": list(dead.silent),
        "value_faults": [asdict(fault) for fault in faults],
    }


def _successor(change: VolumeChange) -> dict[str, object] | None:
    found = change.renamed_to
    return None if found is None else {**asdict(found), "since": found.since.isoformat()}
