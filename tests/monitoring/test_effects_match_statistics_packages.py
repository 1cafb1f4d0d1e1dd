"""Effects from sums equal what scipy and statsmodels find in the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from tidemill_monitoring.experiments.effects import Effect, fixed_horizon
from tidemill_monitoring.experiments.estimates import adjusted, estimate, past_correlation
from tidemill_monitoring.experiments.moments import Array, Moments

RNG = np.random.default_rng(1)


def skewed(units: int, scale: float = 1.0) -> Array:
    return RNG.gamma(0.7, scale, (units, 1))


def effect_of(control: Array, treatment: Array, is_ratio: bool = False) -> Effect:
    return Effect(*(estimate(Moments.of(rows), is_ratio) for rows in (control, treatment)))


@pytest.mark.parametrize("sizes", [(8, 5), (400, 30), (5000, 5000)])
def test_means_are_compared_as_welch_does(sizes: tuple[int, int]) -> None:
    """The p-value and the interval are those of scipy's unequal-variance t-test, at any size."""
    control, treatment = skewed(sizes[0]), skewed(sizes[1], 1.3)
    expected = stats.ttest_ind(treatment[:, 0], control[:, 0], equal_var=False)
    effect = effect_of(control, treatment)
    bounds = effect.difference_interval(fixed_horizon(0.1))
    assert effect.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert (bounds.lower, bounds.upper) == pytest.approx(expected.confidence_interval(0.9))


def test_conversion_rates_are_compared_as_proportions() -> None:
    """The interval is statsmodels' for two proportions, up to n against n - 1."""
    hits = [np.zeros((4000, 1)), np.zeros((9000, 1))]
    hits[0][:200], hits[1][:520] = 1, 1
    bounds = effect_of(*hits).difference_interval(fixed_horizon(0.05))
    expected = confint_proportions_2indep(520, 9000, 200, 4000, method="wald")
    assert (bounds.lower, bounds.upper) == pytest.approx(expected, abs=1e-5)


def test_a_ratio_is_as_uncertain_as_its_jackknife() -> None:
    """The delta method's standard error is that of leaving out one user at a time."""
    views = RNG.integers(1, 30, 2000)
    rows = np.column_stack([RNG.binomial(views, 0.2), views]).astype(float)
    left = rows.sum(axis=0) - rows
    ratios = left[:, 0] / left[:, 1]
    jackknife = (len(rows) - 1) ** 2 / len(rows) * ratios.var(ddof=1)
    found = estimate(Moments.of(rows), is_ratio=True)
    assert found.value == pytest.approx(rows[:, 0].sum() / rows[:, 1].sum())
    assert found.variance == pytest.approx(jackknife, rel=0.01)


def with_past(units: int, shift: float) -> Array:
    past = RNG.gamma(2, 1, units)
    return np.column_stack([0.8 * past + RNG.normal(shift, 1, units), past])


def test_cuped_is_analysis_of_covariance() -> None:
    """The corrected difference and its error are the regression's, with the past as covariate."""
    control, treatment = with_past(3000, 0), with_past(2000, 0.1)
    rows = np.vstack([control, treatment])
    is_treated = np.repeat([0.0, 1.0], [3000, 2000])
    design = sm.add_constant(np.column_stack([is_treated, rows[:, 1]]))
    expected = sm.OLS(rows[:, 0], design).fit()
    effect = Effect(*adjusted([Moments.of(control), Moments.of(treatment)]))
    assert effect.difference == pytest.approx(expected.params[1], rel=1e-9)
    assert effect.standard_error == pytest.approx(expected.bse[1], rel=0.02)


def test_cuped_leaves_what_the_past_does_not_explain() -> None:
    """1 - rho^2 of the variance, as the planner assumes."""
    arms = [Moments.of(with_past(20_000, shift)) for shift in (0, 0.1)]
    rho = float(past_correlation(arms[0]))
    plain = Effect(*(estimate(arm) for arm in arms)).standard_error
    left = (Effect(*adjusted(arms)).standard_error / plain) ** 2
    assert left == pytest.approx(1 - rho**2, rel=0.02)
    assert rho == pytest.approx(0.8 * np.sqrt(2) / np.sqrt(0.64 * 2 + 1), abs=0.02)


