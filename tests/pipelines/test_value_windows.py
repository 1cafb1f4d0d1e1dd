"""Which instants a lifetime value is learnt from and judged on."""

from datetime import UTC, datetime, timedelta

import pytest

from tidemill.errors import NotReadyError
from tidemill_pipelines.valuing.windows import plan_value_windows

AT = datetime(2024, 6, 1, tzinfo=UTC)


def days(count):
    return timedelta(days=count)


def plan(history, within, every=None, most=8):
    return plan_value_windows(AT - days(history), AT, days(within), every, most)


def test_a_long_log_is_judged_over_the_horizon():
    """The test window ends now, training windows end before it begins."""
    windows = plan(300, 30)
    assert (windows.judged, windows.test) == (days(30), AT - days(30))
    assert all(cutoff + windows.judged <= windows.test for cutoff in windows.train)
    assert len(windows.train) == 8


def test_training_windows_follow_each_other_by_half_a_window():
    """Unless the objective says otherwise."""
    first, second = plan(300, 30).train[-2:]
    assert second - first == days(15)
    first, second = plan(300, 30, every=days(7)).train[-2:]
    assert second - first == days(7)


def test_a_model_is_chosen_by_the_newest_training_windows():
    """Not by the test window, and by fewer where there are fewer."""
    windows = plan(300, 30)
    assert windows.rehearsed == windows.train[-2:]
    assert plan(90, 30).rehearsed == plan(90, 30).train == (AT - days(60),)


def test_a_short_log_is_judged_over_a_quarter_of_it():
    """Half a year is predicted from half a year: three training windows of 45 days."""
    windows = plan(180, 180)
    assert windows.judged == days(45)
    assert len(windows.train) == 3
    assert windows.train[0] == AT - days(135)


def test_a_horizon_of_more_than_twice_the_log_is_refused():
    """Nothing there says what happens after so long a time."""
    with pytest.raises(NotReadyError, match="covers 100 days .* horizon of 250 days"):
        plan(100, 250)
