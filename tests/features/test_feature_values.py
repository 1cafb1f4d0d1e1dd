"""Every aggregate against values worked out by hand."""

import math
from datetime import timedelta

import numpy as np
import pytest

MICROSECOND = timedelta(microseconds=1)


def ago(*days):
    return [{"days_ago": day} for day in days]


def test_counts_look_back_their_own_number_of_days(features_of):
    """An event counts in every window it lies in, and always in `ever`."""
    found = features_of(*ago(1, 6, 7.5, 13, 20, 30, 60, 120))
    counts = {name: value for name, value in found.items() if name.startswith("count_")}
    assert counts == {
        "count_7d": 2,
        "count_14d": 4,
        "count_28d": 5,
        "count_56d": 6,
        "count_112d": 7,
        "count_ever": 8,
    }


@pytest.mark.parametrize("days", [7, 14, 28, 56, 112])
def test_a_window_includes_its_first_instant(features_of, cutoff, days):
    """Exactly `days` before the cutoff is inside; a microsecond earlier is outside."""
    border = cutoff - timedelta(days=days)
    assert features_of({"at": border})[f"count_{days}d"] == 1
    assert features_of({"at": border - MICROSECOND})[f"count_{days}d"] == 0


def test_a_window_excludes_the_cutoff(features_of, cutoff):
    """The last microsecond before the cutoff is inside; the cutoff itself is the future."""
    assert features_of({"at": cutoff - MICROSECOND})["count_7d"] == 1
    assert features_of({"at": cutoff})["count_7d"] == 0


def test_values_are_summed_in_their_window(features_of):
    """Refunds subtract, and an event without value adds nothing."""
    found = features_of(
        {"days_ago": 1, "value": 10.25},
        {"days_ago": 2, "value": -0.25},
        {"days_ago": 3},
        {"days_ago": 28.5, "value": 2.5},
        {"days_ago": 113, "value": 0.1},
    )
    assert found["value_28d"] == 10.0
    assert found["value_112d"] == 12.5
    assert found["value_ever"] == np.float32(12.6)


def test_sums_are_exact_where_floats_are_not(features_of):
    """Ten times 0.1 is 1, in whatever order the rows come."""
    assert features_of(*[{"value": 0.1}] * 10)["value_28d"] == 1.0


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_a_value_that_is_no_amount_counts_as_none(features_of, value):
    """NaN, infinity and what no decimal holds spoil no sum; the event itself still counts."""
    found = features_of({"value": value}, {"value": 2.0})
    assert (found["value_28d"], found["count_28d"]) == (2.0, 2)


def test_recency_is_the_age_of_the_newest_event(features_of):
    """In days, with their fractions."""
    found = features_of(*ago(40.25, 1.5, 20))
    assert (found["days_since_last"], found["days_since_first"]) == (1.5, 40.25)


def test_trend_compares_four_weeks_with_the_four_before(features_of):
    """log((1 + 3) / (1 + 1)): three events now, one then, and what is older does not count."""
    found = features_of(*ago(1, 2, 27, 28.5, 57))
    assert found["trend_28d"] == np.float32(math.log(4 / 2))


def test_trend_is_zero_for_a_steady_user(features_of):
    """As many now as before."""
    assert features_of(*ago(5, 33))["trend_28d"] == 0


def test_active_weeks_counts_weeks_not_events(features_of):
    """Weeks end at the cutoff: days 1 and 6.9 share one, day 8 is in the second, day 112 just in
    the last, and day 112.5 beyond the sixteen."""
    assert features_of(*ago(1, 6.9, 8, 112, 112.5))["active_weeks_112d"] == 3


def test_all_sixteen_weeks_can_be_active(features_of):
    """One event in the middle of every week."""
    assert features_of(*ago(*np.arange(3.5, 140, 7).tolist()))["active_weeks_112d"] == 16


