"""`tidemill features materialize` takes a short cut around Feast; nobody can tell from the rows."""

import sqlite3
from datetime import timedelta

import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill_features.catalog import Catalog, Signal
from tidemill_features.feast_store import FeatureStorePort
from tidemill_features.materialization import materialize_rows
from tidemill_features.rows import ensure_rows, read_rows

CATALOG = Catalog((Signal(None), Signal("order")))


@pytest.fixture
def home(tmp_path, shop_events, cutoff):
    home = Home(tmp_path)
    EventLog(home.events).append(shop_events(30, 60))
    list(ensure_rows(home, CATALOG, [cutoff - timedelta(days=20), cutoff]))
    return home


def stored(home):
    with sqlite3.connect(home.online_store) as connection:
        return connection.execute("SELECT * FROM rows ORDER BY view, entity").fetchall()


def test_the_short_cut_writes_the_bytes_that_feast_writes(home, cutoff):
    """Same users, same cutoffs, same vectors."""
    FeatureStorePort(home, CATALOG).materialize(cutoff)
    by_feast = stored(home)
    home.online_store.unlink()
    count = materialize_rows(home, CATALOG, read_rows(home, CATALOG, cutoff))
    assert stored(home) == by_feast
    assert count == len(by_feast) > 0


def test_an_older_cutoff_does_not_take_the_place_of_a_newer_one(home, cutoff):
    """Materialising the past by mistake changes nothing that is served."""
    materialize_rows(home, CATALOG, read_rows(home, CATALOG, cutoff))
    newest = stored(home)
    materialize_rows(home, CATALOG, read_rows(home, CATALOG, cutoff - timedelta(days=20)))
    assert stored(home) == newest
