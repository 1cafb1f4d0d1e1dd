"""What a recommender is trained on: candidates, histories and outcomes of two cutoffs."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from tidemill.errors import EventLogError
from tidemill.events import EventLog
from tidemill.events.identity.decisions import Decision, decide
from tidemill.home import Home
from tidemill.recommendation.interests import interests_of
from tidemill_features.interests import compute_histories
from tidemill_features.recommendation_set import build_recommendation_set, load_recommendation_set

HORIZON = timedelta(days=16)


@pytest.fixture
def build(tmp_path, log_of, events_of, choosing, cutoff):
    """`build(*rows, items={...}, kind=..., **block)`: with the later window at the cutoff."""

    def make(*rows, table=None, **block):
        events = events_of(*rows)
        devices = pa.array([row.get("device") for row in rows], pa.string())
        log_of(events.set_column(3, events.schema.field(3), devices), table)
        objective = choosing(**block)
        return build_recommendation_set(
            Home(tmp_path),
            objective,
            interests_of(objective),
            cutoff - HORIZON,
            cutoff,
            tmp_path / "set",
        )

    return make


def order(user, item, days_ago, **changes):
    return {"user": user, "item": item, "days_ago": days_ago, **changes}


def lists(found, offsets, items):
    """Item ids of each user."""
    ids = [found.items.ids[position] for position in items.tolist()]
    return [ids[s:e] for s, e in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]


def outcomes(found, window):
    return lists(found, window.outcomes.offsets, window.outcomes.items)


def test_histories_are_those_of_the_online_store(build, shop_events, tmp_path, cutoff, choosing):
    """The same numbers in the same order, of everybody with interest."""
    EventLog(tmp_path / "events").append(shop_events(40, 60))
    found = build(order("zz", "i1", 3), order("a", None, 3))
    con = EventLog(tmp_path / "events").connect()
    for window, at in ((found.earlier, cutoff - HORIZON), (found.later, cutoff)):
        own = window.histories
        online = {
            user: history
            for user, _, history in compute_histories(con, interests_of(choosing()), at)
            if history.items
        }
        assert own.users.tolist() == list(online)
        assert lists(found, own.offsets, own.items) == [list(h.items) for h in online.values()]
        assert np.array_equal(own.facts, np.concatenate([h.facts for h in online.values()]))
        assert np.array_equal(own.activity, np.stack([h.activity for h in online.values()]))


def test_outcomes_are_the_target_event_within_the_horizon(build, cutoff):
    """Not what shows interest only, and not what comes after; each item once, in order."""
    rows = [
        order("u1", "i2", 3),
        order("u1", "i1", 3),
        order("u1", "i2", -1),
        order("u1", "i2", -2),
        order("u1", "i1", -15.9),
        order("u1", "i1", 20),
        order("u1", "i3", -3, name="view"),
        order("u1", "i3", 3, name="view"),
        order("u1", "i3", -16),
    ]
    found = build(*rows, interest=[{"event": "view", "weight": 0.1}])
    assert outcomes(found, found.later) == [["i1", "i2"]]
    assert outcomes(found, found.earlier) == [["i1", "i2"]]


def test_outcomes_count_what_came_in_late(build, cutoff):
    """It is the truth, not what was known."""
    late = order("u1", "i1", -2, received=cutoff + timedelta(days=300))
    found = build(order("u1", "i1", 3), late)
    assert outcomes(found, found.later) == [["i1"]]


def test_outcomes_follow_a_person_under_another_id(build):
    """Somebody who became another after the cutoff."""
    alias = order("new", None, -1, name="$alias", properties='{"previous_id": "old"}')
    found = build(order("old", "i1", 3), alias, order("new", "i1", -2))
    assert found.later.histories.users.tolist() == ["old"]
    assert outcomes(found, found.later) == [["i1"]]


def test_outcomes_leave_out_what_turned_out_to_be_anothers(build, tmp_path, cutoff):
    """A phone that was taken off its user afterwards."""
    decide(tmp_path / "events", Decision(cutoff + timedelta(days=5), "forget", "phone"))
    rows = [order("u1", item, 3) for item in ("i1", "i2")]
    rows += [order("u1", None, -1, name="login", device="phone")]
    found = build(*rows, order("u1", "i1", -2), order(None, "i2", -3, device="phone"))
    assert outcomes(found, found.later) == [["i1"]]


def test_each_window_has_the_people_as_they_were_known(build):
    """Who became another in between is in the earlier one, with what the person then did."""
    alias = order("new", None, 10, name="$alias", properties='{"previous_id": "old"}')
    found = build(order("old", "i1", 20), order("new", "i2", 9), alias)
    assert found.earlier.histories.users.tolist() == ["old"]
    assert outcomes(found, found.earlier) == [["i2"]]
    assert found.later.histories.users.tolist() == ["new"]


def test_values_of_outcomes_are_summed(build):
    """Nothing where no event has a value."""
    rows = [order("u1", item, 3) for item in ("i1", "i2")]
    rows += [order("u1", "i1", -1, value=0.1), order("u1", "i1", -2, value=0.2)]
    found = build(*rows, order("u1", "i1", -3), order("u1", "i2", -3))
    assert np.array_equal(found.later.outcomes.values, np.float32([0.3, np.nan]), equal_nan=True)


def test_items_need_their_users(build):
    """Distinct ones with interest known at the later cutoff; the others are in no history."""
    rows = [order(user, "i1", 3) for user in ("u1", "u2")]
    rows += [order("u1", "i2", day) for day in (3, 4, 5)] + [order("u2", "i2", -1)]
    found = build(*rows, items={"minimum_users": 2}, table={"i3": "{}"})
    assert found.items.ids == ("i1",)
    own = found.later.histories
    assert lists(found, own.offsets, own.items) == [["i1"], ["i1"]]
    assert len(own.facts) == 2
    assert outcomes(found, found.later) == [[], []]


def test_a_person_of_two_ids_is_one_user(build):
    """Who is known to be one."""
    alias = order("new", None, 2, name="$alias", properties='{"previous_id": "old"}')
    rows = [order("old", "i1", 20), order("new", "i1", 3), order("new", "i2", 3)]
    with pytest.raises(EventLogError, match="no item to choose"):
        build(*rows, alias, items={"minimum_users": 2})


def test_new_items_are_candidates_without_a_minimum(build):
    """By what is known about them; those that were taken away are none."""
    table = {"new": '{"to": "2030-01-01"}', "gone": '{"to": "2020-01-01"}'}
    found = build(order("u1", "i1", 3), table=table, items={"available": {"end": "item.to"}})
    assert found.items.ids == ("i1", "new")
    assert found.items.attributes["to"] == (None, "2030-01-01")


def test_excluded_items_are_no_outcomes(build):
    """They could not have been offered; what was excluded is told for each user."""
    rows = [order("u1", "i1", 3), order("u2", "i1", 3), order("u1", "i1", 2, name="return")]
    rows += [order("u1", "i1", -1), order("u2", "i1", -1)]
    found = build(*rows, exclude=[{"event": "return"}])
    assert outcomes(found, found.later) == [[], ["i1"]]
    excluded = found.later.histories.excluded
    assert lists(found, excluded.offsets, excluded.items) == [["i1"], []]


def test_contexts_are_positions(build):
    """As of each cutoff; -1 for a user of whom none is known."""
    rows = [order("u1", "i1", 20, properties='{"shop": "s"}'), order("u2", "i1", 20)]
    found = build(*rows, order("u1", "i1", 3, properties='{"shop": "n"}'), context="property.shop")
    contexts = [found.items.contexts[c] for c in found.later.histories.contexts.tolist() if c >= 0]
    assert (contexts, found.items.contexts) == (["n"], ("n",))
    assert found.later.histories.contexts.tolist() == [0, -1]


def test_an_offer_is_worth_the_mean_of_its_events(build, cutoff):
    """As known at the later cutoff; the mean of all where an item's is not known."""
    rows = [order("u1", "i1", 3, value=2.0), order("u2", "i1", 3, value=4.0)]
    rows += [order("u1", "i2", 3, value=6.0), order("u1", "i3", 3), order("u1", "i1", -1, value=99)]
    assert build(*rows, kind="next_best_offer").items.values.tolist() == [3, 6, 4]


