"""Many users, each at a cutoff of their own, computed at once: no bit differs from one by one."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tidemill_features import pairs
from tidemill_features.catalog import Catalog, Signal
from tidemill_features.engine import compute_features, to_matrix
from tidemill_features.pairs import compute_pairs

NARROWED = {"property.device": "phone"}
CATALOG = Catalog((Signal(None), Signal("order"), Signal("order", NARROWED), Signal("visit")))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def con(shop_events, con_of):
    return con_of(shop_events(20, 60), {"i1": '{"brand": "x"}'})


def random_pairs(cutoff, count):
    """Users who may be unknown, at any microsecond of two months; some pairs twice."""
    rng = np.random.default_rng(0)
    users = [f"u{number}" for number in rng.integers(0, 24, count)]
    end = (cutoff - EPOCH) // timedelta(microseconds=1)
    cutoffs = [int(end - back) for back in rng.integers(0, 60 * 86_400e6, count)]
    return users + users[:3], cutoffs + cutoffs[:3]


def one_by_one(con, users, cutoffs):
    found = np.full((len(users), len(CATALOG.names)), np.nan, dtype=np.float32)
    for index, (user, us) in enumerate(zip(users, cutoffs, strict=True)):
        rows = compute_features(con, CATALOG, [EPOCH + timedelta(microseconds=us)], [user])
        if rows.num_rows:
            found[index] = to_matrix(rows, CATALOG.names)[0]
    return found


def test_pairs_equal_each_alone(con, cutoff, monkeypatch):
    """In passes of any size, with users unknown at their cutoff among them."""
    monkeypatch.setattr(pairs, "_PAIRS_PER_PASS", 7)
    users, cutoffs = random_pairs(cutoff, 30)
    expected = one_by_one(con, users, cutoffs)
    found = compute_pairs(con, CATALOG, CATALOG.names, users, cutoffs)
    assert found.tobytes() == expected.tobytes()
    assert np.isnan(expected).all(axis=1).any()
    assert (np.nan_to_num(expected) != 0).any(axis=1).sum() > 20


def test_names_may_be_fewer_and_in_any_order(con, cutoff):
    """A model reads its own columns."""
    users, cutoffs = random_pairs(cutoff, 5)
    names = CATALOG.names[::-3]
    found = compute_pairs(con, CATALOG, names, users, cutoffs)
    everything = compute_pairs(con, CATALOG, CATALOG.names, users, cutoffs)
    np.testing.assert_array_equal(found, everything[:, ::-3])


def test_no_pairs_are_no_rows(con):
    """Nothing to ask the log for."""
    assert compute_pairs(con, CATALOG, CATALOG.names, [], []).shape == (0, len(CATALOG.names))
