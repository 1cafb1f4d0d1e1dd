"""Features, labels and training rows see each person as they were known at the cutoff."""

from datetime import timedelta

import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.events.identity.decisions import Decision, decide
from tidemill.events.schema import EVENTS
from tidemill.home import Home
from tidemill_features.catalog import Catalog, Signal
from tidemill_features.discovery import discover_signals
from tidemill_features.engine import compute_features
from tidemill_features.labels import label_users, target_users_by_day
from tidemill_features.rows import ensure_rows, read_rows

CATALOG = Catalog((Signal(None), Signal("order")))


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture
def add(home, cutoff):
    """`add(("order", 3, "ann", "phone", previous), ...)`: days before the cutoff."""
    count = iter(range(1_000))

    def append(*rows):
        events = [
            {
                "event_id": f"e{next(count)}",
                "name": name,
                "user_id": user,
                "anonymous_id": anonymous,
                "item_id": anonymous,
                "timestamp": cutoff - timedelta(days=day),
                "received_at": cutoff - timedelta(days=day),
                "properties": f'{{"previous_id":"{previous[0]}"}}' if previous else "{}",
            }
            for name, day, user, anonymous, *previous in rows
        ]
        EventLog(home.events).append(pa.Table.from_pylist(events, schema=EVENTS))

    return append


@pytest.fixture
def counts(home, cutoff):
    """`counts(days_ago)`: orders so far by user, as known then."""

    def find(days_ago):
        con = EventLog(home.events).connect()
        rows = compute_features(con, CATALOG, [cutoff - timedelta(days=days_ago)]).to_pylist()
        return {row["user_id"]: row["order__count_ever"] for row in rows}

    return find


def test_a_later_login_does_not_leak_into_earlier_features(add, counts):
    """The visitor is nobody until the login is known, and ann from the next cutoff on."""
    add(("order", 9, None, "phone"), ("order", 8, None, "phone"), ("login", 5, "ann", "phone"))
    assert counts(6) == counts(5) == {}
    assert counts(4.9) == counts(0) == {"ann": 2}


def test_what_was_joined_keeps_its_own_time(add, home, cutoff):
    """Ten days old, though it was joined yesterday."""
    add(("order", 10, None, "phone"), ("login", 1, "ann", "phone"))
    row = compute_features(EventLog(home.events).connect(), CATALOG, [cutoff]).to_pylist()[0]
    assert (row["order__count_7d"], row["order__count_14d"]) == (0, 1)
    assert row["order__days_since_last"] == 10


def test_a_merged_user_vanishes_from_the_cutoff_after_the_merge(add, counts):
    """The population has the person once; the past stays what it was."""
    add(("order", 9, "old", None), ("order", 8, "new", None), ("$alias", 5, "new", None, "old"))
    assert counts(6) == counts(5) == {"old": 1, "new": 1}
    assert counts(4.9) == {"new": 2}
    add(("order", 3, "old", None))
    assert counts(2) == {"new": 3}


@pytest.mark.parametrize("hours", [1, 12, 23.9])
def test_a_merge_counts_by_the_cutoffs_own_days(add, counts, hours):
    """Whatever the time of day of the cutoff."""
    add(("order", 9, "old", None), ("$alias", 5 + hours / 24, "new", None, "old"))
    assert counts(5 + hours / 24) == {"old": 1}
    assert counts(5 + hours / 24 - 1e-6) == {"new": 1}


def test_items_seen_on_a_forgotten_phone_count_until_then(add, home, cutoff):
    """Ann herself goes on having a row, without them."""
    add(("order", 9, None, "phone"), ("order", 8, "ann", None), ("login", 7, "ann", "phone"))
    decide(home.events, Decision(cutoff - timedelta(days=5), "forget", "phone"))
    con = EventLog(home.events).connect()
    rows = compute_features(con, CATALOG, [cutoff - timedelta(days=6), cutoff]).to_pylist()
    assert [row["order__distinct_items_56d"] for row in rows] == [1, 0]


