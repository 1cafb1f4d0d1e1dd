"""Segments: slices of users for whom the model got worse than it got for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc
from tidemill_monitoring.decay.influence import (
    Sides,
    Statistic,
    auc_of_columns,
    by_user,
    joint_quantiles,
    standard_errors,
)
from tidemill_monitoring.decay.known import KnownRows, too_few_outcomes
from tidemill_monitoring.intervals import RATIO_ACT, RATIO_WATCH
from tidemill_monitoring.verdicts import MINIMUM_OUTCOMES, MINIMUM_USERS, Concern, Status, Verdict

AUC_WATCH, AUC_ACT = 0.02, 0.05
"""AUC that a slice must surely lose beyond what everybody loses."""
WATCH_LEVEL, ACT_LEVEL = 0.02, 0.005
"""Chance of any false alarm over all slices and both measures of one window."""
_SHOWN = 30
_Z95 = 1.96
_LEAST = 1e-9
"""Stands for a sum of scores that is zero: logarithms need more."""

Slices = Mapping[str, NDArray[np.bool_]]
"""Name of a slice to its members among the rows of one side."""


@dataclass(frozen=True)
class SliceQuality:
    """How one slice fares; every interval is its own 95%, the verdict is of all slices together."""

    name: str
    users: int
    positives: int
    predicted_over_observed: float
    ratio_lower: float
    ratio_upper: float
    ratio_then: float | None
    """In the test window; None where the slice was too small."""
    auc: float
    auc_lower: float
    auc_upper: float
    auc_then: float | None
    ratio_excess: float
    """By what factor the ratio moved further than everybody's since the test window, 1 or more."""
    auc_excess: float
    """By how much more AUC was lost than by everybody."""
    severity: float
    """Standard errors by which the worse of both exceeds its watch limit; may be negative."""
    is_watch: bool
    is_act: bool


@dataclass(frozen=True)
class _Sure:
    """One slice's two measures, larger is worse, and how far each strays by chance."""

    value: NDArray[np.float64]
    error: NDArray[np.float64]


def measure_slices(
    then: KnownRows, now: KnownRows, before: Slices, after: Slices, seed: int = 0
) -> tuple[list[SliceQuality], int]:
    """Slices with users enough, the worst first, and how many had too few.

    `before` and `after` are the members among the rows of each side. What holds everybody is none.
    """
    parts = {name: members for name, members in after.items() if not members.all()}
    large = [name for name, members in parts.items() if _is_enough(now.take(members))]
    if not large:
        return [], len(parts)
    sides = Sides.of(then.users, now.users)
    nobody = np.zeros(len(then.labels), dtype=np.bool_)
    changes = [_change(sides, then, now, before.get(n, nobody), after[n]) for n in large]
    influence = np.concatenate([each.influence for each in changes], axis=1)
    watch_at, act_at = joint_quantiles(influence, [WATCH_LEVEL, ACT_LEVEL], seed)
    found = [
        _quality(
            name,
            then.take(before.get(name, nobody)),
            now.take(after[name]),
            _Sure(change.value, standard_errors(change.influence)),
            (watch_at, act_at),
        )
        for name, change in zip(large, changes, strict=True)
    ]
    return sorted(found, key=lambda each: -each.severity), len(parts) - len(large)


def judge_segments(
    then: KnownRows, now: KnownRows, before: Slices, after: Slices, seed: int = 0
) -> Verdict:
    """The worst slices, each against its own showing in the test window."""
    missing = too_few_outcomes(Concern.SEGMENTS, then, now)
    if missing is not None:
        return missing
    slices, small = measure_slices(then, now, before, after, seed)
    evidence = {
        "users": len(now.labels),
        "slices": len(slices),
        "too_small": small,
        "everybody": {
            "predicted_over_observed": _ratio(now),
            "auc": roc_auc(now.labels, now.scores),
        },
        "worst": [asdict(each) for each in slices[:_SHOWN]],
    }
    if not slices:
        sentence = (
            f"None of {small} slices has {MINIMUM_USERS} users with known outcomes, "
            f"{MINIMUM_OUTCOMES} of them positive and {MINIMUM_OUTCOMES} not."
        )
        return Verdict(Concern.SEGMENTS, Status.UNDECIDED, sentence, evidence)
    status = Status.WATCH if any(each.is_watch for each in slices) else Status.OK
    if any(each.is_act for each in slices):
        status = Status.ACT
    return Verdict(Concern.SEGMENTS, status, _describe(slices), evidence)


