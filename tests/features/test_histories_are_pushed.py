"""The follower keeps histories as fresh as features."""

from contextlib import closing
from datetime import timedelta

import pytest

from tidemill.events import EventLog
from tidemill.objective import keep_objective
from tidemill.online import open_online_reader
from tidemill.recommendation.history import LAYOUT, pack_history, unpack_history
from tidemill.recommendation.interests import interests_of
from tidemill_features.background import Background
from tidemill_features.instants import in_microseconds
from tidemill_features.interests import compute_histories, rebuild_histories
from tidemill_features.kept_interests import keep_interests
from tidemill_features.materialization import ensure_online, materialize

SECOND = timedelta(seconds=1)


@pytest.fixture
def batches(monkeypatch, followed):
    """Batches run in this process and end at once: their own one has the real clock."""
    started = []

    def start(self):
        started.append(followed.now - 3 * SECOND)

    def collect(self):
        if len(started) <= len(ended):
            return None
        materialize(followed.home, started[-1])
        ended.append(started[-1])
        return started[-1]

    ended = []
    is_running = property(lambda self: len(started) > len(ended))
    monkeypatch.setattr(Background, "start", start)
    monkeypatch.setattr(Background, "collect", collect)
    monkeypatch.setattr(Background, "is_running", is_running)
    monkeypatch.setattr(Background, "is_ready", property(lambda self: not self.is_running))
    return started


@pytest.fixture
def definition(followed, choosing, cutoff, batches):
    """Of a recommendation whose histories are online and followed."""
    objective = choosing(context="property.shop", exclude=[{"event": "return"}])
    keep_objective(followed.home, objective)
    keep_interests(followed.home, "chosen", interests_of(objective))
    ensure_online(followed.home, cutoff)
    followed.now = cutoff + 5 * SECOND
    followed.catch_up(followed.now)
    batches.clear()
    return interests_of(objective)


@pytest.fixture
def at(followed, cutoff):
    """`at(30)`: catch up with the log half a minute after the batch that the store began with."""

    def catch_up(seconds):
        followed.now = cutoff + seconds * SECOND
        followed.catch_up(followed.now)

    return catch_up


def order(cutoff, seconds, user="u1", **changes):
    instant = cutoff + seconds * SECOND
    return {"user": user, "at": instant, "id": f"o{user}{seconds}", **changes}


def stored(followed, definition):
    """User to cutoff and packed row."""
    with closing(open_online_reader(followed.home, definition.view, LAYOUT)) as reader:
        users = reader.entities()
        return dict(zip(users, reader.read_packed(users), strict=True))


def test_a_history_grows_with_its_user(followed, definition, at, batches, cutoff):
    """As of right after the newest event; everybody else keeps the row of the batch."""
    before = stored(followed, definition)
    followed.receive(order(cutoff, 10, item="brand-new"))
    at(11)
    after = stored(followed, definition)
    assert unpack_history(after["u1"][1]).items[0] == "brand-new"
    assert {user for user in before if before[user] != after[user]} == {"u1"}
    assert batches == []


def test_pushed_rows_equal_their_rebuild(followed, definition, at, cutoff):
    """Bit for bit, from the log, at the cutoff of each."""
    followed.receive(
        order(cutoff, 10, item="i1", properties='{"shop": "n"}'),
        order(cutoff, 11, "u2", name="return", item="i2"),
        order(cutoff, 12, "new", item="i3"),
        order(cutoff, 13, "u3", at=cutoff - timedelta(days=9), received=cutoff + 13 * SECOND),
    )
    at(14)
    rows = stored(followed, definition)
    users, cutoffs = list(rows), [row[0] for row in rows.values()]
    assert sum(each > in_microseconds(cutoff + 9 * SECOND) for each in cutoffs) == 4
    with followed.log.connect() as con:
        rebuilt = rebuild_histories(con, definition, users, cutoffs)
    assert [pack_history(history) for history in rebuilt] == [row[1] for row in rows.values()]


def test_somebody_new_is_no_longer_unknown(followed, definition, at, cutoff):
    """With the first event."""
    followed.receive(order(cutoff, 10, "new", item="i1"))
    at(11)
    assert unpack_history(stored(followed, definition)["new"][1]).items == ("i1",)


def test_who_became_another_is_removed(followed, definition, at, cutoff):
    """The other one has it all."""
    followed.receive(order(cutoff, 10, name="$alias", properties='{"previous_id": "u2"}'))
    at(11)
    with EventLog(followed.home.events).connect() as con:
        own = list(compute_histories(con, definition, followed.now, ["u1"]))
    rows = stored(followed, definition)
    assert "u2" not in rows
    assert unpack_history(rows["u1"][1]).items == own[0][2].items


def test_new_histories_in_the_store_ask_for_a_batch(followed, definition, batches, at, choosing):
    """Users who were pushed while they were computed would lack the newest events."""
    other = interests_of(choosing(within="3d"))
    keep_interests(followed.home, "chosen", other)
    ensure_online(followed.home, followed.now)
    at(60)
    assert len(batches) == 1
    assert len(stored(followed, other)) == 6


def test_histories_that_are_not_filled_yet_hold_nothing_up(followed, definition, at, choosing):
    """A training has just begun; features go on being pushed."""
    keep_interests(followed.home, "other", interests_of(choosing(within="3d")))
    followed.receive(order(followed.now, 10, item="brand-new"))
    at(20)
    assert unpack_history(stored(followed, definition)["u1"][1]).items[0] == "brand-new"
