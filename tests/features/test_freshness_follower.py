"""The follower pushes where it knows whom, starts a batch where not, and loses nothing."""

import shutil
from datetime import timedelta

import pyarrow as pa
import pytest

from tidemill.errors import OnlineStoreError
from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.online import open_online_reader
from tidemill_features import follower as module
from tidemill_features.background import Background
from tidemill_features.backlog import Backlog
from tidemill_features.catalog import FEATURE_VIEW, Catalog, Signal, save_catalog
from tidemill_features.materialization import materialize
from tidemill_features.place import load_place
from tidemill_features.pushing import catalog_of, push_users

SECOND = timedelta(seconds=1)


class Batches(list):
    """Instants of the batches that were started."""

    is_held = False


@pytest.fixture
def batches(monkeypatch, followed):
    """Batches write when they end, in this process: their own one has the real clock."""
    started, running = Batches(), []

    def start(self):
        running.append(followed.now - 3 * SECOND)
        started.append(running[0])

    def collect(self):
        if started.is_held or not running:
            return None
        materialize(followed.home, running[0])
        return running.pop()

    monkeypatch.setattr(Background, "start", start)
    monkeypatch.setattr(Background, "is_ready", property(lambda self: not running))
    monkeypatch.setattr(Background, "is_running", property(lambda self: bool(running)))
    monkeypatch.setattr(Background, "collect", collect)
    return started


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


def anonymous(events):
    """The same events of a device that nobody has logged in on."""
    at = events.schema.get_field_index("anonymous_id")
    devices = pa.array(["d"] * events.num_rows)
    return events.set_column(at, events.schema.field(at), devices)


def read(followed, user, aggregate="count_ever"):
    """A feature of a user's orders, None for somebody unknown."""
    name = f"order__{aggregate}"
    rows = open_online_reader(followed.home, FEATURE_VIEW, [name]).read([user])
    return float(rows.vectors[0, 0]) if rows.found[0] else None


def cutoff_of(followed, user):
    rows = open_online_reader(followed.home, FEATURE_VIEW, ["any__count_7d"]).read([user])
    return followed.instant(int(rows.cutoffs[0]))


def test_only_the_users_of_new_events_are_pushed(followed, batches, at, cutoff):
    """As of right after their newest event; everybody else keeps the row of the batch."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10))
    at(11)
    assert read(followed, "u1") == before + 1
    assert cutoff_of(followed, "u1") == cutoff + 10 * SECOND + timedelta(microseconds=1)
    assert cutoff_of(followed, "u2") == cutoff
    assert batches == []


def test_a_user_nobody_knew_gets_a_row(followed, batches, at, cutoff):
    """No cold start any more."""
    followed.receive(order(cutoff, 10, "new"))
    at(11)
    assert read(followed, "new") == 1


def test_a_late_event_counts_although_it_is_old(followed, batches, at, cutoff):
    """It is dated to when it happened."""
    before = read(followed, "u1", "count_7d"), read(followed, "u1")
    late = order(cutoff, 10, at=cutoff - timedelta(days=20), received=cutoff + 10 * SECOND)
    followed.receive(late)
    at(11)
    assert (read(followed, "u1", "count_7d"), read(followed, "u1")) == (before[0], before[1] + 1)


def test_imported_history_counts_too(followed, batches, at, cutoff):
    """It says it was received long ago, so no newer event tells the cutoff: the clock does."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, -9e5))
    at(60)
    assert read(followed, "u1") == before + 1
    assert cutoff_of(followed, "u1") == cutoff + 57 * SECOND


def test_an_event_from_the_future_counts_once_its_time_has_come(followed, batches, at, cutoff):
    """Without any other event to bring it in."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10, at=cutoff + 70 * SECOND, received=cutoff + 10 * SECOND))
    at(11)
    assert read(followed, "u1") == before
    at(72)
    assert read(followed, "u1") == before
    at(74)
    assert read(followed, "u1") == before + 1


def test_the_future_is_not_forgotten_by_a_restart(followed, batches, at, cutoff):
    """What is still to come is read from the log again."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10, at=cutoff + 70 * SECOND, received=cutoff + 10 * SECOND))
    at(11)
    followed.restart()
    at(74)
    assert read(followed, "u1") == before + 1