def test_training_rows_stay_what_they_were(add, home, cutoff):
    """A login after a cutoff makes no row of it anew, and changes none."""
    cutoffs = [cutoff - timedelta(days=days) for days in (20, 10)]
    add(("order", 25, None, "phone"), ("order", 22, "ann", None), ("order", 21, "old", None))
    assert [now for _, now in ensure_rows(home, CATALOG, cutoffs)] == [True, True]
    before = [read_rows(home, CATALOG, at) for at in cutoffs]
    add(("login", 5, "ann", "phone"), ("$alias", 4, "ann", None, "old"))
    assert [now for _, now in ensure_rows(home, CATALOG, cutoffs)] == [False, False]
    con = EventLog(home.events).connect()
    for at, rows in zip(cutoffs, before, strict=True):
        assert compute_features(con, CATALOG, [at]).equals(rows.replace_schema_metadata())


def test_rows_are_made_anew_when_older_history_changes_who_was_known(add, home, cutoff):
    """An import of a login that was received before the cutoff."""
    cutoffs = [cutoff - timedelta(days=days) for days in (20, 10)]
    add(("order", 25, None, "phone"), ("order", 22, "ann", None))
    list(ensure_rows(home, CATALOG, cutoffs))
    add(("login", 15, "ann", "phone"))
    assert [at for at, now in ensure_rows(home, CATALOG, cutoffs) if now] == cutoffs[1:]
    assert read_rows(home, CATALOG, cutoffs[1])["order__count_ever"].to_pylist() == [2]


def test_a_forgotten_link_changes_rows_from_then_on(add, home, cutoff):
    """Those of cutoffs before the decision stay, and later ones are made anew."""
    cutoffs = [cutoff - timedelta(days=days) for days in (10, 1)]
    add(("order", 25, None, "phone"), ("order", 22, "ann", None), ("login", 15, "ann", "phone"))
    list(ensure_rows(home, CATALOG, cutoffs))
    decide(home.events, Decision(cutoff - timedelta(days=5), "forget", "phone"))
    assert [at for at, now in ensure_rows(home, CATALOG, cutoffs) if now] == cutoffs[1:]
    rows = [read_rows(home, CATALOG, at)["order__count_ever"].to_pylist() for at in cutoffs]
    assert rows == [[2], [1]]


def test_a_label_is_about_the_person_under_whatever_id(add, home, cutoff, target_of):
    """Asked about as `old` before the merge, ordered as `new` after it."""
    add(("visit", 9, "old", None), ("$alias", 5, "new", None, "old"), ("order", 3, "new", None))
    add(("order", 2, None, "phone"), ("login", 1, "pia", "phone"), ("order", 2, None, "lost"))
    con = EventLog(home.events).connect()
    asked = ["old", "new", "pia", "phone", "old"]
    labels = label_users(con, target_of(), cutoff - timedelta(days=6), asked)
    assert labels.tolist() == [True, True, True, False, True]


def test_target_days_count_people_once(add, home, target_of):
    """Who ordered under two ids on one day is one."""
    add(("order", 9.5, "old", None), ("order", 9.4, "new", None), ("order", 9.3, None, "lost"))
    add(("$alias", 5, "new", None, "old"))
    days = target_users_by_day(EventLog(home.events).connect(), target_of())
    assert [count for _, count in days] == [1]


def test_discovery_reaches_people_not_ids(add, home, cutoff):
    """Twenty ids reach the least number of users; the nineteen people that they are do not."""
    add(*(("visit", 9, f"u{number}", None) for number in range(20)))
    add(("$alias", 5, "u1", None, "u0"))
    con = EventLog(home.events).connect()
    assert discover_signals(con, cutoff - timedelta(days=6)) == [Signal("visit")]
    assert discover_signals(con, cutoff) == []
