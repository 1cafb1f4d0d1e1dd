"""What customers bought within the horizon, and the features of their purchases."""

from datetime import timedelta

import numpy as np
import pytest

from tidemill.objective import Target
from tidemill_features.catalog import Catalog, Signal, load_catalog, save_catalog
from tidemill_features.engine import compute_features
from tidemill_features.instants import in_microseconds
from tidemill_features.purchases import carries_values, count_purchases, fields_with_values

ORDERS = Target("order", {}, timedelta(days=10), absent=False)


def bought(con, cutoff, amount="value", target=ORDERS, users=("u1", "u2")):
    found = count_purchases(con, target, amount, users, [in_microseconds(cutoff)] * len(users))
    return found.counts.tolist(), found.values.tolist()


def test_purchases_after_the_cutoff_are_counted_and_summed(con_of, events_of, cutoff):
    """Of each user; who bought nothing has nothing."""
    rows = [{"days_ago": ago, "value": 2.5} for ago in (30.0, 19.0, 11.0, 9.0)]
    con = con_of(events_of(*rows))
    assert bought(con, cutoff - timedelta(days=20)) == ([2, 0], [5.0, 0.0])


def test_what_is_bought_on_one_day_is_one_purchase(con_of, events_of, cutoff):
    """Days are counted from the cutoff, as with features; what was spent is all of it."""
    rows = [{"days_ago": ago, "value": 2.0} for ago in (19.9, 19.1, 18.9, 15.0)]
    con = con_of(events_of(*rows))
    assert bought(con, cutoff - timedelta(days=20)) == ([3, 0], [8.0, 0.0])


def test_the_end_of_the_horizon_is_excluded_and_its_start_is_not(con_of, events_of, cutoff):
    """[cutoff, cutoff + within)."""
    con = con_of(events_of({"days_ago": 20.0, "value": 1.0}, {"days_ago": 10.0, "value": 7.0}))
    assert bought(con, cutoff - timedelta(days=20))[1] == [1.0, 0.0]


def test_a_property_may_hold_what_a_purchase_is_worth(con_of, events_of, cutoff):
    """As a number; other texts are worth nothing."""
    texts = ('{"paid": 3.25}', '{"paid": "free"}', "{}")
    con = con_of(events_of(*({"days_ago": 5.0, "properties": text} for text in texts)))
    found = bought(con, cutoff - timedelta(days=9), "property.paid")
    assert found == ([1, 0], [3.25, 0.0])
    assert carries_values(con, ORDERS, "property.paid")
    assert not carries_values(con, ORDERS, "value")


def test_fields_that_hold_values_are_named(con_of, events_of):
    """The one that does most often first; texts, zeros and other events' numbers are none."""
    texts = ['{"paid": 3.25, "tax": 0.5}', '{"paid": "2", "kind": "web"}', '{"tax": 0}']
    rows = [{"days_ago": 5.0, "properties": text} for text in texts]
    visit = {"days_ago": 5.0, "name": "visit", "properties": '{"seconds": 7}'}
    con = con_of(events_of(*rows, visit))
    assert fields_with_values(con, ORDERS) == ["property.paid", "property.tax"]


def test_conditions_narrow_purchases(con_of, events_of, cutoff):
    """As in any objective."""
    texts = ('{"kind": "web"}', '{"kind": "shop"}')
    rows = ({"days_ago": 5.0, "value": 4.0, "properties": text} for text in texts)
    target = Target("order", {"property.kind": "web"}, timedelta(days=10), absent=False)
    assert bought(con_of(events_of(*rows)), cutoff - timedelta(days=9), target=target)[0] == [1, 0]


def test_a_signal_of_purchases_sums_what_it_names(con_of, events_of, cutoff):
    """With every aggregate, also where it is narrowed."""
    signal = Signal("order", {"property.kind": "web"}, "property.paid")
    text = '{"kind": "web", "paid": 3.5}'
    ago = (3.0, 8.9, 8.2)
    con = con_of(events_of(*({"days_ago": each, "properties": text} for each in ago)))
    rows = compute_features(con, Catalog((Signal("order"), signal)), [cutoff])
    assert rows[f"{signal.name}__value_ever"].to_pylist() == [10.5]
    assert rows[f"{signal.name}__count_ever"].to_pylist() == [3.0]
    assert rows[f"{signal.name}__days_ever"].to_pylist() == [2.0]
    assert rows[f"{signal.name}__days_since_first"].to_pylist() == [pytest.approx(8.9)]
    assert rows["order__value_ever"].to_pylist() == [0.0]


def test_a_catalog_keeps_what_its_signals_sum(tmp_path):
    """And names a signal after it, so that the plain one stays what it is."""
    from tidemill.home import Home

    home, plain, valued = Home(tmp_path), Signal("order"), Signal("order", {}, "property.paid")
    save_catalog(home, Catalog((plain, valued)))
    assert load_catalog(home).signals == (plain, valued)
    assert plain.name == "order"
    assert valued.name != plain.name
    assert len(np.unique(load_catalog(home).names)) == len(load_catalog(home).names)