def test_mean_gap_is_the_time_between_one_and_the_next(features_of):
    """10, 7 and 2 days ago: gaps of 3 and 5."""
    assert features_of(*ago(10, 7, 2))["mean_gap_days"] == 4


def test_overdue_is_the_wait_in_mean_gaps(features_of):
    """Every 4 days so far, and silent for 6."""
    assert features_of(*ago(14, 10, 6))["overdue"] == 1.5


@pytest.mark.parametrize("days", [[3], [3, 3]])
def test_a_gap_needs_two_instants(features_of, days):
    """With one event, or several at once, there is no gap to speak of."""
    found = features_of(*ago(*days))
    assert found["mean_gap_days"] is None
    assert found["overdue"] is None


def test_distinct_items_counts_each_item_once(features_of):
    """a twice, b on the border of 56 days, c beyond it, and an event without item."""
    found = features_of(
        {"item": "a", "days_ago": 1},
        {"item": "a", "days_ago": 2},
        {"item": "b", "days_ago": 56},
        {"item": "c", "days_ago": 56.5},
        {"days_ago": 3},
    )
    assert found["distinct_items_56d"] == 2


def test_never_is_zero_for_counts_and_nothing_for_ages(features_of):
    """The user did something, but never this."""
    found = features_of()
    absent = {name for name, value in found.items() if value is None}
    assert absent == {"days_since_last", "days_since_first", "mean_gap_days", "overdue"}
    assert all(found[name] == 0 for name in found if name.startswith(("count", "value", "trend")))


def test_any_counts_every_event(features_of):
    """Whatever its name."""
    found = features_of({"name": "a"}, {"name": "b"}, event=None)
    assert (found["count_7d"], found["count_112d"]) == (2, 3)


def test_a_breakdown_counts_only_its_property_value(features_of):
    """Values are compared as text; another value, a missing key and a number are other events."""
    rows = [{"properties": p} for p in ('{"k": "x"}', '{"k": "y"}', "{}", '{"k": 1}')]
    assert features_of(*rows, where={"property.k": "x"})["count_28d"] == 1
    assert features_of(*rows, where={"property.k": "1"})["count_28d"] == 1


def test_a_breakdown_by_item_reads_the_items_attributes(features_of):
    """An unknown item matches nothing."""
    rows = [{"item": "soup"}, {"item": "soap"}, {"item": "unknown"}, {}]
    items = {"soup": '{"shelf": "food"}', "soap": '{"shelf": "bath"}'}
    assert features_of(*rows, items=items, where={"item.shelf": "food"})["count_28d"] == 1


def test_any_event_can_be_narrowed_too(features_of):
    """By what it carries, whatever its name."""
    rows = [{"name": n, "properties": p} for n in "ab" for p in ('{"k": "x"}', "{}")]
    assert features_of(*rows, event=None, where={"property.k": "x"})["count_28d"] == 2


def test_conditions_must_all_hold(features_of):
    """A property and an item attribute at once."""
    rows = [{"item": i, "properties": p} for i in ("a", "b") for p in ('{"k": "x"}', "{}")]
    items = {"a": '{"c": "1"}', "b": '{"c": "2"}'}
    where = {"property.k": "x", "item.c": "1"}
    assert features_of(*rows, items=items, where=where)["count_28d"] == 1


def test_a_user_without_any_past_has_no_row(features_of, cutoff):
    """Serving answers such users from the prior instead."""
    assert features_of(at=cutoff - timedelta(days=80)) == {}


def test_days_end_at_the_cutoffs_time_of_day(features_of, cutoff):
    """Asked at 15:47:12.000001, the last seven days began at that very time."""
    odd = cutoff + timedelta(hours=15, minutes=47, seconds=12, microseconds=1)
    border = odd - timedelta(days=7)
    assert features_of({"at": border}, at=odd)["count_7d"] == 1
    assert features_of({"at": border - MICROSECOND}, at=odd)["count_7d"] == 0
    assert features_of({"at": odd - MICROSECOND}, at=odd)["count_7d"] == 1
