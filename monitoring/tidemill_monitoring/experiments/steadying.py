"""Variances of small arms, steadied by those of all arms.

A holdout of 5% has seen few large orders. Where values are skewed, its mean and its variance are
too low together, the error looks small just when the mean is wrong, and an A/A test finds an effect
in one of six experiments instead of one of twenty. All arms pooled know the variance far better,
and arms differ little: by about a fifth, it is assumed. Each arm's variance is the mean of its own
and the pooled one, weighted by how well each is known (a shrinkage estimate, after Efron and Morris
1975, "Data Analysis Using Stein's Estimator"). Arms of equal size are compared as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np

from tidemill_monitoring.experiments.estimates import ArmEstimate
from tidemill_monitoring.experiments.moments import Array, Moments

_DIFFERENCE = 0.2
"""Relative, between variances of arms: the standard deviation of what is assumed."""


def own_weight(units: Array | float, kurtosis: Array | float) -> Array:
    """[...] of an arm's variance, whose own relative variance is (kurtosis - 1) / units."""
    noise = (np.asarray(kurtosis) - 1) / np.maximum(units, 1)
    weight: Array = _DIFFERENCE**2 / (_DIFFERENCE**2 + noise)
    return weight


def steadied(arms: Sequence[Moments], estimates: Sequence[ArmEstimate]) -> list[ArmEstimate]:
    """The `estimates` of `arms`, with the same values."""
    pooled = reduce(add, arms)
    between = [arm.variance * arm.units for arm in estimates]
    shared = reduce(add, [v * arm.units for v, arm in zip(between, estimates, strict=True)])
    shared = shared / np.maximum(pooled.units, 1)
    found = []
    for own, arm in zip(between, estimates, strict=True):
        weight = own_weight(arm.units, pooled.kurtosis)
        variance = (weight * own + (1 - weight) * shared) / np.maximum(arm.units, 1)
        found.append(ArmEstimate(arm.value, variance, arm.units))
    return found
