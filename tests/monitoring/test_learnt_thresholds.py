"""Thresholds of drift: documented defaults, until the objective's own good times say more."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tidemill_monitoring.drift import ACT_EFFECT, WATCH_EFFECT, Population
from tidemill_monitoring.earlier import Earlier, EarlierWindow
from tidemill_monitoring.thresholds import CLEARED, learn_thresholds, ordinary_effects
from tidemill_monitoring.verdicts import Concern, Status

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def window(effect: float, drift: Status = Status.OK, **statuses: Status) -> EarlierWindow:
    told = {Concern.DRIFT: drift, **{Concern[name]: status for name, status in statuses.items()}}
    flagged = frozenset({"x"}) if drift is not Status.OK else frozenset[str]()
    return EarlierWindow(NOW, told, {"x": effect}, flagged)


def watch_at(*windows: EarlierWindow, newest: EarlierWindow | None = None) -> float:
    return float(learn_thresholds(["x"], None, Earlier(newest, windows)).watch[0])


def test_without_history_the_documented_effects_count() -> None:
    """A first run has nothing to learn from."""
    found = learn_thresholds(["x"], None, Earlier())
    assert (found.watch[0], found.act[0]) == (WATCH_EFFECT, ACT_EFFECT)


def test_a_column_that_swings_in_good_times_must_swing_further() -> None:
    """Four windows in control are enough, and fewer are none."""
    swings = [window(effect) for effect in (0.02, 0.11, 0.03, 0.12)]
    assert watch_at(*swings) > 0.15
    assert watch_at(*swings[:3]) == WATCH_EFFECT


def test_windows_in_which_something_was_wrong_teach_nothing() -> None:
    """An alarm of any concern, or a performance that is watched."""
    swings = (0.02, 0.11, 0.03, 0.12)
    assert watch_at(*[window(e, Status.ACT) for e in swings]) == WATCH_EFFECT
    assert watch_at(*[window(e, PERFORMANCE=Status.WATCH) for e in swings]) == WATCH_EFFECT
    assert watch_at(*[window(e, BASE_RATE=Status.ACT) for e in swings]) == WATCH_EFFECT


@pytest.mark.parametrize("windows", [4, 8, 12])
def test_a_ramp_does_not_teach_the_monitor_to_expect_it(windows: int) -> None:
    """The next step of a steady climb is above what was learnt from the steps before."""
    climb = [window(0.02 * step) for step in range(windows, 0, -1)]
    assert watch_at(*climb) < max(WATCH_EFFECT + 1e-9, 0.02 * (windows + 1))


def test_what_moved_between_the_test_windows_must_move_half_as_much_again() -> None:
    """And an alarm is due at twice that."""
    found = learn_thresholds(["x"], np.array([0.08]), Earlier())
    assert (found.watch[0], found.act[0]) == pytest.approx((0.12, 0.24))


def test_columns_of_events_that_come_and_go_are_not_judged() -> None:
    """No distance reaches their threshold, whatever was flagged before."""
    flagged = Earlier(window(0.5, Status.WATCH))
    found = learn_thresholds(["x", "y"], None, flagged, {"x"})
    assert found.watch[0] > np.sqrt(np.log(2))
    assert found.watch[1] == WATCH_EFFECT


def test_a_drift_is_over_only_well_below_its_threshold() -> None:
    """What was flagged in the run before is not cleared by a hair's breadth."""
    assert watch_at(newest=window(0.06, Status.WATCH)) == pytest.approx(CLEARED * WATCH_EFFECT)
    assert watch_at(newest=window(0.04)) == WATCH_EFFECT


def test_ordinary_effects_need_two_windows() -> None:
    """One test window says nothing about how windows differ."""
    values = np.random.default_rng(0).normal(size=(500, 1)).astype(np.float32)
    users = np.arange(500).astype(str)
    calm, shifted = Population(users, values), Population(users, values + 1)
    assert ordinary_effects([calm], ["x"]) is None
    effects = ordinary_effects([calm, shifted], ["x"])
    assert effects is not None
    assert effects[0] > 0.1
