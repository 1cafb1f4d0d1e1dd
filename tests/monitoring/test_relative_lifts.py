"""Relative lifts and their intervals, and values beyond a cap."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_monitoring.experiments.effects import Effect, fixed_horizon
from tidemill_monitoring.experiments.estimates import ArmEstimate
from tidemill_monitoring.experiments.guardrails import Guard, guard
from tidemill_monitoring.experiments.winsorising import winsorised, winsorising_cap

Z = fixed_horizon(0.05)


def arm(value: float, error: float, units: float = 1e6) -> ArmEstimate:
    return ArmEstimate(np.float64(value), np.float64(error**2), np.float64(units))


@pytest.mark.parametrize("treatment", [np.linspace(0.8, 1.2, 41)])
def test_the_lift_is_told_apart_from_zero_with_the_difference(treatment: np.ndarray) -> None:
    """Never one without the other, however noisy the control is."""
    for value in treatment:
        effect = Effect(arm(1, 0.06), arm(value, 0.02))
        lift, difference = effect.lift_interval(Z), effect.difference_interval(Z)
        assert (lift.lower > 0) == (difference.lower > 0)
        assert (lift.upper < 0) == (difference.upper < 0)


def test_a_lift_is_in_its_interval_as_often_as_declared() -> None:
    """95% of 20,000 simulated lifts of 30%, where the delta method's symmetry would fail."""
    rng = np.random.default_rng(2)
    values = rng.normal((1, 1.3), (0.15, 0.1), (20_000, 2))
    variances = np.full(20_000, 0.15**2), np.full(20_000, 0.1**2)
    arms = [ArmEstimate(values[:, i], variances[i], np.full(20_000, 1e6)) for i in range(2)]
    bounds = Effect(arms[0], arms[1]).lift_interval(Z)
    covered = (bounds.lower <= 0.3) & (bounds.upper >= 0.3)
    assert covered.mean() == pytest.approx(0.95, abs=0.006)


def test_a_control_that_may_be_zero_bounds_no_lift() -> None:
    """The interval is infinite instead of precise."""
    bounds = Effect(arm(0.01, 0.01), arm(0.02, 0.01)).lift_interval(Z)
    assert (bounds.lower, bounds.upper) == (-np.inf, np.inf)


@pytest.mark.parametrize("critical", [40.0, 1e3, np.inf])
def test_a_look_too_early_to_judge_bounds_nothing(critical: float) -> None:
    """Beyond the smallest tail that floating point knows, intervals are infinite, not reversed."""
    effect = Effect(arm(1, 0.01), arm(2, 0.01))
    for bounds in (effect.difference_interval(critical), effect.lift_interval(critical)):
        assert (bounds.lower, bounds.upper) == (-np.inf, np.inf)


def test_a_lift_of_nothing_has_no_size() -> None:
    """A control without any event has no lift, and the difference stands."""
    effect = Effect(arm(0, 0), arm(0.02, 0.01))
    assert np.isnan(effect.lift)
    assert effect.difference == 0.02


def test_arms_without_variance_prove_nothing() -> None:
    """No events in either arm: the statistic is 0, not infinite."""
    effect = Effect(arm(0, 0, 50), arm(0, 0, 50))
    assert (effect.statistic, effect.p_value) == (0, 1)
    assert effect.difference_interval(Z).upper == np.inf


@pytest.mark.parametrize(
    ("lift", "expected"),
    [(-0.002, Guard.SAFE), (-0.03, Guard.HARMED), (-0.005, Guard.UNDECIDED), (0.02, Guard.SAFE)],
)
def test_a_guardrail_allows_its_margin(lift: float, expected: Guard) -> None:
    """Worse by surely less than 1% is safe; surely worse, and perhaps by more, is harm."""
    bounds = Effect(arm(1, 0.002), arm(1 + lift, 0.002)).lift_interval(Z)
    assert guard(bounds, 0.01) is expected


def test_a_small_sure_loss_within_the_margin_is_safe() -> None:
    """Non-inferior, though significantly different."""
    bounds = Effect(arm(1, 0.0005), arm(0.996, 0.0005)).lift_interval(Z)
    assert bounds.upper < 0
    assert guard(bounds, 0.01) is Guard.SAFE


def test_the_cap_is_taken_where_something_happened() -> None:
    """Of a hundred buyers among ten thousand, the 99th percentile of the buyers."""
    values = np.zeros(10_000)
    values[:100] = np.arange(1, 101)
    cap = winsorising_cap(values, 0.99)
    assert cap == 99
    assert winsorised(np.array([-500.0, 3, 100]), cap).tolist() == [-99, 3, 99]


def test_without_any_value_nothing_is_capped() -> None:
    """An empty period is not a cap of zero."""
    assert winsorising_cap(np.zeros(5), 0.99) == np.inf
