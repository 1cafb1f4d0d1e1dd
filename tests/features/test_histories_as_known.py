"""A history is what was known at its cutoff, and is the same however it is computed again."""

from contextlib import closing
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from tidemill.events import EventLog
from tidemill.events.identity.decisions import Decision, decide
from tidemill.events.schema import EVENTS
from tidemill.recommendation.history import pack_history, unpack_history
from tidemill.recommendation.interests import FACTS, ExclusionRule, PositionWeights
from tidemill_features.instants import in_microseconds
from tidemill_features.interest_log import InterestLog
from tidemill_features.interests import compute_histories, rebuild_histories

USERS, ITEMS = [f"u{n}" for n in range(4)], [f"i{n}" for n in range(4)]


@pytest.fixture
def add(tmp_path, cutoff):
    """`add(("order", 3, "ann", "i1"), ...)`: days before the cutoff; a previous id as well."""
    count = iter(range(1_000))

    def append(*rows):
        events = [
            {
                "event_id": f"e{next(count)}",
                "name": name,
                "user_id": user,
                "anonymous_id": "phone" if user is None or name == "login" else None,
                "item_id": item,
                "timestamp": cutoff - timedelta(days=day),
                "received_at": cutoff - timedelta(days=day),
                "properties": f'{{"previous_id":"{previous[0]}"}}' if previous else "{}",
            }
            for name, day, user, item, *previous in rows
        ]
        EventLog(tmp_path / "events").append(pa.Table.from_pylist(events, schema=EVENTS))

    return append


@pytest.fixture
def items_of(tmp_path, interest_in, cutoff):
    """`items_of(days_ago)`: each user's items, as known then."""

    def find(days_ago):
        con = EventLog(tmp_path / "events").connect()
        at = cutoff - timedelta(days=days_ago)
        return {user: h.items for user, _, h in compute_histories(con, interest_in(), at)}

    return find


def test_what_came_later_is_not_known(histories_of, interest_in, cutoff):
    """By its own time or by its receipt; the cutoff itself is the future."""
    rows = [
        {"item": "known", "days_ago": 1},
        {"item": "late", "days_ago": 1, "received": cutoff},
        {"item": "future", "at": cutoff},
    ]
    assert histories_of(interest_in(), *rows)["u1"].items == ("known",)


def test_a_merged_user_hands_the_history_over(add, items_of):
    """From the cutoff after the merge; the past stays what it was."""
    add(("order", 9, "old", "i1"), ("order", 8, "new", "i2"), ("$alias", 5, "new", None, "old"))
    assert items_of(5) == {"old": ("i1",), "new": ("i2",)}
    assert items_of(4) == {"new": ("i2", "i1")}


def test_what_is_no_longer_the_users_is_forgotten(add, items_of, tmp_path, cutoff):
    """A phone that was ann's until it was taken off her; she goes on having the rest."""
    add(("order", 9, None, "i1"), ("order", 8, "ann", "i2"), ("login", 7, "ann", None))
    decide(tmp_path / "events", Decision(cutoff - timedelta(days=5), "forget", "phone"))
    assert items_of(6) == {"ann": ("i2", "i1")}
    assert items_of(0) == {"ann": ("i2",)}


def random_rows(rng, cutoff):
    names = ["order", "view", "return", "shown", "visit"]
    for number in range(600):
        at = cutoff - timedelta(days=float(rng.uniform(-20, 90)))
        yield {
            "id": f"e{number}",
            "user": rng.choice(USERS),
            "name": rng.choice(names),
            "item": rng.choice([*ITEMS, None]),
            "at": at,
            "received": at + timedelta(days=float(rng.choice([0, rng.uniform(0, 9)]))),
            "properties": f'{{"at": {rng.integers(0, 5)}, "shop": "{rng.choice(["n", "s"])}"}}',
        }


@pytest.fixture
def definition(interest_in):
    """With everything that a history can hold."""
    return interest_in(
        view=0.3,
        context="property.shop",
        exclude=(ExclusionRule(event="return", within_us=20 * 86_400_000_000),),
        positions=PositionWeights(
            event="shown",
            position="property.at",
            clicked="view",
            within_us=9 * 86_400_000_000,
            weights=(1.0, 1.7, 2.9),
        ),
    )


@pytest.fixture(params=range(3))
def con(request, events_of, con_of, cutoff):
    rng = np.random.default_rng(request.param)
    return con_of(events_of(*random_rows(rng, cutoff)))


def test_rebuilt_histories_are_the_same_bytes(con, definition, cutoff):
    """Of any users and cutoffs together, as one by one."""
    rng = np.random.default_rng(1)
    instants = [cutoff - timedelta(days=float(d)) for d in rng.uniform(-9, 80, 12)]
    pairs = [(user, at) for at in instants for user in USERS]
    alone = {
        (user, at): pack_history(history)
        for at in instants
        for user, _, history in compute_histories(con, definition, at)
    }
    users, cutoffs = zip(*pairs, strict=True)
    rebuilt = rebuild_histories(con, definition, users, [in_microseconds(at) for at in cutoffs])
    assert [None if h is None else pack_history(h) for h in rebuilt] == [
        alone.get(pair) for pair in pairs
    ]


def test_the_future_changes_nothing(con, definition, cutoff, con_of):
    """With every event that was not known deleted, the histories are the same."""
    known = con.execute(
        "SELECT * FROM events WHERE timestamp < $at AND received_at < $at", {"at": cutoff}
    ).to_arrow_table()
    past = con_of(known.cast(EVENTS))
    before, after = (
        [(user, pack_history(h)) for user, _, h in compute_histories(c, definition, cutoff)]
        for c in (past, con)
    )
    assert before == after
    assert len(before) == len(USERS)


def test_several_cutoffs_of_one_pass_are_as_each_alone(con, definition, cutoff):
    """What came in between them is in none but the later one."""
    both = [in_microseconds(cutoff - timedelta(days=days)) for days in (20, 0)]
    with closing(InterestLog(con, definition, both)) as together:
        for at in both:
            with closing(InterestLog(con, definition, [at])) as alone:
                assert facts_of(together, at) == facts_of(alone, at)


def test_an_exposure_counts_from_when_it_was_known(definition, events_of, con_of, cutoff):
    """Also where several cutoffs are computed in one pass."""
    ten, twenty = (cutoff - timedelta(days=days) for days in (10, 20))
    shown = {"name": "shown", "days_ago": 25, "received": ten, "properties": '{"at": 3}'}
    con = con_of(events_of({"item": "i1", **shown}, {"name": "view", "item": "i1", "days_ago": 24}))
    both = [in_microseconds(at) for at in (twenty, cutoff)]
    with closing(InterestLog(con, definition, both)) as log:
        totals = [next(log.blocks(at)).facts[0, FACTS.index("total")] for at in both]
    assert totals == [np.float32(0.3), np.float32(0.3 * 2.9)]


def facts_of(log, at):
    """Every number about every pair and user with interest."""
    (block,) = log.blocks(at)
    return block.facts.tobytes(), block.activity[block.is_interested].tobytes()


def test_a_packed_history_is_unpacked_as_it_was(con, definition, cutoff):
    """Every field of it."""
    for _, _, history in compute_histories(con, definition, cutoff):
        again = unpack_history(pack_history(history))
        assert np.array_equal(again.facts, history.facts)
        assert np.array_equal(again.activity, history.activity)
        assert (again.items, again.context, again.excluded) == (
            history.items,
            history.context,
            history.excluded,
        )
