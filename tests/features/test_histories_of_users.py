"""What is known of each user and item, against values worked out by hand."""

from datetime import timedelta

import numpy as np
import pytest

from tidemill.recommendation.history import pack_history
from tidemill.recommendation.interests import ACTIVITY, FACTS, LONGEST_HISTORY


def seen(item, *days, **changes):
    return [{"item": item, "days_ago": day, **changes} for day in days]


def facts(history, item):
    row = history.facts[history.items.index(item)]
    return dict(zip(FACTS, row.tolist(), strict=True))


def test_sums_decay_with_their_half_lives(histories_of, interest_in):
    """With a horizon of 16 days: after 8, 16, 64 and 256 days half is left."""
    found = histories_of(interest_in(days=16), *seen("i1", 16.5))["u1"]
    sums = [2**-2, 2**-1, 2**-0.25, 2**-0.0625]
    assert found.facts[0, :4].tolist() == [np.float32(round(each, 6)) for each in sums]


def test_an_item_counts_once_a_day(histories_of, interest_in):
    """Three times within the same day before the cutoff are one, the next day is another."""
    found = histories_of(interest_in(), *seen("i1", 0.1, 0.5, 0.9, 1.0))["u1"]
    assert facts(found, "i1")["total"] == 2


def test_the_largest_weight_of_a_day_counts(histories_of, interest_in):
    """Whichever event came first, and whatever else happened that day."""
    rows = [*seen("i1", 0.2, name="view"), *seen("i1", 0.1, 0.3), *seen("i1", 5, name="view")]
    found = histories_of(interest_in(view=0.25), *rows)["u1"]
    assert facts(found, "i1")["total"] == 1.25


def test_ages_are_whole_days(histories_of, interest_in):
    """Of the last and of the first interest in the item."""
    found = histories_of(interest_in(), *seen("i1", 2.9, 7, 30.1))["u1"]
    ages = facts(found, "i1")
    assert (ages["days_since_last"], ages["days_since_first"]) == (2, 30)


def test_items_stand_in_the_order_of_the_latest_interest(histories_of, interest_in):
    """Equal instants by the decayed sum, then by the item."""
    rows = [*seen("z", 3, 9), *seen("b", 3), *seen("a", 3), *seen("last", 2.9), *seen("old", 4)]
    assert histories_of(interest_in(), *rows)["u1"].items == ("last", "z", "a", "b", "old")


def test_a_long_history_is_cut(histories_of, interest_in):
    """The latest items stay, and it says that it was cut."""
    rows = [row for n in range(LONGEST_HISTORY + 1) for row in seen(f"i{n:03}", 1 + n / 100)]
    whole, cut = (histories_of(interest_in(), *rows[:-1]), histories_of(interest_in(), *rows))
    assert (whole["u1"].is_cut, cut["u1"].is_cut) == (False, True)
    assert cut["u1"].items == whole["u1"].items == tuple(row["item"] for row in rows[:-1])


def test_activity_is_over_days_with_any_interest(histories_of, interest_in):
    """Items that were cut off count too; what shows no interest does not."""
    rows = [*seen("i1", 0.5, 16.5), *seen("i2", 0.6), *seen("i3", 1, name="visit")]
    found = dict(zip(ACTIVITY, histories_of(interest_in(), *rows)["u1"].activity, strict=True))
    assert found["active_one"] == 1.5
    assert found["active_four"] == np.float32(1 + round(2**-0.25, 6))
    assert (found["days_since_last"], found["days_since_first"]) == (0, 16)


def test_groups_take_the_place_of_their_items(histories_of, interest_in):
    """Two items of a brand on one day are one interest in the brand; without one they are none."""
    rows = [*seen("i1", 0.1), *seen("i2", 0.2), *seen("i3", 0.3)]
    items = {"i1": '{"brand": "x"}', "i2": '{"brand": "x"}'}
    found = histories_of(interest_in(by="item.brand"), *rows, items=items)["u1"]
    assert (found.items, facts(found, "x")["total"]) == (("x",), 1)


