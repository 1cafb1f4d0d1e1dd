"""Feature decay: which features rank the outcome less than at training, and what that costs.

What a feature is worth alone moves with every campaign and season. So a loss counts only if the
model pays for it: the AUC it draws from the signals behind those features, measured by shuffling
them among users (Breiman 2001), must surely have shrunk as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tidemill_monitoring.decay.influence import (
    Sides,
    auc_of_columns,
    joint_quantiles,
    standard_errors,
)
from tidemill_monitoring.decay.known import KnownRows, too_few_outcomes
from tidemill_monitoring.decay.worth import Score, Worth, measure_worth
from tidemill_monitoring.verdicts import Concern, Status, Verdict, join_names

MATTERED = 0.05
"""Distance of a feature's own AUC from 0.5 from which a model can be expected to use it."""
LOST = 0.1
"""Share of its power that a feature must surely have lost: windows are never quite alike."""
WATCH_LEVEL, ACT_LEVEL = 0.02, 0.005
"""Chance of any false alarm over all features of one window, if power may vary by that share."""
COST_WATCH, COST_ACT = 0.005, 0.02
"""AUC that the model must surely draw less from the signals behind the features."""
_SURELY_WATCH, _SURELY_ACT = 1.96, 2.6
"""Standard errors of what is sure."""
_SHOWN = 30


@dataclass(frozen=True)
class FeaturePower:
    """How well one feature alone ranks the outcome: |AUC - 0.5|, then and now."""

    name: str
    auc_then: float
    auc_now: float
    power_then: float
    power_now: float
    """In the direction it had then: below 0 when it turned around."""
    loss: float
    loss_error: float
    """Standard error of the loss."""
    is_lost: bool
    """Surely more than `LOST` of its power is gone, at the watch level."""
    is_clearly_lost: bool
    """And at the act level."""


@dataclass(frozen=True)
class Origin:
    """What a feature is computed from."""

    signal: str
    event: str | None


def measure_powers(
    then: KnownRows, now: KnownRows, names: Sequence[str], seed: int = 0
) -> list[FeaturePower]:
    """Of every column of both sides, largest power at training first.

    The thresholds cover features that never mattered as well: which of them seem to matter is
    chance, and that chance is in them.
    """
    sides = Sides.of(then.users, now.users)
    before = auc_of_columns(then.labels, then.vectors)
    after = auc_of_columns(now.labels, now.vectors)
    turn = np.where(before.value < 0.5, -1.0, 1.0)
    then_power, now_power = turn * (before.value - 0.5), turn * (after.value - 0.5)
    excess = sides.combine(before, after, ((1 - LOST) * turn, -turn)).influence
    errors = standard_errors(excess)
    with np.errstate(divide="ignore", invalid="ignore"):
        sure = np.nan_to_num(((1 - LOST) * then_power - now_power) / errors, posinf=0, neginf=0)
    strays = joint_quantiles(excess, [WATCH_LEVEL, ACT_LEVEL], seed)
    loss_errors = standard_errors(sides.combine(before, after, (turn, -turn)).influence)
    mattered = then_power >= MATTERED
    found = [
        FeaturePower(
            name=name,
            auc_then=float(before.value[j]),
            auc_now=float(after.value[j]),
            power_then=float(then_power[j]),
            power_now=float(now_power[j]),
            loss=float(then_power[j] - now_power[j]),
            loss_error=float(loss_errors[j]),
            is_lost=bool(mattered[j] and sure[j] > strays[0]),
            is_clearly_lost=bool(mattered[j] and sure[j] > strays[1]),
        )
        for j, name in enumerate(names)
    ]
    return sorted(found, key=lambda feature: -feature.power_then)


def judge_decay(
    then: KnownRows,
    now: KnownRows,
    names: Sequence[str],
    origins: Mapping[str, Origin],
    score: Score,
    seed: int = 0,
) -> Verdict:
    """The champion's test rows against the newest answers whose outcomes are known.

    `origins` has the signal of each feature; `score` is the model that both sides are of.
    """
    missing = too_few_outcomes(Concern.FEATURE_DECAY, then, now)
    if missing is not None:
        return missing
    powers = measure_powers(then, now, names, seed)
    mattered = [feature for feature in powers if feature.power_then >= MATTERED]
    lost = sorted((f for f in mattered if f.is_lost), key=lambda feature: -feature.loss)
    worth = None
    if lost:
        signals = {origins[feature.name].signal for feature in lost if feature.name in origins}
        members = [
            name in {f.name for f in lost} or (name in origins and origins[name].signal in signals)
            for name in names
        ]
        worth = measure_worth(then, now, np.flatnonzero(members), score, seed)
    evidence: dict[str, Any] = {
        "users": len(now.labels),
        "positives": int(now.labels.sum()),
        "features": len(powers),
        "mattered": len(mattered),
        "lost": [_shown(feature, origins) for feature in lost[:_SHOWN]],
        "worth": None if worth is None else asdict(worth),
        "strongest": [_shown(feature, origins) for feature in mattered[:_SHOWN]],
    }
    status = _status(lost, worth)
    sentence = _describe(mattered, lost, len(powers), worth, status)
    return Verdict(Concern.FEATURE_DECAY, status, sentence, evidence)


def _status(lost: Sequence[FeaturePower], worth: Worth | None) -> Status:
    if worth is None:
        return Status.OK
    is_clear = any(feature.is_clearly_lost for feature in lost)
    if is_clear and worth.lost - _SURELY_ACT * worth.error > COST_ACT:
        return Status.ACT
    return Status.WATCH if worth.lost - _SURELY_WATCH * worth.error > COST_WATCH else Status.OK


def _shown(feature: FeaturePower, origins: Mapping[str, Origin]) -> dict[str, Any]:
    origin = origins.get(feature.name)
    return {**asdict(feature), "event": None if origin is None else origin.event}


def _describe(
    mattered: Sequence[FeaturePower],
    lost: Sequence[FeaturePower],
    features: int,
    worth: Worth | None,
    status: Status,
) -> str:
    if not mattered:
        return f"None of {features} features alone ranked the outcome at training."
    if worth is None:
        best = mattered[0]
        return (
            f"The {len(mattered)} features that ranked the outcome at training still do; the "
            f"strongest, `{best.name}`, has AUC {best.auc_now:.2f} ({best.auc_then:.2f} then)."
        )
    named = ", ".join(
        f"`{each.name}` (AUC {each.auc_then:.2f} then, {each.auc_now:.2f} now)" for each in lost[:3]
    )
    more = "" if len(lost) <= 3 else f" and {len(lost) - 3} more"
    text = (
        f"{len(lost)} of {len(mattered)} features that ranked the outcome lost power: "
        f"{named}{more}. The signals they come from were worth {worth.then:.3f} of the model's AUC "
        f"then and {worth.now:.3f} now"
    )
    if status is Status.OK:
        return f"{text}: no loss that is sure and large enough to matter."
    turned = [feature.name for feature in lost if feature.power_now < -MATTERED]
    turns = f" {join_names(turned)} turned around." if turned else ""
    return f"{text}.{turns} What they mean has changed, or how they are tracked."
