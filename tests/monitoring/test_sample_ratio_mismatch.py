"""Sample-ratio mismatch: found when it is there, silent when it is not, however often one looks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tidemill_monitoring.experiments.moments import Array
from tidemill_monitoring.experiments.sample_ratio import (
    mismatches,
    multinomial_evidence,
    sample_ratio,
)

EVEN = np.array([0.5, 0.5])
PLANNED = 20_000


def counts(shares: Array, experiments: int, days: int = 14, total: int = 20_000) -> Array:
    """Cumulative [experiments, days, arms]."""
    daily = np.diff(np.round(np.linspace(0, total, days + 1))).astype(int)
    drawn = np.random.default_rng(3).multinomial(daily, shares, (experiments, days))
    return drawn.cumsum(axis=1).astype(float)


def test_fifty_two_to_forty_eight_is_found_in_twenty_thousand() -> None:
    """In at least 99 of 100 experiments, to the precision of 30,000 of them."""
    found = mismatches(counts(np.array([0.52, 0.48]), 30_000), EVEN, PLANNED).any(axis=1)
    assert found.mean() >= 0.99 - 2 * np.sqrt(0.99 * 0.01 / 30_000)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.05, 0.95), (0.25, 0.25, 0.25, 0.25)])
@pytest.mark.parametrize("ends", [True, False])
def test_sound_splits_raise_an_alarm_once_in_a_thousand(
    shares: tuple[float, ...], ends: bool
) -> None:
    """With daily looks, to the precision of 30,000 experiments."""
    declared = np.array(shares)
    alarms = mismatches(counts(declared, 30_000), declared, PLANNED, ends=ends).any(axis=1)
    assert alarms.mean() <= 0.001 + 2.6 * np.sqrt(0.001 / 30_000)


def test_the_shown_p_value_is_pearsons() -> None:
    """Of the newest look alone, as anybody can check it."""
    found = sample_ratio(np.array([[10.0, 12, 9], [505, 480, 515]]), np.full(3, 1 / 3), PLANNED)
    assert found.p_value == pytest.approx(stats.chisquare([505, 480, 515]).pvalue)
    assert found.expected.tolist() == [500, 500, 500]
    assert not found.is_mismatch


def test_at_the_planned_size_two_weeks_of_looks_cost_almost_nothing() -> None:
    """A deviation of 3.33 suffices, where a single chi-square test needs 3.29."""
    balanced = np.linspace(0, 10_000, 15)[1:, None] * np.ones(2)
    balanced[-1] += np.array([1, -1]) * 3.33 * np.sqrt(20_000) / 2
    assert sample_ratio(balanced, EVEN, PLANNED).is_mismatch


def test_a_gross_mismatch_is_found_on_the_first_day() -> None:
    """Long before the plan's end, which is all that a single test could judge."""
    assert sample_ratio(np.array([[600.0, 400]]), EVEN, PLANNED).is_mismatch


def test_an_alarm_is_not_taken_back() -> None:
    """A mismatch that later days dilute was one."""
    diluted = np.array([[700.0, 300], [10_200, 9_800]])
    assert sample_ratio(diluted, EVEN, PLANNED).is_mismatch


def test_evidence_is_the_dirichlet_multinomial_bayes_factor() -> None:
    """As scipy computes both likelihoods."""
    shares, found = np.array([0.2, 0.3, 0.5]), np.array([30, 18, 52])
    evidence = multinomial_evidence(found * 1.0, shares, 100.0, 0.01)
    sizes = [multinomial_prior(shares)]
    expected = stats.dirichlet_multinomial.logpmf(found, sizes[0], 100)
    assert evidence == pytest.approx(expected - stats.multinomial.logpmf(found, 100, shares))


def multinomial_prior(shares: Array) -> Array:
    level = -2 * np.log(0.01)
    return shares * 100 / (level + np.log(level + 1))


def test_an_experiment_without_users_is_no_mismatch() -> None:
    """Nor is its first quiet day."""
    assert not sample_ratio(np.zeros((2, 2)), EVEN, PLANNED).is_mismatch
    assert sample_ratio(np.zeros((2, 2)), EVEN, PLANNED).p_value == 1
