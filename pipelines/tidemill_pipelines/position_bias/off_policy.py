"""What another ranking would have brought, from what was shown by the one that was live.

Three estimates of the clicks on a list: inverse propensity scores (IPS; Horvitz and Thompson 1952,
for clicks Li et al. 2018), self-normalised (SNIPS; Swaminathan and Joachims 2015) and doubly robust
(DR; Dudik, Langford and Li 2011). Intervals by a bootstrap over users, which draws propensities
anew from their own error too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tidemill_pipelines.position_bias.feedback import (
    Feedback,
    Floats,
    Weighing,
    by_examination,
    by_position,
)
from tidemill_pipelines.position_bias.propensities import Propensities, isotonic, kish
from tidemill_pipelines.position_bias.reward import RewardModel

FEWEST_EFFECTIVE = 100
"""Weighted clicks must be worth so many equal ones; below, the bootstrap's intervals are too
narrow."""
LEAST_SUPPORT = 0.8
"""Share of the other ranking's lists, by how often its positions are looked at, that was shown."""
_DRAWS = 300
_LEVELS = (0.05, 0.95)


@dataclass(frozen=True)
class Estimate:
    """Clicks on one list, with the limits of a 90% interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Valuation:
    """What the other ranking is worth, beside what the one that was live brought."""

    answers: int
    clicks: int
    effective: float
    """Kish's effective number of the weighted clicks."""
    support: float
    live: Estimate
    """What was clicked."""
    unswapped: Estimate
    """The live ranking as it was before items changed places at random, doubly robust."""
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    gain: Estimate
    """Doubly robust, the other ranking minus the live one, both unswapped, on the same lists."""


@dataclass(frozen=True)
class Refused:
    """Why nothing can be said."""

    reason: str
    effective: float
    support: float


def value(
    feedback: Feedback, propensities: Propensities | None, seed: int = 0
) -> Valuation | Refused:
    """Value the other ranking of `feedback`.

    With `propensities` by how often positions are looked at; without, only by what stood at the
    very position that the other ranking would have put it at.
    """
    weighing = _weigh(feedback, None if propensities is None else propensities.values)
    effective = kish(weighing.weight[feedback.clicked])
    support = _support(weighing)
    reason = _too_little(effective, support)
    if reason:
        return Refused(reason, effective, support)
    model = RewardModel(feedback, weighing.examined)
    values = None if propensities is None else propensities.values
    drawn = _bootstrap(feedback, propensities, model, np.random.default_rng(seed))
    point = _values(_user_sums(feedback, values, model).sum(axis=1))
    limits = np.quantile(drawn, _LEVELS, axis=0)
    live, unswapped, ips, snips, robust, gain = (
        Estimate(float(v), float(low), float(high))
        for v, low, high in zip(point, *limits, strict=True)
    )
    return Valuation(
        answers=len(feedback.user),
        clicks=int(feedback.clicked.sum()),
        effective=effective,
        support=support,
        live=live,
        unswapped=unswapped,
        ips=ips,
        snips=snips,
        doubly_robust=robust,
        gain=gain,
    )


def _weigh(feedback: Feedback, propensities: Floats | None) -> Weighing:
    if propensities is None:
        return by_position(feedback)
    return by_examination(feedback, propensities)


def _support(weighing: Weighing) -> float:
    wanted = weighing.proposed.sum() + weighing.absent.sum()
    return float((weighing.proposed * weighing.is_supported).sum() / wanted) if wanted else 0.0


def _too_little(effective: float, support: float) -> str:
    if support < LEAST_SUPPORT:
        return (
            f"only {support:.0%} of what it would show was shown where that tells of it; "
            f"{LEAST_SUPPORT:.0%} are needed"
        )
    if effective < FEWEST_EFFECTIVE:
        return f"the clicks are worth {effective:.0f} equal ones; {FEWEST_EFFECTIVE} are needed"
    return ""


def _user_sums(feedback: Feedback, propensities: Floats | None, model: RewardModel) -> Floats:
    """[7, users]: lists, clicks, weighted clicks, weighted looks, looks proposed, and doubly robust
    clicks of the other and of the live ranking."""
    user, users = feedback.user[feedback.answer], int(feedback.user.max()) + 1
    absent_user = feedback.user[feedback.absent_answer]
    weighing = _weigh(feedback, propensities)
    as_ranked = _weigh(replace(feedback, proposed=feedback.intended), propensities)
    predicted = model.predict(feedback.answer, feedback.item)
    absent = model.predict(feedback.absent_answer, feedback.absent_item) * weighing.absent
    looks = weighing.weight * weighing.examined
    proposed = np.bincount(user, weighing.proposed, users)
    robust = _robust(weighing, feedback, predicted)
    found: Floats = np.stack(
        [
            np.bincount(feedback.user, minlength=users).astype(np.float64),
            np.bincount(user, feedback.clicked, users),
            np.bincount(user, weighing.weight * feedback.clicked, users),
            np.bincount(user, looks, users),
            proposed + np.bincount(absent_user, weighing.absent, users),
            np.bincount(user, robust, users) + np.bincount(absent_user, absent, users),
            np.bincount(user, _robust(as_ranked, feedback, predicted), users),
        ]
    )
    return found


def _robust(weighing: Weighing, feedback: Feedback, predicted: Floats) -> Floats:
    """What is predicted, corrected by what came of it; [rows]."""
    surprise = feedback.clicked - weighing.examined * predicted
    return weighing.proposed * predicted + weighing.weight * surprise


def _values(sums: Floats) -> Floats:
    """Live, unswapped, IPS, SNIPS, DR and gain for a list, from totals [7]."""
    lists, clicks, weighted, looks, proposed, robust, unswapped = sums
    normalised = weighted * proposed / looks if looks > 0 else np.nan
    found: Floats = np.array([clicks, unswapped, weighted, normalised, robust, robust - unswapped])
    found /= max(lists, 1.0)
    return found


def _bootstrap(
    feedback: Feedback,
    propensities: Propensities | None,
    model: RewardModel,
    rng: np.random.Generator,
) -> Floats:
    """Values [_DRAWS, 6] of resampled users under propensities within their error."""
    users = int(feedback.user.max()) + 1
    found = np.empty((_DRAWS, 6))
    for draw in range(_DRAWS):
        if not draw or (propensities is not None and propensities.covariance.any()):
            redrawn = None if propensities is None else _redrawn(propensities, rng)
            sums = _user_sums(feedback, redrawn, model)
        chosen = rng.multinomial(users, np.full(users, 1 / users))
        found[draw] = _values(sums @ chosen)
    return found


def _redrawn(propensities: Propensities, rng: np.random.Generator) -> Floats:
    logs = rng.multivariate_normal(np.log(propensities.values), propensities.covariance)
    error = np.maximum(np.diag(propensities.covariance), 1e-12)
    falling = isotonic(logs, 1 / error)
    found: Floats = np.exp(falling - falling[0])
    return found
