"""What an arm's metric is and how precisely it is known: means, ratios, and both with CUPED.

Every estimate is, to first order, the mean of a weighted sum of columns, so that one rule gives all
variances: weights' covariances weights / units. For a mean the weights pick the value. For a ratio
they are those of the delta method (Deng, Knoblich and Lu 2018, "Applying the Delta Method in
Metric Analytics"). CUPED subtracts the same sum before the exposure, times theta (Deng, Xu, Kohavi
and Walker 2013, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
Pre-Experiment Data").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from tidemill_monitoring.experiments.moments import Array, Moments


@dataclass(frozen=True)
class ArmEstimate:
    """A metric of one arm."""

    value: Array
    """[...] in the metric's unit; for a ratio, the sum of numerators over that of denominators."""
    variance: Array
    """[...] of the value, that is, its standard error squared."""
    units: Array


def estimate(arm: Moments, is_ratio: bool = False) -> ArmEstimate:
    """The arm's mean or ratio."""
    value, weights = _outcome(arm, is_ratio)
    return ArmEstimate(value, _variance(arm, weights), arm.units)


def adjusted(arms: Sequence[Moments], is_ratio: bool = False) -> list[ArmEstimate]:
    """The same for all arms, corrected for what their units did before the exposure (CUPED).

    Theta is pooled within arms, so no effect of an arm leaks into it; where nothing was done
    before, nothing is corrected. The pooled mean of the past is taken as known: it cancels in a
    difference.
    """
    pooled = reduce(add, arms)
    past = _past(pooled, is_ratio)
    outcomes = [_outcome(arm, is_ratio) for arm in arms]
    theta = _theta(arms, [weights for _, weights in outcomes], past)
    found = []
    for arm, (value, weights) in zip(arms, outcomes, strict=True):
        lead = np.sum(past * (arm.means - pooled.means), axis=-1)
        form = weights - theta[..., None] * past
        found.append(ArmEstimate(value - theta * lead, _variance(arm, form), arm.units))
    return found


def past_correlation(arm: Moments, is_ratio: bool = False) -> Array:
    """rho between a unit's metric and the same before; CUPED leaves 1 - rho^2 of the variance."""
    _, weights = _outcome(arm, is_ratio)
    past, covariances = _past(arm, is_ratio), arm.covariances
    spread = _form(weights, covariances, weights) * _form(past, covariances, past)
    shared = _form(weights, covariances, past)
    return shared * np.sqrt(_inverse(np.maximum(spread, 0)))


def _theta(arms: Sequence[Moments], outcomes: Sequence[Array], past: Array) -> Array:
    """[...] regression of the outcome on the past within arms."""
    shared = spread = np.zeros(arms[0].units.shape)
    for arm, weights in zip(arms, outcomes, strict=True):
        shared = shared + (arm.units - 1) * _form(weights, arm.covariances, past)
        spread = spread + (arm.units - 1) * _form(past, arm.covariances, past)
    return shared * _inverse(spread)


def _outcome(arm: Moments, is_ratio: bool) -> tuple[Array, Array]:
    """The estimate [...] and its weights [..., columns]; a ratio to nothing is zero."""
    means = arm.means
    weights = np.zeros_like(means)
    if not is_ratio:
        weights[..., 0] = 1
        return means[..., 0], weights
    inverse = _inverse(means[..., 1])
    ratio = means[..., 0] * inverse
    weights[..., 0] = inverse
    weights[..., 1] = -ratio * inverse
    return ratio, weights


def _past(pooled: Moments, is_ratio: bool) -> Array:
    """Weights [..., columns] of the same metric before the exposure; zeros where there was none."""
    means = pooled.means
    weights = np.zeros_like(means)
    if means.shape[-1] != (4 if is_ratio else 2):
        return weights
    if not is_ratio:
        weights[..., 1] = 1
        return weights
    inverse = _inverse(means[..., 3])
    weights[..., 2] = inverse
    weights[..., 3] = -means[..., 2] * inverse**2
    return weights


def _variance(arm: Moments, weights: Array) -> Array:
    """[...] of the mean of the weighted columns."""
    return _form(weights, arm.covariances, weights) / np.maximum(arm.units, 1)


def _inverse(values: Array) -> Array:
    """1 over values [...], and 0 where there is none."""
    return np.where(values != 0, 1 / np.where(values != 0, values, 1), 0)


def _form(left: Array, covariances: Array, right: Array) -> Array:
    form: Array = np.einsum("...i,...ij,...j->...", left, covariances, right)
    return form
