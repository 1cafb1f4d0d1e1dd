"""The training set: features as known at the cutoff, labels from after it, members only."""

from datetime import timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest

from tidemill.events import EventLog
from tidemill_features.catalog import Signal, load_catalog
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.labels import label_users
from tidemill_pipelines.dataset import CURRENT, TEST, TRAIN, read_split
from tidemill_pipelines.training_set import build


@pytest.fixture(scope="module")
def plan(cutoff):
    """Train, train, test, now."""
    return [cutoff - timedelta(days=days) for days in (42, 28, 14, 0)]


@pytest.fixture(scope="module")
def home(tmp_path_factory, home_with, shop_events, events_of):
    """The shop, and somebody seen last 91 days before the test cutoff."""
    home = home_with(tmp_path_factory.mktemp("training-set"), shop_events(120, 100))
    EventLog(home.events).append(events_of({"id": "gone", "user": "gone", "days_ago": 105}))
    return home


@pytest.fixture(scope="module")
def dataset(home, objective_of, plan):
    path = home.root / "dataset"
    build(home, objective_of(), train=plan[:2], test=plan[2], at=plan[3], path=path)
    return path


def test_each_cutoff_is_in_its_split(dataset, plan):
    """And in no other."""
    stamps = {split: set(read_split(dataset, split).cutoffs) for split in (TRAIN, TEST, CURRENT)}
    us = [int(at.timestamp() * 1e6) for at in plan]
    assert stamps == {TRAIN: set(us[:2]), TEST: {us[2]}, CURRENT: {us[3]}}


def test_vectors_are_what_was_known_then(dataset, home, plan):
    """Through Feast's point-in-time join, bit for bit what the engine computes."""
    test, catalog = read_split(dataset, TEST), load_catalog(home)
    con = EventLog(home.events).connect()
    expected = compute_features(con, catalog, [plan[2]], users=test.users.tolist())
    assert test.features == catalog.names
    np.testing.assert_array_equal(test.vectors, to_matrix(expected, catalog.names))


def test_labels_are_what_happened_after(dataset, home, objective_of, plan):
    """For every split whose outcome is known; the current rows have none."""
    test, con = read_split(dataset, TEST), EventLog(home.events).connect()
    truth = label_users(con, objective_of().target, plan[2], test.users.tolist())
    assert test.labels.tolist() == truth.tolist()
    assert 0 < truth.sum() < len(truth)
    assert not read_split(dataset, CURRENT).labels.any()


def test_every_user_and_cutoff_is_one_row(dataset):
    """A join that doubles rows would weigh some users twice."""
    keys = pq.read_table(dataset, columns=["user_id", "event_timestamp"])
    assert keys.group_by(keys.column_names).aggregate([]).num_rows == keys.num_rows


def test_only_members_of_the_population_are_rows(dataset):
    """Who was last seen more than 90 days before is no longer one."""
    assert read_split(dataset, TEST).column("any__days_since_last").max() <= 90
    assert "gone" in read_split(dataset, TRAIN).users
    assert "gone" not in read_split(dataset, TEST).users


def test_signals_are_looked_for_before_the_test_window_only(
    tmp_path, home_with, shop_events, objective_of, plan
):
    """An event that begins after the newest training cutoff is not a feature yet."""
    events = shop_events(120, 100)
    young = [
        name if at < plan[1] else "brand_new"
        for name, at in zip(
            events["name"].to_pylist(), events["timestamp"].to_pylist(), strict=True
        )
    ]
    events = events.set_column(1, events.schema.field(1), [young])
    home = home_with(tmp_path, events)
    build(home, objective_of(), plan[:2], plan[2], plan[3], home.root / "dataset")
    names = {signal.event for signal in load_catalog(home).signals}
    assert names == {None, "visit", "order"}


def test_the_target_is_always_a_signal(tmp_path, home_with, shop_events, objective_of, plan):
    """However rare: the simple rule reads its recency."""
    home = home_with(tmp_path, shop_events(120, 100))
    target = "propensity: {event: order, where: {property.device: fridge}, within: 14d}"
    build(home, objective_of(target), plan[:2], plan[2], plan[3], home.root / "dataset")
    assert Signal("order", {"property.device": "fridge"}) in load_catalog(home).signals