def test_anonymous_events_count_from_the_login(followed, batches, at, cutoff):
    """Nobody is pushed before, and nothing that was known before changes."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10, None, device="d1"), order(cutoff, 11, None, device="d1"))
    at(12)
    assert read(followed, "u1") == before
    followed.receive(order(cutoff, 20, name="login", device="d1"))
    at(21)
    assert read(followed, "u1") == before + 2


def test_a_user_who_became_another_has_no_row(followed, batches, at, cutoff):
    """Pushed or in a batch: the store does not go on to serve somebody who is gone."""
    orders = read(followed, "u1") + read(followed, "u2")
    alias = {"name": "$alias", "properties": '{"previous_id": "u2"}'}
    followed.receive(order(cutoff, 10, **alias))
    at(11)
    assert (read(followed, "u1"), read(followed, "u2")) == (orders, None)


def test_an_alias_of_long_ago_that_is_imported_removes_the_row_too(followed, batches, at, cutoff):
    """It was known before the last push, so that no instant after it tells of the change."""
    followed.receive(order(cutoff, -60, name="$alias", properties='{"previous_id": "u2"}'))
    at(60)
    assert read(followed, "u2") is None


def test_a_batch_forgets_those_who_became_another(followed, cutoff):
    """The same without a follower."""
    followed.receive(order(cutoff, 10, name="$alias", properties='{"previous_id": "u2"}'))
    materialize(followed.home, cutoff + 20 * SECOND)
    assert read(followed, "u2") is None


def test_after_kill_9_it_goes_on_from_its_place(followed, batches, at, cutoff):
    """What came in while nobody followed is pushed; no batch is needed."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10))
    followed.restart()
    at(11)
    assert read(followed, "u1") == before + 1
    assert batches == []


def test_without_a_place_it_begins_with_a_batch(followed, batches, at):
    """Nobody can tell what the store has missed."""
    (followed.home.features / "followed.json").write_text("{ cut sho")
    followed.restart()
    at(30)
    assert len(batches) == 1
    assert load_place(followed.home).version == followed.log.version()


