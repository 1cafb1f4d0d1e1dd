"""A bandit: who gets how much, and what can be learnt from it afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from tidemill.errors import TidemillError
from tidemill_monitoring.experiments.bandit import (
    allocate,
    inverse_propensity,
    probability_best,
)
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.mixture import mixture_critical_values
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.readings import read_bandit


def conversions(units: Array, hits: Array) -> Moments:
    return Moments(units, hits, hits[..., None], hits[..., None, None], hits)


def arm(units: float, hits: float) -> Moments:
    return conversions(np.float64(units), np.float64(hits))


def test_two_arms_share_as_the_normal_distribution_says() -> None:
    """The closed form of the difference of two normal variables."""
    found = probability_best(np.array([1.0, 1.2]), np.array([0.3, 0.1]))
    assert found[1] == pytest.approx(ndtr(0.2 / np.hypot(0.3, 0.1)), abs=1e-6)


def test_several_arms_share_as_draws_say() -> None:
    """To the precision of 200,000 draws, also where one arm is known far better."""
    means, deviations = np.array([0.0, 0.1, 0.3, -1]), np.array([0.5, 0.3, 0.01, 1.5])
    drawn = np.random.default_rng(6).normal(means, deviations, (200_000, 4)).argmax(axis=1)
    found = probability_best(means, deviations)
    assert found == pytest.approx(np.bincount(drawn, minlength=4) / 200_000, abs=0.005)


def test_the_better_arm_gets_more_and_the_worse_one_its_floor() -> None:
    """Probabilities sum to 1 and none is below the floor, so that all can be evaluated."""
    found = allocate([arm(5000, 250), arm(5000, 400), arm(5000, 100)], 0.05)
    assert found == pytest.approx([0.05, 0.9, 0.05], abs=1e-4)
    assert found.sum() == pytest.approx(1)


def test_nothing_is_learnt_from_a_handful() -> None:
    """Equal shares until each arm has enough units with a value."""
    assert allocate([arm(500, 19), arm(500, 400)], 0.05).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("floor", [0, 0.4])
def test_an_impossible_floor_is_refused(floor: float) -> None:
    """Zero would make an arm impossible to evaluate, and three times 0.4 is more than 1."""
    with pytest.raises(TidemillError, match="3 probabilities"):
        allocate([arm(100, 50)] * 3, floor)


def bandit(rng: np.random.Generator) -> tuple[Moments, Array]:
    """Twenty days of 100 users, two equal arms; a greedy rule starves whoever had bad luck."""
    units, hits, shares = np.zeros((20, 2)), np.zeros((20, 2)), []
    for day in range(20):
        rates = (hits.sum(axis=0) + 1) / (units.sum(axis=0) + 2)
        shares.append(np.where(rates == rates.max(), 0.9, 0.1) if day else np.full(2, 0.5))
        shares[-1] = shares[-1] / shares[-1].sum()
        units[day] = rng.multinomial(100, shares[-1])
        hits[day] = rng.binomial(units[day].astype(int), 0.3)
    return conversions(units, hits), np.array(shares)


def test_what_a_bandit_did_can_be_evaluated_without_bias() -> None:
    """Plain means are too low, estimates by propensity are not, and their intervals hold."""
    rng, plain, found = np.random.default_rng(8), [], []
    for _ in range(1500):
        days, shares = bandit(rng)
        plain.append(days.sums[:, 0, 0].sum() / days.units[:, 0].sum())
        found.append(inverse_propensity(days, shares)[0])
    values = np.array([estimate.value[-1] for estimate in found])
    errors = np.sqrt([estimate.variance[-1] for estimate in found])
    assert np.mean(plain) < 0.3 - 5 * np.std(plain) / np.sqrt(1500)
    assert values.mean() == pytest.approx(0.3, abs=3 * values.std() / np.sqrt(1500))
    assert (np.abs(values - 0.3) < 1.96 * errors).mean() > 0.93


def test_days_that_differ_do_not_favour_the_arm_shown_on_good_ones() -> None:
    """Two equal arms, one shown mostly on a day with twice the rate."""
    units = np.array([[500.0, 500], [900, 100]])
    days = conversions(units, units * [[0.1], [0.2]])
    found = inverse_propensity(days, units / 1000)
    assert [estimate.value[-1] for estimate in found] == pytest.approx([0.15, 0.15])


def test_a_day_is_predicted_by_the_days_before_it() -> None:
    """On the second, 120 of 1000 instead of a tenth did twice as well as was known of the arm."""
    units = np.array([[500.0, 500], [880, 120]])
    days = conversions(units, units * [[0.1, 0.1], [0.1, 0.2]])
    found = inverse_propensity(days, np.array([[0.5, 0.5], [0.9, 0.1]]))[1]
    assert found.value == pytest.approx([0.1, (0.1 + (0.1 + 12 / 100)) / 2])


def test_a_bandit_that_never_learns_is_an_experiment() -> None:
    """With constant probabilities its information is its number of users."""
    units = np.full((8, 2), 500.0)
    (found,) = read_bandit(conversions(units, units * 0.2), units / 1000, SequentialPlan(4000))
    users = np.arange(1, 9) * 1000.0
    assert found.critical == pytest.approx(mixture_critical_values(users, 4000, 0.05), rel=1e-3)


def test_a_bandit_can_be_read_every_day() -> None:
    """Equal arms are told apart in at most 5% of bandits, however greedily they were allocated."""
    rng, plan = np.random.default_rng(9), SequentialPlan(2000)
    readings = [read_bandit(*bandit(rng), plan)[0] for _ in range(1500)]
    assert np.mean([reading.decided_on is not None for reading in readings]) <= 0.05


def test_a_bandit_finds_what_is_there() -> None:
    """A worse arm is shown rarely, and known to be worse all the same."""
    rates, units = np.array([0.3, 0.1]), np.tile([900.0, 100], (20, 1))
    units[0] = 500
    days = conversions(units, units * rates)
    (found,) = read_bandit(days, units / 1000, SequentialPlan(20_000))
    assert found.decided_on is not None
    assert found.effect.difference[-1] == pytest.approx(-0.2)
