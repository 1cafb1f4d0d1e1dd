"""A bandit's allocation, and how to learn the truth from what it did.

Thompson sampling (1933; Russo et al. 2018, "A Tutorial on Thompson Sampling") gives each arm the
probability that it is the best one. Here that probability is computed instead of sampled, has a
floor for each arm, holds for a whole day and is logged, so that each day is a randomised experiment
with known propensities. Plain means of a bandit's arms are biased; what is estimated here is not.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from tidemill.errors import TidemillError
from tidemill_monitoring.experiments.estimates import ArmEstimate, estimate
from tidemill_monitoring.experiments.looks import is_ready
from tidemill_monitoring.experiments.moments import Array, Moments

_FAR = 9.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)


def allocate(arms: list[Moments], floor: float) -> Array:
    """Tomorrow's probabilities [arms] of arms of whose metric more is better; none below `floor`.

    Equal until each arm has enough units with a value to be judged.
    """
    if not 0 < floor * len(arms) <= 1:
        raise TidemillError(
            f"no {len(arms)} probabilities of at least {floor:g} sum to 1",
            hint=f"choose a floor above 0 and up to {1 / len(arms):.4g}",
        )
    if not is_ready(*arms):
        return np.full(len(arms), 1 / len(arms))
    found = [estimate(arm) for arm in arms]
    means = np.array([arm.value for arm in found])
    return thompson(means, np.sqrt([arm.variance for arm in found]), floor)


def thompson(means: Array, deviations: Array, floor: float) -> Array:
    """[arms] each one's probability to be the greatest of normal variables, none below `floor`."""
    shares: Array = floor + (1 - floor * len(means)) * probability_best(means, deviations)
    return shares


def probability_best(means: Array, deviations: Array) -> Array:
    """[arms] probability that each of several independent normal variables is the greatest."""
    places = _FAR * _NODES
    density = _WEIGHTS * np.exp(-0.5 * places**2)
    found = np.empty(len(means))
    for arm in range(len(means)):
        values = means[arm] + deviations[arm] * places
        others = np.delete(np.arange(len(means)), arm)
        below = ndtr((values - means[others, None]) / deviations[others, None])
        found[arm] = below.prod(axis=0) @ density
    probabilities: Array = found / found.sum()
    return probabilities


def inverse_propensity(days: Moments, propensities: Array) -> list[ArmEstimate]:
    """Each arm's mean [days] over everybody up to each day, from moments [days, arms] of the days
    themselves and the logged probabilities [days, arms].

    Augmented inverse-propensity weighting (Hadad, Hirshberg, Zhan, Wager and Athey 2021,
    "Confidence Intervals for Policy Evaluation in Adaptive Experiments"): what the arm's earlier
    days predict for all of a day's units, plus by how much its own units were better, over their
    probability. Unbiased whatever the allocation learnt, and however the days differ. On the first
    day, whose probabilities learnt nothing, the prediction is its own mean. The variance between
    an arm's units is taken over all its days: of the few units that a rarely chosen arm has on one
    day, the mean and the variance are too low together.
    """
    units, sums = days.units, days.sums[..., 0]
    predicted = _predictions(units, sums)
    exposed = units.sum(axis=1, keepdims=True)
    surplus = (sums - units * predicted) / propensities
    count = exposed.cumsum(axis=0)
    values = (exposed * predicted + surplus).cumsum(axis=0) / count
    so_far = days.cumulated()
    weights = (exposed / propensities).cumsum(axis=0) / count**2
    variances = weights * so_far.covariances[..., 0, 0]
    return [
        ArmEstimate(values[:, arm], variances[:, arm], so_far.units[:, arm])
        for arm in range(units.shape[1])
    ]


def _predictions(units: Array, sums: Array) -> Array:
    """[days, arms] mean of all earlier days; on the first day its own."""
    known, total = units.cumsum(axis=0), sums.cumsum(axis=0)
    known, total = (np.concatenate([x[:1], x[:-1]]) for x in (known, total))
    predicted: Array = total / np.maximum(known, 1)
    return predicted
