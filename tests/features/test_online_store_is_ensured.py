"""A model that goes live finds its features in the online store."""

from datetime import timedelta

import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_features.catalog import FEATURE_VIEW, Catalog, Signal, save_catalog
from tidemill_features.materialization import ensure_online


@pytest.fixture
def home(tmp_path, shop_events, cutoff):
    home = Home(tmp_path)
    EventLog(home.events).append(shop_events(20, 60))
    save_catalog(home, Catalog((Signal(None),)))
    ensure_online(home, cutoff)
    return home


def cutoffs(home, catalog):
    reader = open_online_reader(home, FEATURE_VIEW, catalog.names)
    return set(reader.read(reader.entities()).cutoffs.tolist())


def us(instant):
    return int(instant.timestamp() * 1e6)


def test_an_empty_store_is_filled(home, cutoff):
    """As of the instant of the training."""
    assert cutoffs(home, Catalog()) == {us(cutoff)}


def test_a_store_with_every_feature_is_left_alone(home, cutoff):
    """Its rows may be fresher than the training."""
    ensure_online(home, cutoff + timedelta(days=1))
    assert cutoffs(home, Catalog()) == {us(cutoff)}


def test_a_store_that_lacks_a_feature_is_filled_anew(home, cutoff):
    """The training found a signal that nobody counted before."""
    grown = Catalog().grown_by([Signal("order")])
    save_catalog(home, grown)
    ensure_online(home, cutoff + timedelta(days=1))
    assert cutoffs(home, grown) == {us(cutoff + timedelta(days=1))}
