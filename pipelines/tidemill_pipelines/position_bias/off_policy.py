"""What another ranking would have brought, from what was shown by the one that was live.

Three estimates of the clicks on a list: inverse propensity scores (IPS; Horvitz and Thompson 1952,
for clicks Li et al. 2018), self-normalised (SNIPS; Swaminathan and Joachims 2015) and doubly robust
(DR; Dudik, Langford and Li 2011). Intervals by a bootstrap over users, which draws propensities
anew from their own error too.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    ips: Estimate
    snips: Estimate
    doubly_robust: Estimate
    gain: Estimate
    """Doubly robust minus live, on the same lists."""


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
    drawn = _bootstrap(feedback, propensities, model, np.random.default_rng(seed))
    point = _values(_user_sums(feedback, weighing, model).sum(axis=1))
    limits = np.quantile(drawn, _LEVELS, axis=0)
    live, ips, snips, robust, gain = (
        Estimate(float(v), float(low), float(high))
        for v, low, high in zip(point, *limits, strict=True)
    )
    return Valuation(
        answers=len(feedback.user),
        clicks=int(feedback.clicked.sum()),
        effective=effective,
        support=support,
        live=live,
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


_SUMS = 6
"""Lists, clicks, weighted clicks, weighted looks, looks proposed, doubly robust clicks."""


def _user_sums(feedback: Feedback, weighing: Weighing, model: RewardModel) -> Floats:
    """[_SUMS, users]."""
    user, users = feedback.user[feedback.answer], int(feedback.user.max()) + 1
    absent_user = feedback.user[feedback.absent_answer]
    predicted = model.predict(feedback.answer, feedback.item)
    absent = model.predict(feedback.absent_answer, feedback.absent_item) * weighing.absent
    looks = weighing.weight * weighing.examined
    weighted = weighing.weight * feedback.clicked
    robust = weighing.proposed * predicted + weighted - looks * predicted
    proposed = np.bincount(user, weighing.proposed, users)
    found: Floats = np.stack(
        [
            np.bincount(feedback.user, minlength=users).astype(np.float64),
            np.bincount(user, feedback.clicked, users),
            np.bincount(user, weighted, users),
            np.bincount(user, looks, users),
            proposed + np.bincount(absent_user, weighing.absent, users),
            np.bincount(user, robust, users) + np.bincount(absent_user, absent, users),
        ]
    )
    return found


def _values(sums: Floats) -> Floats:
    """Live, IPS, SNIPS, DR and DR minus live for a list, from totals [_SUMS]."""
    lists, clicks, weighted, looks, proposed, robust = sums
    normalised = weighted * proposed / looks if looks > 0 else np.nan
    found: Floats = np.array([clicks, weighted, normalised, robust, robust - clicks])
    found /= max(lists, 1.0)
    return found


def _bootstrap(
    feedback: Feedback,
    propensities: Propensities | None,
    model: RewardModel,
    rng: np.random.Generator,
) -> Floats:
    """Values [_DRAWS, 5] of resampled users under propensities within their error."""
    users = int(feedback.user.max()) + 1
    found = np.empty((_DRAWS, 5))
    for draw in range(_DRAWS):
        if not draw or (propensities is not None and propensities.covariance.any()):
            redrawn = None if propensities is None else _redrawn(propensities, rng)
            sums = _user_sums(feedback, _weigh(feedback, redrawn), model)
        chosen = rng.multinomial(users, np.full(users, 1 / users))
        found[draw] = _values(sums @ chosen)
    return found


def _redrawn(propensities: Propensities, rng: np.random.Generator) -> Floats:
    logs = rng.multivariate_normal(np.log(propensities.values), propensities.covariance)
    error = np.maximum(np.diag(propensities.covariance), 1e-12)
    falling = isotonic(logs, 1 / error)
    found: Floats = np.exp(falling - falling[0])
    return found
