"""Feature rows of a cutoff are files, made once and made again when the past has changed."""

from datetime import timedelta

import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill_features.catalog import Catalog, Signal
from tidemill_features.engine import compute_features
from tidemill_features.rows import ensure_rows, read_rows, rows_folder

CATALOG = Catalog((Signal(None), Signal("order")))


@pytest.fixture
def home(tmp_path, shop_events):
    home = Home(tmp_path)
    EventLog(home.events).append(shop_events(20, 60))
    return home


@pytest.fixture
def cutoffs(cutoff):
    return [cutoff - timedelta(days=days) for days in (20, 10.25, 10, 0)]


def computed(home, catalog, cutoffs):
    return [cutoff for cutoff, now in ensure_rows(home, catalog, cutoffs) if now]


def test_a_cutoff_is_computed_once(home, cutoffs):
    """The second time finds every file."""
    assert computed(home, CATALOG, cutoffs) == cutoffs
    assert computed(home, CATALOG, cutoffs) == []
    assert {at for at, _ in ensure_rows(home, CATALOG, cutoffs)} == set(cutoffs)


def test_files_hold_what_the_engine_computes(home, cutoffs):
    """However the cutoffs were batched."""
    computed(home, CATALOG, cutoffs * 2)
    con = EventLog(home.events).connect()
    for at in cutoffs:
        expected = compute_features(con, CATALOG, [at])
        assert read_rows(home, CATALOG, at).replace_schema_metadata().equals(expected)


def test_new_events_leave_old_cutoffs_alone(home, cutoffs, events_of, cutoff):
    """What happens later changes nothing about the past."""
    computed(home, CATALOG, cutoffs)
    EventLog(home.events).append(events_of({"at": cutoff, "id": "new"}))
    assert computed(home, CATALOG, cutoffs) == []


def test_older_history_makes_the_cutoffs_after_it_anew(home, cutoffs, events_of):
    """An import of older events changes what was known then; cutoffs before it stay."""
    computed(home, CATALOG, cutoffs)
    EventLog(home.events).append(events_of({"user": "new", "days_ago": 15, "id": "old"}))
    assert computed(home, CATALOG, cutoffs) == cutoffs[1:]
    assert "new" in read_rows(home, CATALOG, cutoffs[1])["user_id"].to_pylist()


def test_another_catalog_has_rows_of_its_own(home, cutoffs):
    """Other columns live in another folder, and the old ones stay."""
    computed(home, CATALOG, cutoffs)
    grown = CATALOG.grown_by([Signal("visit")])
    assert computed(home, grown, cutoffs) == cutoffs
    assert rows_folder(home, grown) != rows_folder(home, CATALOG)
    assert computed(home, CATALOG, cutoffs) == []


def test_no_draft_is_left_behind(home, cutoffs):
    """Only finished files: a reader takes everything that ends in .parquet."""
    computed(home, CATALOG, cutoffs)
    assert {path.suffix for path in rows_folder(home, CATALOG).iterdir()} == {".parquet"}