def _is_enough(rows: KnownRows) -> bool:
    positives = int(rows.labels.sum())
    enough = min(positives, len(rows.labels) - positives) >= MINIMUM_OUTCOMES
    return enough and len(np.unique(rows.users)) >= MINIMUM_USERS


def _change(
    sides: Sides,
    then: KnownRows,
    now: KnownRows,
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
) -> Statistic:
    """[log ratio, AUC lost] of a slice beyond everybody's, since the test window.

    A slice that was too small to be tested must agree with everybody, and has no AUC to lose.
    """
    known = float(_is_enough(then.take(before)))
    beyond_now = _beyond(now, after)
    beyond_then = _beyond(then, before) if known else _nothing(len(then.labels))
    return sides.combine(
        beyond_then, beyond_now, (np.array([-known, known]), np.array([1.0, -known]))
    )


def _beyond(rows: KnownRows, members: NDArray[np.bool_]) -> Statistic:
    """[log of predicted over observed, AUC] of the members less those of everybody."""
    everybody = np.ones(len(members), dtype=np.bool_)
    part, whole = _measures(rows, members), _measures(rows, everybody)
    return Statistic(part.value - whole.value, part.influence - whole.influence)


def _measures(rows: KnownRows, members: NDArray[np.bool_]) -> Statistic:
    influence = np.zeros((len(members), 2))
    scores, labels = rows.scores[members], rows.labels[members]
    predicted, observed = max(float(scores.sum()), _LEAST), int(labels.sum())
    area = auc_of_columns(labels, scores[:, None])
    influence[members, 0] = scores / predicted - labels / observed
    influence[members, 1] = area.influence[:, 0]
    return Statistic(np.array([np.log(predicted / observed), area.value[0]]), influence)


def _nothing(rows: int) -> Statistic:
    return Statistic(np.zeros(2), np.zeros((rows, 2)))


def _quality(
    name: str, then: KnownRows, now: KnownRows, sure: _Sure, strays: tuple[float, float]
) -> SliceQuality:
    own = _measures(now, np.ones(len(now.labels), dtype=np.bool_))
    users, user = np.unique(now.users, return_inverse=True)
    log_error, area_error = standard_errors(by_user(own.influence, user, len(users)))
    log_ratio, area = own.value
    worse = np.array([abs(sure.value[0]), sure.value[1]])
    watch, act = np.array([np.log(RATIO_WATCH), AUC_WATCH]), np.array([np.log(RATIO_ACT), AUC_ACT])
    was_tested = _is_enough(then)
    return SliceQuality(
        name=name,
        users=len(now.labels),
        positives=int(now.labels.sum()),
        predicted_over_observed=float(np.exp(log_ratio)),
        ratio_lower=float(np.exp(log_ratio - _Z95 * log_error)),
        ratio_upper=float(np.exp(log_ratio + _Z95 * log_error)),
        ratio_then=_ratio(then) if was_tested else None,
        auc=float(area),
        auc_lower=float(max(0.0, area - _Z95 * area_error)),
        auc_upper=float(min(1.0, area + _Z95 * area_error)),
        auc_then=roc_auc(then.labels, then.scores) if was_tested else None,
        ratio_excess=float(np.exp(worse[0])),
        auc_excess=float(worse[1]),
        severity=float(((worse - watch) / np.maximum(sure.error, 1e-9)).max()),
        is_watch=bool((worse - strays[0] * sure.error > watch).any()),
        is_act=bool((worse - strays[1] * sure.error > act).any()),
    )


def _ratio(rows: KnownRows) -> float:
    hits = int(rows.labels.sum())
    return float(rows.scores.sum() / hits) if hits else float("nan")


def _describe(slices: list[SliceQuality]) -> str:
    sure = [each for each in slices if each.is_watch or each.is_act]
    shown = "; ".join(_one(each) for each in (sure or slices)[:3])
    if not sure:
        return (
            f"None of {len(slices)} slices surely got worse than everybody did since the test "
            f"window; the weakest: {shown}."
        )
    return f"{len(sure)} of {len(slices)} slices got worse than everybody did: {shown}."


def _one(each: SliceQuality) -> str:
    then = "" if each.auc_then is None else f", {each.auc_then:.2f} then"
    ratio_then = "" if each.ratio_then is None else f", {each.ratio_then:.2f} then"
    return (
        f"`{each.name}` ({each.users} users: predicted/observed "
        f"{each.predicted_over_observed:.2f}{ratio_then}; AUC {each.auc:.2f}{then})"
    )
