"""How good predicted values are, on cases whose answer is known."""

import numpy as np
import pytest

from tidemill.lifetime_value.measures import (
    capture,
    compare,
    deciles,
    measure,
    observed_over_predicted,
)

RNG = np.random.default_rng(0)
SPENT = RNG.gamma(0.4, 50.0, 2000) * (RNG.random(2000) < 0.4)


def test_a_perfect_prediction_explains_everything():
    """Order, level and deciles are right; nobody is believed to spend less than a hundredth."""
    found = measure(SPENT, np.maximum(SPENT, 1e-9))
    assert found.explained == pytest.approx(1, abs=0.01)
    assert found.correlation == pytest.approx(1)
    assert found.predicted_over_observed == pytest.approx(1)
    assert found.decile_error == pytest.approx(0, abs=1e-9)


def test_the_mean_for_everybody_explains_nothing():
    """And its highest tenth is any tenth."""
    found = measure(SPENT, np.full(len(SPENT), SPENT.mean()))
    assert found.explained == pytest.approx(0, abs=1e-9)
    assert found.capture == pytest.approx(0.1)
    assert found.correlation == 0


def test_twice_too_much_is_a_decile_error_of_one():
    """Every tenth is off by what it spent."""
    found = measure(SPENT, 2 * np.maximum(SPENT, 1e-9))
    assert found.predicted_over_observed == pytest.approx(2)
    assert found.decile_error == pytest.approx(1, abs=1e-6)


def test_capture_is_what_the_highest_tenth_holds():
    """Two of twenty users spent 30 of 100, and were predicted highest."""
    spent = np.array([20.0, 10.0] + [70 / 18] * 18)
    assert capture(spent, np.array([9.0, 8.0] + [1.0] * 18)) == pytest.approx(0.3)


def test_deciles_are_ordered_and_hold_everybody():
    """The lowest first."""
    found = deciles(SPENT, SPENT + 1)
    assert sum(each.users for each in found) == len(SPENT)
    assert [each.predicted for each in found] == sorted(each.predicted for each in found)


def test_the_better_prediction_is_better_beyond_doubt():
    """And a prediction is no better than itself."""
    good, bad = SPENT + 5, np.full(len(SPENT), SPENT.mean())
    assert compare(SPENT, good, bad).lower > 0
    assert compare(SPENT, good, good).difference == 0


def test_kept_is_what_came_of_one_that_was_predicted():
    """Half of it, with an interval around."""
    kept, lower, upper = observed_over_predicted(SPENT, np.full(len(SPENT), 2 * SPENT.mean()))
    assert kept == pytest.approx(0.5)
    assert lower < 0.5 < upper


def test_refunds_do_not_break_the_measures():
    """Who got more back than was spent counts as having spent nothing."""
    found = measure(np.array([-5.0, 10.0, 20.0] * 10), np.array([1.0, 10.0, 20.0] * 10))
    assert np.isfinite(found.explained)