def test_an_offer_may_be_worth_an_attribute(build):
    """A number that items have; 1 if none has one."""
    table = {"i1": '{"margin": 2.5}', "i2": '{"margin": "unknown"}', "i3": '{"margin": 0.5}'}
    offer = {"kind": "next_best_offer", "table": table}
    found = build(order("u1", "i1", 3), value="item.margin", **offer)
    assert found.items.values.tolist() == [2.5, 1.5, 0.5]
    assert build(order("u1", "i1", 3), value="item.price", **offer).items.values.tolist() == [1] * 3


def test_recommendations_are_worth_the_same(build):
    """Whatever the events' values."""
    assert build(order("u1", "i1", 3, value=7.0)).items.values.tolist() == [1]


def test_it_is_loaded_as_it_was_built(build, tmp_path):
    """From its folder alone; nothing of the work is left in it."""
    found = build(order("u1", "i1", 20), order("u1", "i1", -1), table={"i1": '{"brand": "x"}'})
    again = load_recommendation_set(tmp_path / "set")
    assert (again.items.ids, again.items.attributes) == (found.items.ids, {"brand": ("x",)})
    assert again.later.histories.cutoff == found.later.histories.cutoff
    assert outcomes(again, again.later) == [["i1"]]
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "cutoffs.json",
        "earlier",
        "items.json",
        "later",
        "values.npy",
    ]


def test_nothing_to_choose_from_is_an_error_in_words(build):
    """Instead of a model of nothing."""
    with pytest.raises(EventLogError, match="no item to choose"):
        build(order("u1", "i1", 3), items={"minimum_users": 2})


def test_a_window_without_users_is_empty(build):
    """Everybody came after the earlier cutoff."""
    found = build(order("u1", "i1", 3))
    assert len(found.earlier.histories) == 0
    assert found.earlier.outcomes.offsets.tolist() == [0]
    assert found.earlier.histories.facts.shape == (0, 7)
