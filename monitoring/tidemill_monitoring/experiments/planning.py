"""How long an experiment must run to notice what matters, exact for the looks it will get.

Power is that of the very boundaries that `looks` will apply on each day, by recursive integration,
not that of a single look at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from tidemill.errors import TidemillError
from tidemill_monitoring.experiments.effects import fixed_horizon
from tidemill_monitoring.experiments.estimates import estimate, past_correlation
from tidemill_monitoring.experiments.looks import (
    SequentialPlan,
    distinct_looks,
    look_critical_values,
)
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.spending import crossing_probabilities
from tidemill_monitoring.experiments.steadying import own_weight

POWER = 0.8
_STEPS = 40
_LARGEST_LIFT = 64.0


@dataclass(frozen=True)
class Baseline:
    """A metric as history knows it, winsorised as the experiment's will be."""

    mean: float
    """A unit's mean; for a ratio, the ratio."""
    variance: float
    """Between units; for a ratio, that of its linear form."""
    correlation: float = 0.0
    """rho with the same metric before the exposure."""
    kurtosis: float = 1.0
    """About zero, of the value or the numerator; how much small arms lean on the others."""

    @classmethod
    def of(cls, history: Moments, is_ratio: bool = False) -> Baseline:
        """From units as the experiment will expose them, with their own past as the covariate."""
        found = estimate(history, is_ratio)
        rho = past_correlation(history, is_ratio)
        variance = float(found.variance * found.units)
        return cls(float(found.value), variance, float(rho), float(history.kurtosis))

    @property
    def remaining_variance(self) -> float:
        """What CUPED leaves of it."""
        return self.variance * (1 - self.correlation**2)


@dataclass(frozen=True)
class Comparison:
    """A treatment against the control, and how sure one wants to be."""

    control_share: float = 0.5
    """Of all exposed units."""
    treatment_share: float = 0.5
    alpha: float = 0.05
    """Two-sided; of several comparisons, divide it by their number, as Holm's first step does."""
    power: float = POWER

    @property
    def shares(self) -> float:
        return self.control_share + self.treatment_share


@dataclass(frozen=True)
class ExperimentPlan:
    """When the smallest effect that matters will be noticed."""

    days: int
    units: float
    """All exposed units by then, in whichever arm."""
    power: float
    """Of noticing it by then, with a look at the end of each day."""

    def sequential(self, comparison: Comparison) -> SequentialPlan:
        """How the comparison is to be looked at."""
        return SequentialPlan(self.units * comparison.shares, comparison.alpha)


def plan(
    lift: float, baseline: Baseline, comparison: Comparison, arrivals: Array
) -> ExperimentPlan | None:
    """The first day by which a relative `lift` is noticed with enough power; None if none is.

    `arrivals` [days]: units exposed and observed to the end of their window by the end of each day,
    cumulative, at present traffic.
    """
    low, high = 0, len(arrivals)
    while low < high:
        middle = (low + high) // 2
        if power(lift, baseline, comparison, arrivals[: middle + 1]) >= comparison.power:
            high = middle
        else:
            low = middle + 1
    if low == len(arrivals):
        return None
    reached = power(lift, baseline, comparison, arrivals[: low + 1])
    return ExperimentPlan(low + 1, float(arrivals[low]), reached)


def power(lift: float, baseline: Baseline, comparison: Comparison, arrivals: Array) -> float:
    """Of noticing a relative `lift` within `arrivals` [days], which are the plan."""
    if arrivals[-1] <= 0:
        return 0.0
    looks = distinct_looks(arrivals / arrivals[-1])
    shares = arrivals[looks] / arrivals[-1]
    boundaries = look_critical_values(shares, SequentialPlan(1.0, comparison.alpha))
    drift = _effect(lift, baseline) / _standard_error(lift, baseline, comparison, arrivals[-1])
    return float(crossing_probabilities(shares.tolist(), boundaries, drift)[-1])


def detectable_lift(baseline: Baseline, comparison: Comparison, arrivals: Array) -> float:
    """The smallest relative lift with enough power within `arrivals`; infinite beyond 6400%."""
    low, high = 0.0, _LARGEST_LIFT
    if power(high, baseline, comparison, arrivals) < comparison.power:
        return np.inf
    for _ in range(_STEPS):
        middle = (low + high) / 2
        is_enough = power(middle, baseline, comparison, arrivals) >= comparison.power
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def sample_size(lift: float, baseline: Baseline, comparison: Comparison, looks: int) -> float:
    """All exposed units that are needed when `looks` equally many units apart are looked at."""
    even = np.arange(1, looks + 1) / looks
    low, high = 0.0, 4 * single_look_size(lift, baseline, comparison)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        is_enough = power(lift, baseline, comparison, middle * even) >= comparison.power
        low, high = (low, middle) if is_enough else (middle, high)
    return high


def single_look_size(lift: float, baseline: Baseline, comparison: Comparison) -> float:
    """All exposed units that would be needed if nobody looked before the end."""
    quantiles = fixed_horizon(comparison.alpha) + float(ndtri(comparison.power))
    one = _standard_error(lift, replace(baseline, kurtosis=1.0), comparison, 1.0)
    return (quantiles * one / _effect(lift, baseline)) ** 2


def _effect(lift: float, baseline: Baseline) -> float:
    if baseline.mean == 0:
        raise TidemillError(
            "the metric's mean in history is 0, so no lift of it has a size",
            hint="choose a metric that has happened, or a longer history",
        )
    return abs(lift * baseline.mean)


def _standard_error(lift: float, baseline: Baseline, comparison: Comparison, units: float) -> float:
    """Of the difference, steadied as it will be. The treatment's variance grows with its mean, as
    it does when the same things happen more often."""
    arms = ((comparison.control_share, 1.0), (comparison.treatment_share, max(0.0, 1 + lift)))
    pooled = sum(share * variance for share, variance in arms) / comparison.shares
    total = 0.0
    for share, variance in arms:
        weight = own_weight(share * units, baseline.kurtosis)
        total += float(weight * variance + (1 - weight) * pooled) / (share * units)
    return float(np.sqrt(baseline.remaining_variance * total))
