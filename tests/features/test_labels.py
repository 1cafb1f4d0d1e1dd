"""Outcomes: what happened within the horizon, whenever it was heard of."""

from datetime import timedelta

import pytest

from tidemill_features.labels import label_pairs, label_users, target_users_by_day

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def label(events_of, con_of, cutoff, target_of):
    """`label({"days_ago": -1}, **target)`: the label of u1, by either function."""

    def find(*rows, items=None, **target):
        con = con_of(events_of({"name": "other", "user": "u2"}, *rows), items)
        (found,) = label_users(con, target_of(**target), cutoff, ["u1"])
        at_us = round(cutoff.timestamp() * 1e6)
        assert label_pairs(con, target_of(**target), ["u1"], [at_us]).tolist() == [found]
        return bool(found)

    return find


def test_the_window_begins_at_the_cutoff(label, cutoff):
    """The cutoff itself is the first instant of the future."""
    assert label({"at": cutoff})
    assert not label({"at": cutoff - MICROSECOND})


def test_the_window_ends_before_the_horizon(label, cutoff):
    """Its last instant is a microsecond before."""
    end = cutoff + timedelta(days=28)
    assert label({"at": end - MICROSECOND})
    assert not label({"at": end})


def test_late_news_is_still_the_truth(label, cutoff):
    """A label may use what arrived after the window: it is judged, not served."""
    assert label({"days_ago": -1, "received": cutoff + timedelta(days=300)})


def test_absence_turns_the_label_around(label):
    """Churn is true for those who did nothing."""
    assert not label({"days_ago": -1}, absent=True)
    assert label({"days_ago": 1}, absent=True)


def test_absence_of_any_event(label):
    """Without an event name everything is a sign of life."""
    assert not label({"name": "whatever", "days_ago": -1}, event=None, absent=True)
    assert label(event=None, absent=True)


def test_another_event_is_no_success(label):
    """Only the target's name counts."""
    assert not label({"name": "visit", "days_ago": -1})


def test_a_property_can_narrow_the_target(label):
    """`where` on the event."""
    row = {"days_ago": -1, "properties": '{"plan": "pro"}'}
    assert label(row, where={"property.plan": "pro"})
    assert not label(row, where={"property.plan": "free"})


def test_an_item_attribute_can_narrow_the_target(label):
    """`where` on the event's item."""
    row, items = {"days_ago": -1, "item": "i1"}, {"i1": '{"brand": "x"}'}
    assert label(row, items=items, where={"item.brand": "x"})
    assert not label(row, items=items, where={"item.brand": "y"})
    assert not label({"days_ago": -1}, items=items, where={"item.brand": "x"})


def test_labels_follow_the_order_of_the_users(events_of, con_of, cutoff, target_of):
    """Repeated and unknown users included."""
    con = con_of(events_of({"user": "a", "days_ago": -1}, {"user": "c", "days_ago": -2}))
    labels = label_users(con, target_of(), cutoff, ["c", "b", "a", "b", "c"])
    assert labels.tolist() == [True, False, True, False, True]


def test_each_pair_has_a_horizon_of_its_own(events_of, con_of, cutoff, target_of):
    """The same user may be asked about at several cutoffs."""
    con = con_of(events_of({"days_ago": -1}))
    at_us = [round((cutoff + timedelta(days=days)).timestamp() * 1e6) for days in (0, 2, -40)]
    assert label_pairs(con, target_of(), ["u1"] * 3, at_us).tolist() == [True, False, False]


def test_nobody_to_label(events_of, con_of, cutoff, target_of):
    """An empty population has no labels."""
    assert label_users(con_of(events_of()), target_of(), cutoff, []).shape == (0,)


def test_target_days_count_users_not_events(events_of, con_of, target_of):
    """Two events of one user on a day are one."""
    rows = [{"user": u, "days_ago": d} for u, d in (("a", 2), ("a", 1.9), ("b", 1.9), ("a", 1))]
    days = target_users_by_day(con_of(events_of(*rows)), target_of())
    assert [count for _, count in days] == [2, 1]