def test_a_log_that_does_not_remember_asks_for_a_batch(followed, batches, at, cutoff):
    """Its history was cleaned up while nobody followed."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10))
    followed.log.compact()
    (followed.log.root / "events" / "_delta_log" / f"{1:020d}.json").unlink()
    at(20)
    assert (read(followed, "u1"), len(batches)) == (before + 1, 1)


def test_a_new_log_in_place_of_the_old_one_asks_for_a_batch(followed, batches, at, cutoff):
    """Its versions begin again."""
    followed.receive(order(cutoff, 5))
    at(6)
    shutil.rmtree(followed.log.root)
    followed.receive(order(cutoff, 10))
    at(20)
    assert len(batches) == 1


def test_compaction_is_no_change(followed, batches, at, cutoff):
    """The same events in other files: nobody is pushed, and later events still are."""
    before = read(followed, "u1")
    for seconds in range(10, 15):
        followed.receive(order(cutoff, seconds))
    followed.log.compact()
    at(16)
    assert (read(followed, "u1"), batches) == (before + 5, [])
    followed.log.compact()
    followed.receive(order(cutoff, 20))
    at(21)
    assert (read(followed, "u1"), batches) == (before + 6, [])


def test_a_log_of_nobody_is_not_computed(tmp_path, followed, batches, cutoff):
    """Visitors without a login are no reason for a batch, which would find nobody."""
    nobody = Home(tmp_path / "nobody")
    EventLog(nobody.events).append(anonymous(followed.events_of(order(cutoff, -9, None))))
    follower = module.Follower(nobody, followed.said.append)
    assert follower.step(cutoff) is None
    assert (follower.is_idle, batches) == (True, [])


def test_the_very_first_event_is_waited_for(tmp_path, followed, batches, cutoff):
    """A batch leaves out the last seconds, so it would find nobody yet."""
    young = Home(tmp_path / "young")
    EventLog(young.events).append(followed.events_of(order(cutoff, -1)))
    follower = module.Follower(young, followed.said.append)
    follower.step(cutoff)
    assert (follower.is_idle, batches) == (False, [])
    followed.now = cutoff + 3 * SECOND
    follower.step(followed.now)
    assert len(batches) == 1


def test_thousands_of_users_are_left_to_a_batch(followed, batches, at, cutoff, monkeypatch):
    """It costs less than pushing them all."""
    monkeypatch.setattr(module, "MOST_USERS", 3)
    followed.receive(*(order(cutoff, 10, f"n{number}") for number in range(5)))
    at(20)
    assert len(batches) == 1
    assert [read(followed, f"n{number}") for number in range(5)] == [1] * 5
    assert any("5 users" in line for line in followed.said)


def test_many_users_are_pushed_in_parts(followed, batches, at, cutoff, monkeypatch):
    """Memory is bounded; all of them are there in the end."""
    monkeypatch.setattr(module, "USERS_PER_PUSH", 2)
    followed.receive(*(order(cutoff, 10, f"n{number}") for number in range(5)))
    at(11)
    assert [read(followed, f"n{number}") for number in range(5)] == [1] * 5


def test_a_catalog_that_grew_is_pushed_in_the_layout_that_is_live(followed, batches, at, cutoff):
    """Training lists new signals long before the store holds them."""
    before = read(followed, "u1")
    save_catalog(followed.home, followed.catalog.grown_by([Signal("visit")]))
    followed.receive(order(cutoff, 10))
    at(11)
    assert (read(followed, "u1"), batches) == (before + 1, [])


def test_a_promotion_that_changes_the_layout_loses_no_event(followed, batches, at, cutoff):
    """Its batch was made before the last pushes, whose rows went with the old layout."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10))
    at(11)
    save_catalog(followed.home, followed.catalog.grown_by([Signal("visit")]))
    materialize(followed.home, cutoff + 5 * SECOND)
    assert read(followed, "u1") == before
    at(30)
    assert read(followed, "u1") == before + 1


def test_pushes_go_on_during_a_batch_that_changes_the_layout(followed, batches, at, cutoff):
    """And are made again after it."""
    before = read(followed, "u1")
    (followed.home.features / "followed.json").unlink()
    save_catalog(followed.home, followed.catalog.grown_by([Signal("visit")]))
    followed.restart()
    batches.is_held, followed.now = True, cutoff + 10 * SECOND
    followed.follower.step(followed.now)
    followed.receive(order(cutoff, 20))
    followed.follower.step(cutoff + 21 * SECOND)
    assert read(followed, "u1") == before + 1
    batches.is_held = False
    at(22)
    assert read(followed, "u1") == before + 1
    assert cutoff_of(followed, "u2") == batches[0]


def test_a_store_that_lost_everything_is_filled_again(followed, batches, at):
    """A Redis without a disk was started anew."""
    followed.home.online_store.unlink()
    at(30)
    assert len(batches) == 1
    assert read(followed, "u1") is not None


def test_a_store_that_is_lost_as_its_first_batch_ends_is_filled_again(
    tmp_path, followed, batches, cutoff, monkeypatch
):
    """It is then as empty as it was before the batch, which must not look like no change."""
    young = Home(tmp_path / "young")
    save_catalog(young, followed.catalog)
    EventLog(young.events).append(followed.events_of(order(cutoff, -9)))
    follower, followed.now = module.Follower(young, followed.said.append), cutoff
    follower.step(cutoff)
    with monkeypatch.context() as lost:
        lost.setattr(module, "live_layout", out_of_reach)
        with pytest.raises(OnlineStoreError):
            follower.step(cutoff + SECOND)
    follower.step(cutoff + 2 * SECOND)
    assert len(batches) == 2


def out_of_reach(home):
    raise OnlineStoreError("gone")