def ratio_with_past(units: int, rate: float) -> Array:
    taste, views = RNG.beta(4, 12, units), RNG.integers(20, 60, (units, 2))
    clicks = [RNG.binomial(views[:, 0], taste * rate), RNG.binomial(views[:, 1], taste)]
    return np.column_stack([clicks[0], views[:, 0], clicks[1], views[:, 1]]).astype(float)


def test_cuped_corrects_ratios_too() -> None:
    """By 1 - rho^2 of the variance between experiments, and no truth goes with it."""
    plain, better = [], []
    for _ in range(300):
        arms = [Moments.of(ratio_with_past(300, rate)) for rate in (1, 1.1)]
        plain.append(Effect(*(estimate(arm, True) for arm in arms)).difference)
        better.append(Effect(*adjusted(arms, True)).difference)
    rho = past_correlation(Moments.of(ratio_with_past(100_000, 1)), True)
    assert np.var(better) / np.var(plain) == pytest.approx(1 - rho**2, abs=0.08)
    assert np.mean(better) == pytest.approx(0.025, abs=4 * np.std(better) / np.sqrt(300))


def linear_form(rows: Array, means: Array) -> Array:
    ratio = means[0] / means[1]
    return ratio + (rows[:, 0] - ratio * rows[:, 1]) / means[1]


def test_cuped_of_a_ratio_is_that_of_its_linear_form() -> None:
    """Numerator minus ratio times denominator, over the mean denominator; now and before."""
    arms = [ratio_with_past(600, rate) for rate in (1, 1.2)]
    pooled = np.vstack(arms).mean(axis=0)
    before = [linear_form(rows[:, 2:], pooled[2:]) for rows in arms]
    now = [linear_form(rows[:, :2], rows[:, :2].mean(axis=0)) for rows in arms]
    treated = np.repeat([0.0, 1.0], 600)
    design = sm.add_constant(np.column_stack([treated, np.concatenate(before)]))
    expected = sm.OLS(np.concatenate(now), design).fit()
    effect = Effect(*adjusted([Moments.of(rows) for rows in arms], is_ratio=True))
    assert effect.difference == pytest.approx(expected.params[1], rel=1e-9)
    assert effect.standard_error == pytest.approx(expected.bse[1], rel=0.03)


def test_without_a_past_nothing_is_corrected() -> None:
    """New users only, or no column for the past: CUPED is the plain estimate."""
    rows = np.column_stack([skewed(50)[:, 0], np.zeros(50)])
    alone = [Moments.of(rows[:, :1]), Moments.of(rows[:30, :1])]
    empty = [Moments.of(rows), Moments.of(rows[:30])]
    for arms in (alone, empty):
        for found, arm in zip(adjusted(arms), arms, strict=True):
            assert float(found.value) == pytest.approx(float(estimate(arm).value))
            assert float(found.variance) == pytest.approx(float(estimate(arm).variance))


def test_sums_add_over_days() -> None:
    """Moments of days, added or cumulated, are those of all rows at once."""
    rows = RNG.poisson(0.5, (900, 2)).astype(float)
    whole, parts = Moments.of(rows), [Moments.of(part) for part in np.split(rows, 3)]
    added = parts[0] + parts[1] + parts[2]
    stacked = Moments(*(np.stack([vars(part)[key] for part in parts]) for key in vars(whole)))
    for found in (added, Moments(*(value[-1] for value in vars(stacked.cumulated()).values()))):
        for key, value in vars(whole).items():
            np.testing.assert_allclose(vars(found)[key], value)


def test_nobody_is_no_estimate_and_no_error() -> None:
    """Arms of no users, and of one, have no variance and prove nothing."""
    rows = np.ones((1, 4))
    for is_ratio in (False, True):
        arms = [Moments.of(rows[:0]), Moments.of(rows)]
        for pair in ([estimate(arm, is_ratio) for arm in arms], adjusted(arms, is_ratio)):
            assert Effect(*pair).p_value == 1
