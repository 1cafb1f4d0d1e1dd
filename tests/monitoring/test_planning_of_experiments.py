"""Plans: as long as needed, no longer, and as powerful as promised."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from tidemill.errors import TidemillError
from tidemill_monitoring.experiments.effects import Effect
from tidemill_monitoring.experiments.estimates import estimate
from tidemill_monitoring.experiments.looks import look_critical_values
from tidemill_monitoring.experiments.moments import Moments
from tidemill_monitoring.experiments.planning import (
    Baseline,
    Comparison,
    detectable_lift,
    plan,
    power,
    sample_size,
    single_look_size,
)

CONVERSION = Baseline(0.05, 0.05 * 0.95)
ARRIVALS = np.arange(1, 61) * 5000.0


def test_a_single_look_is_planned_as_statsmodels_does() -> None:
    """For unequal arms; tiny lifts, so that both arms vary alike."""
    comparison = Comparison(0.2, 0.8)
    arm = NormalIndPower().solve_power(0.001, alpha=0.05, power=0.8, ratio=4)
    assert single_look_size(0.001, Baseline(1, 1), comparison) == pytest.approx(5 * arm, rel=1e-3)


def test_a_plan_ends_on_the_first_day_with_enough_power() -> None:
    """The day before has too little."""
    found = plan(0.1, CONVERSION, Comparison(), ARRIVALS)
    assert found is not None
    assert found.power >= 0.8 > power(0.1, CONVERSION, Comparison(), ARRIVALS[: found.days - 1])
    assert found.units == ARRIVALS[found.days - 1]


def test_a_small_arm_that_leans_on_a_varying_one_needs_more_users() -> None:
    """Heavy tails, a holdout of 5% and a lift of 50%; at equal arms, tails change nothing."""
    heavy = Baseline(1.0, 100.0, kurtosis=2000.0)
    plain = Baseline(1.0, 100.0)
    for comparison, ratio in ((Comparison(0.05, 0.95), 1.3), (Comparison(), 1.0)):
        sizes = [sample_size(0.5, base, comparison, 14) for base in (heavy, plain)]
        assert sizes[0] / sizes[1] == pytest.approx(ratio, abs=0.1)


@pytest.mark.parametrize("lift", [0.05, 0.2, 0.6])
def test_a_plan_keeps_its_promise(lift: float) -> None:
    """Experiments that use it notice the lift as often as it says, to two points."""
    traffic = np.cumsum(np.full(60, round(600 / lift**2 / 5)))
    promised = plan(lift, CONVERSION, Comparison(), traffic.astype(float))
    assert promised is not None
    daily, rng = np.full((4000, promised.days), traffic[0] // 2), np.random.default_rng(3)
    arms = []
    for rate in (0.05, 0.05 * (1 + lift)):
        hits = rng.binomial(daily, rate)[..., None].astype(float)
        sums = Moments(daily * 1.0, hits[..., 0], hits, hits[..., None], hits[..., 0])
        arms.append(sums.cumulated(1))
    effect = Effect(*(estimate(arm) for arm in arms))
    units = 2 * arms[0].units[0]
    critical = look_critical_values(units, promised.sequential(Comparison()))
    noticed = (np.abs(effect.statistic) >= critical).any(axis=1).mean()
    assert noticed == pytest.approx(promised.power, abs=0.02)


def test_looking_daily_costs_a_few_percent() -> None:
    """More than a single look, and less than a seventh more at two months of looks."""
    single = single_look_size(0.1, CONVERSION, Comparison())
    sizes = [sample_size(0.1, CONVERSION, Comparison(), looks) for looks in (7, 14, 60)]
    assert single < sizes[0] < sizes[1] < sizes[2] < single * 8 / 7


def test_the_detectable_lift_is_the_plans_inverse() -> None:
    """What is planned for a lift detects just about that lift."""
    found = plan(0.08, CONVERSION, Comparison(), ARRIVALS)
    assert found is not None
    lift = detectable_lift(CONVERSION, Comparison(), ARRIVALS[: found.days])
    assert lift == pytest.approx(0.08, rel=0.03)
    assert lift <= 0.08


def test_the_past_shortens_a_plan_by_what_it_explains() -> None:
    """rho of 0.8 leaves 36% of the users, at equally many looks."""
    known = Baseline(0.05, 0.0475, correlation=0.8)
    sizes = [sample_size(0.1, base, Comparison(), 14) for base in (CONVERSION, known)]
    assert sizes[1] / sizes[0] == pytest.approx(0.36, rel=1e-3)


def test_a_baseline_is_read_from_history() -> None:
    """Mean, variance between users and correlation with their past, from sums alone."""
    rng = np.random.default_rng(5)
    past = rng.gamma(2, 1, 5000)
    rows = np.column_stack([past + rng.normal(0, 1, 5000), past])
    found = Baseline.of(Moments.of(rows))
    assert found.mean == pytest.approx(rows[:, 0].mean())
    assert found.variance == pytest.approx(rows[:, 0].var(ddof=1))
    assert found.correlation == pytest.approx(np.corrcoef(rows.T)[0, 1])


def test_a_comparison_of_two_arms_counts_only_their_users() -> None:
    """With a third arm of 40%, three in five exposed users are compared."""
    comparison = Comparison(0.3, 0.3)
    found = plan(0.1, CONVERSION, comparison, ARRIVALS)
    assert found is not None
    assert found.sequential(comparison).planned_units == pytest.approx(0.6 * found.units)


def test_days_before_the_first_window_closes_are_no_looks() -> None:
    """An experiment whose outcomes take two weeks has nothing to see in them."""
    delayed = np.concatenate([np.zeros(14), ARRIVALS])
    direct, later = (plan(0.1, CONVERSION, Comparison(), a) for a in (ARRIVALS, delayed))
    assert direct is not None
    assert later is not None
    assert (later.days, later.power) == (direct.days + 14, direct.power)


def test_what_cannot_be_noticed_is_not_planned() -> None:
    """Too little traffic is no plan, not a long one."""
    assert plan(0.001, CONVERSION, Comparison(), ARRIVALS) is None
    assert plan(0.1, CONVERSION, Comparison(), np.zeros(30)) is None
    assert detectable_lift(CONVERSION, Comparison(), np.array([1.0])) == np.inf


def test_a_metric_that_never_happened_has_no_plan() -> None:
    """The error says so, instead of dividing by zero."""
    with pytest.raises(TidemillError, match="mean in history is 0"):
        plan(0.1, Baseline(0, 0), Comparison(), ARRIVALS)
