"""Histories and catalogues are kept online for every definition that a recommender reads."""

from contextlib import closing
from datetime import timedelta

import pytest

from tidemill.events import EventLog
from tidemill.home import Home
from tidemill.objective import keep_objective
from tidemill.online import open_online_reader, open_online_writer
from tidemill.recommendation.catalogue import read_catalogue
from tidemill.recommendation.history import LAYOUT, pack_history, unpack_history
from tidemill.recommendation.interests import interests_of
from tidemill_features.history_rows import is_filled
from tidemill_features.interests import compute_histories
from tidemill_features.kept_interests import keep_interests, kept_interests
from tidemill_features.materialization import ensure_online, materialize


@pytest.fixture
def home(tmp_path, events_of, shop_events):
    home = Home(tmp_path)
    EventLog(home.events).append(shop_events(10, 60))
    return home


@pytest.fixture
def keep(home, choosing):
    """`keep(within="16d")`: a recommendation of this home is trained; returns its definition."""

    def train(name="chosen", **block):
        objective = choosing(name=name, **block)
        keep_objective(home, objective)
        keep_interests(home, name, interests_of(objective))
        return interests_of(objective)

    return train


def stored(home, definition):
    """Packed rows of everybody, by user and cutoff."""
    with closing(open_online_reader(home, definition.view, LAYOUT)) as reader:
        users = reader.entities()
        rows = reader.read_packed(users)
    return {(user, row[0]): row[1] for user, row in zip(users, rows, strict=True)}


def computed(home, definition, at):
    with EventLog(home.events).connect() as con:
        found = compute_histories(con, definition, at)
        return {(user, cutoff): pack_history(history) for user, cutoff, history in found}


def test_every_kept_definition_is_filled(home, keep, cutoff):
    """By `features materialize`, with the histories of everybody."""
    definitions = [keep(), keep("other", within="3d")]
    materialize(home, cutoff)
    for definition in definitions:
        assert stored(home, definition) == computed(home, definition, cutoff)
        assert len(stored(home, definition)) == 9


def test_rows_are_brought_up_to_date(home, keep, cutoff):
    """All of them, also of those with nothing new."""
    definition = keep()
    materialize(home, cutoff - timedelta(days=1))
    materialize(home, cutoff)
    assert stored(home, definition) == computed(home, definition, cutoff)


def test_a_new_model_finds_its_histories(home, keep, cutoff):
    """What is in the store already is left alone: a batch keeps it up to date."""
    first = keep()
    ensure_online(home, cutoff)
    second = keep(within="3d")
    ensure_online(home, cutoff + timedelta(days=1))
    assert stored(home, first) == computed(home, first, cutoff)
    assert stored(home, second) == computed(home, second, cutoff + timedelta(days=1))


def test_two_definitions_of_an_objective_are_kept(home, keep, cutoff):
    """The rows of the one before are removed, unless another objective reads them."""
    definitions = [keep(within=f"{days}d") for days in (3, 4)]
    shared = keep("other", within="3d")
    materialize(home, cutoff)
    definitions += [keep(within=f"{days}d") for days in (5, 6)]
    materialize(home, cutoff)
    assert kept_interests(home)["chosen"] == (definitions[3], definitions[2])
    assert [is_filled(home, each) for each in definitions] == [True, False, True, True]
    keep("other", within="7d")
    keep("other", within="8d")
    materialize(home, cutoff)
    assert not is_filled(home, shared)


def test_a_definition_that_returns_is_the_newest(home, keep):
    """It is kept once."""
    first, second = keep(within="3d"), keep(within="4d")
    for _ in range(2):
        keep(within="3d")
    assert kept_interests(home) == {"chosen": (first, second)}


def test_who_became_another_has_no_history(home, keep, events_of, cutoff):
    """Neither old rows nor new ones."""
    definition = keep()
    materialize(home, cutoff)
    alias = {"user": "u1", "name": "$alias", "at": cutoff, "properties": '{"previous_id": "u2"}'}
    EventLog(home.events).append(events_of({"id": "alias", **alias}))
    materialize(home, cutoff + timedelta(days=1))
    users = {user for user, _ in stored(home, definition)}
    assert "u1" in users
    assert "u2" not in users


def test_the_catalogue_is_written_for_each_objective(home, keep, cutoff):
    """Anew whenever features are: an item that no longer meets the conditions vanishes."""
    log = EventLog(home.events)
    log.put_items(items_table({"i1": "red", "i2": "red"}))
    keep(items={"where": {"item.colour": "red"}})
    materialize(home, cutoff)
    assert read_catalogue(home.catalogue("chosen")).items == ("i1", "i2")
    log.put_items(items_table({"i1": "blue"}))
    ensure_online(home, cutoff)
    assert read_catalogue(home.catalogue("chosen")).items == ("i2",)


def items_table(colours):
    import pyarrow as pa

    from tidemill.events.schema import ITEMS

    attributes = [f'{{"colour": "{colour}"}}' for colour in colours.values()]
    return pa.table({"item_id": list(colours), "attributes": attributes}, schema=ITEMS)


def test_an_objective_that_was_deleted_does_no_harm(home, keep, cutoff):
    """Its definition is still kept: its model may still be served."""
    definition = keep()
    (home.objectives / "chosen.yaml").unlink()
    materialize(home, cutoff)
    assert is_filled(home, definition)
    assert not home.catalogue("chosen").exists()


def test_a_home_without_recommendations_has_none_of_it(home, cutoff):
    """No view, no file, no catalogue."""
    materialize(home, cutoff)
    ensure_online(home, cutoff)
    assert not list(home.features.glob("interests*"))
    assert not home.catalogue("chosen").parent.exists()


def test_nothing_is_left_of_the_work(home, keep, cutoff):
    """What was spilt to the disk is removed."""
    keep()
    materialize(home, cutoff)
    assert not list(home.features.glob("spill*"))


def test_redis_holds_the_same_rows(home, keep, cutoff, redis_server, monkeypatch):
    """On a cluster the store is a server."""
    monkeypatch.setenv("TIDEMILL_ONLINE_STORE", redis_server.url)
    definition = keep()
    materialize(home, cutoff)
    assert stored(home, definition) == computed(home, definition, cutoff)


@pytest.mark.parametrize("on_redis", [False, True])
def test_packed_rows_come_in_the_order_asked_for(home, redis_server, monkeypatch, on_redis):
    """None for a user who is not there, and however many are asked for."""
    if on_redis:
        monkeypatch.setenv("TIDEMILL_ONLINE_STORE", redis_server.url)
    rows = [(f"u{n}", n, bytes([n % 256]) * (n % 7)) for n in range(1200)]
    with closing(open_online_writer(home)) as writer:
        writer.write("packed", LAYOUT, rows)
    with closing(open_online_reader(home, "packed", LAYOUT)) as reader:
        assert reader.read_packed(["u2", "nobody", "u1"]) == [(2, b"\2\2"), None, (1, b"\1")]
        assert reader.read_packed([row[0] for row in rows]) == [row[1:] for row in rows]
        assert reader.read_packed([]) == []


def test_a_stored_row_is_a_history(home, keep, cutoff):
    """As the server reads it."""
    definition = keep()
    materialize(home, cutoff)
    histories = [unpack_history(row) for row in stored(home, definition).values()]
    assert any(history.items for history in histories)
    assert all(history.facts.shape == (len(history.items), 7) for history in histories)