def test_properties_can_be_offered(histories_of, interest_in):
    """An event without the property, or with an empty one, shows no interest."""
    rows = [{"properties": f'{{"shop": "{shop}"}}'} for shop in ("north", "")] + [{}]
    assert histories_of(interest_in(by="property.shop"), *rows)["u1"].items == ("north",)


def test_only_events_that_meet_the_conditions_count(histories_of, interest_in):
    """On their properties, and on attributes of their items."""
    rows = [*seen("i1", 1, properties='{"kind": "gift"}'), *seen("i2", 1)]
    gifts = interest_in(where={"property.kind": "gift"})
    assert histories_of(gifts, *rows)["u1"].items == ("i1",)
    red = interest_in(where={"item.colour": "red"})
    assert histories_of(red, *rows, items={"i2": '{"colour": "red"}'})["u1"].items == ("i2",)


def test_the_newest_value_is_the_context(histories_of, interest_in):
    """Of whatever event says it; events that do not say it change nothing."""
    rows = [
        {"name": "visit", "days_ago": 2, "properties": '{"country": "NO"}'},
        {"name": "visit", "days_ago": 3, "properties": '{"country": "SE"}'},
        {"days_ago": 1, "item": "i1"},
    ]
    definition = interest_in(context="property.country")
    assert histories_of(definition, *rows)["u1"].context == "NO"
    assert histories_of(definition, rows[2])["u1"].context is None


def test_everybody_known_has_a_history(histories_of, interest_in):
    """Empty without interest, so that it takes the place of what the store held before."""
    found = histories_of(interest_in(), {"name": "visit"}, {"user": "u2", "item": "i1"})
    assert list(found) == ["u1", "u2"]
    assert found["u1"].items == ()
    assert found["u1"].facts.shape == (0, len(FACTS))
    assert not found["u1"].activity.any()


def test_users_are_chosen_by_name(histories_of, interest_in):
    """Nobody else is looked at; somebody who is not known is left out."""
    rows = [{"user": user, "item": "i1"} for user in ("u1", "u2", "u3")]
    assert list(histories_of(interest_in(), *rows, users=["u3", "nobody", "u1"])) == ["u1", "u3"]


@pytest.mark.parametrize("hours", [1, 12, 400])
def test_horizons_of_any_length_work(histories_of, interest_in, hours):
    """An hour as well as weeks: ages stay whole days."""
    found = histories_of(interest_in(days=hours / 24), *seen("i1", 0.5, 10))["u1"]
    expected = 1 + round(0.5 ** (10 * 24 / hours), 6)
    assert facts(found, "i1")["decayed_one"] == np.float32(expected)


def test_users_come_in_the_same_order_in_any_portions(histories_of, interest_in, monkeypatch):
    """Memory is bounded by looking at some users at a time."""
    rows = [{"user": f"u{n % 7}", "item": f"i{n % 5}", "days_ago": 1 + n * 0.37} for n in range(60)]
    whole = histories_of(interest_in(), *rows)
    monkeypatch.setattr("tidemill_features.interest_log._ROWS_PER_BLOCK", 12)
    parts = histories_of(interest_in(), *rows)
    assert list(parts) == sorted(whole)
    assert all(pack_history(whole[user]) == pack_history(parts[user]) for user in whole)


def test_hostile_texts_are_only_texts(histories_of, interest_in):
    """Ids of users and items, names of events, contexts."""
    for text in ("'; DROP VIEW events; --", "Äpfel 🍐", 'say "hi"', "$1 {x} ?"):
        found = histories_of(interest_in(text), {"user": text, "item": text, "name": text})
        assert found[text].items == (text,)


def test_days_end_at_the_cutoff(histories_of, interest_in, cutoff):
    """A microsecond less than a day ago is today; exactly a day ago is yesterday."""
    day, microsecond = timedelta(days=1), timedelta(microseconds=1)
    rows = [
        {"item": "today", "at": cutoff - day + microsecond},
        {"item": "yesterday", "at": cutoff - day},
    ]
    found = histories_of(interest_in(), *rows)["u1"]
    assert facts(found, "today")["days_since_last"] == 0
    assert facts(found, "yesterday")["days_since_last"] == 1