def test_a_store_out_of_reach_loses_no_event(followed, batches, at, cutoff, monkeypatch):
    """The step fails, and the next one does the same work."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 10))
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", "redis://127.0.0.1:1/0")
    with pytest.raises(OnlineStoreError, match="cannot be reached"):
        at(11)
    monkeypatch.delenv("TIDEMILL_ONLINE_STORE")
    at(12)
    assert read(followed, "u1") == before + 1


def test_a_row_that_is_newer_is_overtaken_later(followed, batches, at, cutoff):
    """A batch of a clock ahead of ours wrote it without the event."""
    before = read(followed, "u1")
    materialize(followed.home, cutoff + 30 * SECOND)
    followed.receive(order(cutoff, 20))
    at(21)
    assert read(followed, "u1") == before
    at(40)
    assert read(followed, "u1") == before + 1


def test_a_clock_that_went_back_holds_nobody_up(followed, batches, at, cutoff):
    """Cutoffs stay where they were until the clock has caught up."""
    before = read(followed, "u1")
    followed.receive(order(cutoff, 600))
    at(601)
    followed.receive(order(cutoff, 300))
    at(301)
    assert read(followed, "u1") == before + 2
    assert cutoff_of(followed, "u1") > cutoff + 600 * SECOND


def test_two_followers_agree(followed, batches, at, cutoff):
    """Whoever comes second writes the same row again."""
    followed.receive(order(cutoff, 10))
    at(11)
    first, second = followed.follower, module.Follower(followed.home, print)
    rows = followed.home.online_store, cutoff_of(followed, "u1"), read(followed, "u1")
    followed.receive(order(cutoff, 20))
    for each in (second, first, second):
        each.step(cutoff + 21 * SECOND)
    assert read(followed, "u1") == rows[2] + 1
    assert second.is_idle
    assert first.is_idle


def test_a_push_is_measured_by_its_oldest_event(followed, cutoff):
    """Of those that did not count at the cutoff before."""
    followed.receive(order(cutoff, 10), order(cutoff, 12, "u2"))
    with followed.log.connect() as con:
        pushed = push_users(
            followed.home, con, followed.catalog, ["u1", "u2"], cutoff, cutoff + 13 * SECOND
        )
    assert (pushed.computed, pushed.written) == (2, 2)
    assert pushed.oldest == cutoff + 10 * SECOND


def test_an_earlier_catalog_is_known_by_its_layout():
    """Catalogs grow at the end only; anything else is somebody else's layout."""
    small = Catalog((Signal(None), Signal("order")))
    grown = small.grown_by([Signal("visit"), Signal("order", {"property.device": "phone"})])
    assert catalog_of(small.names, grown) == small
    assert catalog_of(grown.names, grown) == grown
    assert catalog_of(grown.names, small) is None
    assert catalog_of(small.names[::-1], grown) is None
    assert catalog_of((), grown) is None


def test_a_backlog_keeps_its_order_and_its_users_until_done(cutoff):
    """Each user once; who waits for an instant comes when it has passed, and not at it."""
    backlog = Backlog()
    backlog.add(["b", "a", "b"])
    backlog.postpone({"c": cutoff})
    backlog.postpone({"c": cutoff + SECOND})
    backlog.wake(cutoff)
    assert (backlog.first(1), backlog.first(9)) == (["b"], ["b", "a"])
    backlog.done(["b"])
    backlog.wake(cutoff + timedelta(microseconds=1))
    assert backlog.first(9) == ["a", "c"]
    backlog.postpone({"c": cutoff})
    backlog.done(["c"])
    backlog.wake(cutoff + SECOND)
    assert backlog.first(9) == ["a"]


def test_whoever_shares_an_id_is_touched(followed, cutoff):
    """A device's owner, and not the users of other devices."""
    followed.receive(order(cutoff, 1, "u1", device="d1"), order(cutoff, 1, "u2", device="d2"))
    followed.receive(order(cutoff, 2, None, device="d1"))
    added = pa.table({"user_id": pa.nulls(1, pa.string()), "anonymous_id": ["d1"]})
    with followed.log.connect() as con:
        assert module.users_of(con, added, cutoff + 9 * SECOND) == {"u1"}
