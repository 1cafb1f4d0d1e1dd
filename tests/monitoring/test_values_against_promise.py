"""Values that were answered, once their horizon is over."""

import numpy as np
import pytest

from tidemill_monitoring.valuing.promises import (
    ValueOutcomes,
    ValuePromise,
    judge_spending,
    judge_values,
)
from tidemill_monitoring.verdicts import Status

USERS = 2000


def outcomes(factor=1.0, users=USERS, seed=0, shuffled=False, world=1.0):
    """Customers who spend about what is predicted, times `factor` of it."""
    rng = np.random.default_rng(seed)
    mean = rng.gamma(1.0, 40.0, users)
    bought = rng.poisson(mean / 20)
    observed = world * bought * rng.gamma(5.0, 4.0, users)
    predicted = rng.permutation(mean) if shuffled else mean
    return ValueOutcomes(factor * world * predicted, observed, bought.astype(float))


def promise(**changes):
    metrics = {"capture": 0.33, "decile_error": 0.05, "mean_value": 40.0, **changes}
    return ValuePromise("1", metrics, is_same_horizon=True)


def test_values_that_come_true_are_as_promised():
    """Total, order and deciles."""
    verdict = judge_values(outcomes(), promise())
    assert verdict.status is Status.OK
    assert verdict.evidence["predicted_over_observed"]["observed"] == pytest.approx(1, abs=0.06)
    assert len(verdict.evidence["deciles"]) == 10


@pytest.mark.parametrize(("factor", "side"), [(1.6, "high"), (0.5, "low")])
def test_a_total_that_is_off_calls_for_action(factor, side):
    """Half too much, or half as much as came."""
    verdict = judge_values(outcomes(factor), promise())
    assert verdict.status is Status.ACT
    assert verdict.sentence.startswith(f"Values are too {side}: ")


def test_an_order_that_is_lost_calls_for_action():
    """The highest tenth holds a tenth, where a third was promised."""
    verdict = judge_values(outcomes(shuffled=True), promise())
    assert verdict.status is Status.ACT
    assert "33% was promised" in verdict.sentence


def test_few_customers_decide_nothing():
    """And it is said how many are needed."""
    verdict = judge_values(outcomes(users=50), promise())
    assert verdict.status is Status.UNDECIDED
    assert "only 50 users" in verdict.sentence


def test_calm_windows_raise_no_alarm():
    """In 40 windows of the same world."""
    statuses = [
        judge_values(outcomes(seed=seed, users=600), promise()).status for seed in range(40)
    ]
    assert sum(status is Status.OK for status in statuses) >= 38


def test_spending_that_moved_is_watched_where_predictions_followed():
    """Retraining cannot tell more."""
    verdict = judge_spending(outcomes(world=1.6), promise())
    assert verdict.status is Status.WATCH
    assert "moved with it" in verdict.sentence


def test_spending_that_moved_alone_asks_for_retraining():
    """Customers spend as before the model was trained; it expects twice that."""
    verdict = judge_spending(outcomes(0.5, world=1.6), promise())
    assert verdict.status is Status.ACT
    assert "retrain" in verdict.sentence


def test_another_horizon_is_not_compared():
    """A mean over 28 days says nothing about one over 90."""
    other = ValuePromise("1", {"mean_value": 40.0}, is_same_horizon=False)
    assert judge_spending(outcomes(), other).status is Status.UNDECIDED
