"""Readings: from daily sums of several arms to what each look may say."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill_monitoring.experiments.effects import Effect
from tidemill_monitoring.experiments.estimates import estimate
from tidemill_monitoring.experiments.looks import SequentialPlan
from tidemill_monitoring.experiments.moments import Moments
from tidemill_monitoring.experiments.readings import read

PLAN = SequentialPlan(8000)


def arm(rate: float, seed: int, days: int = 10, a_day: int = 400, before: int = 0) -> Moments:
    """Cumulative sums [days] of conversions and of those before: a tenth, nearly the same users."""
    rng = np.random.default_rng(seed)
    users = [np.zeros((0, 2))] * before + [
        (rng.random((a_day, 1)) < [[rate, 0.1]]).astype(float) for _ in range(days - before)
    ]
    parts = [Moments.of(rows) for rows in users]
    stacked = (np.stack([getattr(part, name) for part in parts]) for name in vars(parts[0]))
    return Moments(*stacked).cumulated()


def test_each_treatment_is_read_against_the_control() -> None:
    """The newest look alone is the plain estimate of the same sums."""
    arms = [arm(0.1, 1), arm(0.16, 2), arm(0.1, 3)]
    better, same = read(arms, [PLAN, PLAN])
    newest = Effect(*(estimate(found.at(np.array([9]))) for found in arms[:2]))
    assert better.effect.difference[-1] == pytest.approx(newest.difference[0])
    assert better.effect.standard_error[-1] == pytest.approx(newest.standard_error[0], rel=0.05)
    assert (better.decided_on is not None, same.decided_on) == (True, None)


def test_a_small_control_leans_on_the_treatment() -> None:
    """Of 5% of the users who did less by chance, the variance is not believed alone."""
    arms = [arm(0.06, 1, a_day=50), arm(0.12, 2, a_day=950)]
    (found,) = read(arms, [PLAN])
    alone = estimate(arms[0].at(found.days))
    assert (found.effect.control.variance > 1.2 * alone.variance).all()


def test_a_decision_is_a_bound_beyond_zero() -> None:
    """From the day of the decision on, both intervals exclude zero."""
    (found,) = read([arm(0.1, 1), arm(0.16, 2)], [PLAN])
    assert found.decided_on is not None
    decided = found.days >= found.decided_on
    assert ((found.difference.lower > 0) == decided).all()
    assert ((found.lift.lower > 0) == decided).all()


def test_days_with_too_few_events_are_left_out() -> None:
    """Three days without anybody, then enough on the first: seven looks, none of them wasted."""
    arms = [arm(0.1, 1, before=3), arm(0.1, 2, before=3)]
    (found,) = read(arms, [PLAN])
    assert found.days.tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert np.isfinite(found.critical).all()


@pytest.mark.parametrize("ends", [True, False])
def test_an_experiment_that_has_just_begun_reads_nothing(ends: bool) -> None:
    """No look, no decision, and no error."""
    (found,) = read([arm(0.01, 1, days=1), arm(0.01, 2, days=1)], [SequentialPlan(9, 0.05, ends)])
    assert (len(found.days), found.decided_on) == (0, None)


def test_the_past_is_used_when_asked_for() -> None:
    """Who converts has converted before: what is left to explain is less than half."""
    arms = [arm(0.1, 1), arm(0.12, 2)]
    (plain,), (better,) = read(arms, [PLAN]), read(arms, [PLAN], uses_past=True)
    assert better.effect.standard_error[-1] < 0.5 * plain.effect.standard_error[-1]
    assert better.p_values[-1] < plain.p_values[-1]
