"""Which instants are learned from, and which one is judged on."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tidemill.errors import NotReadyError
from tidemill_pipelines.windows import plan_windows

AT = datetime(2024, 6, 1, tzinfo=UTC)


def days(number):
    return timedelta(days=number)


def plan(history, within=10, every=10, most=3):
    """Cutoffs in days before AT, oldest first: train, test."""
    windows = plan_windows(AT - days(history), AT, days(within), days(every), most)
    train = [(AT - cutoff) / days(1) for cutoff in windows.train]
    assert windows.all == (*windows.train, windows.test)
    return train, (AT - windows.test) / days(1)


def test_the_test_window_ends_now_and_training_ends_where_it_begins():
    """Outcomes of the newest training cutoff are all in before the test cutoff."""
    assert plan(history=100) == ([40, 30, 20], 10)


@pytest.mark.parametrize("every", [3, 7.5, 10, 14])
def test_no_training_outcome_lies_in_the_test_window(every):
    """Whatever the distance of the training cutoffs."""
    train, test = plan(history=365, every=every, most=30)
    assert min(train) - 10 >= test
    assert all(a - b == every for a, b in pairwise(train))


def test_every_training_cutoff_has_a_horizon_of_history():
    """55 days carry two: at 40 there are 15 days before it, at 50 there would be 5."""
    assert plan(history=55, most=99)[0] == [40, 30, 20]
    assert plan(history=39, most=99)[0] == [20]


def test_the_newest_cutoffs_are_kept():
    """With more history than asked for."""
    assert plan(history=365, most=1) == ([20], 10)


def test_the_shortest_history_that_will_do():
    """Three horizons: history, training outcomes, test outcomes."""
    assert plan(history=30) == ([20], 10)


def test_a_short_log_is_refused_with_both_numbers():
    """How much there is, and how much it takes."""
    with pytest.raises(NotReadyError, match="covers 29 days.*horizon of 10 days") as caught:
        plan(history=29)
    assert "within" in caught.value.hint
