"""The same log gives the same bits, however it is read."""

from datetime import timedelta

import numpy as np
import pytest

from tidemill_features.catalog import Catalog, Signal
from tidemill_features.engine import compute_features, to_matrix

CATALOG = Catalog((Signal(None), Signal("order"), Signal("visit", {"property.device": "phone"})))


@pytest.fixture(scope="module")
def events(shop_events):
    return shop_events(60, 90)


@pytest.fixture
def rows(events, con_of, cutoff):
    return compute_features(con_of(events), CATALOG, [cutoff])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_order_of_rows_and_threads_change_nothing(events, rows, con_of, cutoff, threads):
    """Sums are exact, so that what is rebuilt later equals what was served."""
    order = np.random.default_rng(threads).permutation(events.num_rows)
    shuffled = con_of(events.take(order), threads=threads)
    assert compute_features(shuffled, CATALOG, [cutoff]).equals(rows)


def test_a_user_alone_has_the_same_row_as_among_all(events, rows, con_of, cutoff):
    """`users` filters and nothing else; somebody unknown has no row."""
    chosen = ["u7", "u3", "u3", "nobody"]
    few = compute_features(con_of(events), CATALOG, [cutoff], users=chosen).to_pylist()
    assert few == [row for row in rows.to_pylist() if row["user_id"] in chosen]
    assert [row["user_id"] for row in few] == ["u3", "u7"]


def test_no_users_asked_for_gives_no_rows(events, con_of, cutoff):
    """An empty list is not the same as everybody, and keeps the columns."""
    none = compute_features(con_of(events), CATALOG, [cutoff], users=[])
    assert (none.num_rows, none.column_names[2:]) == (0, list(CATALOG.names))


def test_rows_are_sorted_by_cutoff_and_user(events, con_of, cutoff):
    """In whatever order the cutoffs were given."""
    cutoffs = [cutoff, cutoff - timedelta(days=1.5), cutoff - timedelta(days=1)]
    found = compute_features(con_of(events), CATALOG, cutoffs).select([1, 0]).to_pylist()
    keys = [tuple(row.values()) for row in found]
    assert keys == sorted(set(keys))


def test_an_empty_log_gives_no_rows(events, con_of, cutoff):
    """With the right columns."""
    none = compute_features(con_of(events.slice(0, 0)), CATALOG, [cutoff])
    assert (none.num_rows, none.num_columns) == (0, 2 + len(CATALOG.names))


def test_events_of_nobody_make_no_row(events_of, con_of, cutoff):
    """Anonymous events are not joined to anybody."""
    con = con_of(events_of({"user": None}, {"user": "u1"}))
    assert compute_features(con, CATALOG, [cutoff])["user_id"].to_pylist() == ["u1"]


def test_the_matrix_holds_the_chosen_columns_in_order(rows):
    """Null becomes NaN, everything else keeps its bits."""
    names = ["order__overdue", "any__count_7d"]
    matrix = to_matrix(rows, names)
    expected = [np.nan if v is None else v for v in rows["order__overdue"].to_pylist()]
    assert np.isnan(matrix[:, 0]).any()
    np.testing.assert_array_equal(matrix[:, 0], np.float32(expected))
    assert matrix[:, 1].tolist() == rows["any__count_7d"].to_pylist()
