"""The effect of a treatment: difference and relative lift, with intervals and the test statistic.

Critical values are quantiles of the normal distribution, as the boundaries of daily looks are.
Small samples get the point of Student's distribution with the same tail and Welch's degrees of
freedom (Welch 1947), so that one number serves a fixed horizon and every look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from tidemill_monitoring.experiments.estimates import ArmEstimate
from tidemill_monitoring.experiments.moments import Array


def fixed_horizon(alpha: float) -> float:
    """Two-sided critical value of one look at a time decided beforehand."""
    return float(-ndtri(alpha / 2))


@dataclass(frozen=True)
class Interval:
    """Bounds [...]; infinite where the data says nothing."""

    lower: Array
    upper: Array


@dataclass(frozen=True)
class Effect:
    """An arm against the control; arms are independent samples."""

    control: ArmEstimate
    treatment: ArmEstimate

    @property
    def difference(self) -> Array:
        """Treatment minus control, in the metric's unit."""
        return self.treatment.value - self.control.value

    @property
    def lift(self) -> Array:
        """The difference over the control's value; NaN where that is zero."""
        value = self.control.value
        return self.difference / np.where(value == 0, np.nan, value)

    @property
    def standard_error(self) -> Array:
        """Of the difference."""
        return np.sqrt(self.control.variance + self.treatment.variance)

    @property
    def statistic(self) -> Array:
        """The standard normal quantile that is as extreme as the difference; 0 without variance."""
        error = self.standard_error
        t = self.difference / np.where(error > 0, error, np.inf)
        statistic: Array = -np.sign(t) * ndtri(stdtr(self._freedom, -np.abs(t)))
        return statistic

    @property
    def p_value(self) -> Array:
        """Two-sided, for one look at a time decided beforehand (Welch's t-test)."""
        p_value: Array = 2 * ndtr(-np.abs(self.statistic))
        return p_value

    def difference_interval(self, critical: Array | float) -> Interval:
        """Excludes zero exactly when |statistic| > critical; infinite where nothing varies."""
        point = self._student(critical)
        half = np.where(
            np.isfinite(point), np.nan_to_num(point, posinf=0) * self.standard_error, np.inf
        )
        return Interval(self.difference - half, self.difference + half)

    def lift_interval(self, critical: Array | float) -> Interval:
        """Of the relative lift (Fieller 1954); excludes zero exactly when the difference's does.

        Infinite on both sides while the control's value is not told apart from zero.
        """
        point = self._student(critical)
        squared = np.nan_to_num(point, posinf=0) ** 2
        base, value = self.control.value, self.treatment.value
        spread = base**2 - squared * self.control.variance
        told_apart = (spread > 0) & np.isfinite(point)
        spread = np.where(told_apart, spread, 1)
        over = value**2 - squared * self.treatment.variance
        root = np.sqrt(np.maximum((base * value) ** 2 - spread * over, 0))
        lower = np.where(told_apart, (base * value - root) / spread - 1, -np.inf)
        upper = np.where(told_apart, (base * value + root) / spread - 1, np.inf)
        return Interval(lower, upper)

    @property
    def _freedom(self) -> Array:
        arms = (self.control, self.treatment)
        parts = [(arm.variance, np.maximum(arm.units - 1, 1)) for arm in arms]
        summed = sum(variance**2 / units for variance, units in parts)
        total = (parts[0][0] + parts[1][0]) ** 2
        return np.where(summed > 0, total / np.where(summed > 0, summed, 1), 1)

    def _student(self, critical: Array | float) -> Array:
        """The point of Student's distribution; infinite where its tail or the variance is zero."""
        tail = ndtr(-np.asarray(critical))
        is_bounded = (tail > 0) & (self.standard_error > 0)
        return np.where(is_bounded, -stdtrit(self._freedom, np.where(tail > 0, tail, 0.5)), np.inf)
