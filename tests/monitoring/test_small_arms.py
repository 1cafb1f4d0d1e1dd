"""Arms of very different size: a holdout of 5% errs no more often than an even split."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_monitoring.experiments.effects import Effect, fixed_horizon
from tidemill_monitoring.experiments.estimates import estimate
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.steadying import own_weight, steadied

RNG = np.random.default_rng(11)


def orders(units: int) -> Array:
    """One in ten buys, for log-normal amounts."""
    return RNG.lognormal(0, 1.2, (units, 1)) * (RNG.random((units, 1)) < 0.1)


def is_found(arms: list[Moments], is_steadied: bool) -> bool:
    found = [estimate(arm) for arm in arms]
    effect = Effect(*(steadied(arms, found) if is_steadied else found))
    return bool(abs(effect.statistic) > fixed_horizon(0.05))


def test_a_small_arm_leans_on_the_large_one() -> None:
    """400 against 7600 units with heavy tails: 5% false alarms, where Welch's test has 8%."""
    pairs = [[Moments.of(orders(400)), Moments.of(orders(7600))] for _ in range(2000)]
    assert np.mean([is_found(arms, True) for arms in pairs]) <= 0.06
    assert np.mean([is_found(arms, False) for arms in pairs]) > 0.08


def test_equal_arms_are_compared_as_before() -> None:
    """Whatever the variances are, their mean stays."""
    arms = [Moments.of(orders(500)), Moments.of(3 * orders(500))]
    plain = [estimate(arm) for arm in arms]
    errors = [Effect(*found).standard_error for found in (plain, steadied(arms, plain))]
    assert errors[0] == pytest.approx(errors[1])


def test_what_is_well_known_stands_on_its_own() -> None:
    """Many units, or light tails; the kurtosis of a conversion rate is one over it."""
    assert own_weight(1e7, 20.0) > 0.99
    assert own_weight(1000, 1.0) == 1
    assert own_weight(100, 1000.0) < 0.01
    assert Moments.of(np.eye(50, 1)).kurtosis == pytest.approx(50)
