"""Which slices of the users count, and what they are told apart by."""

from datetime import timedelta

import numpy as np
import pytest

from tidemill.evaluation import PairedDifference
from tidemill_features.instants import in_microseconds
from tidemill_features.user_attributes import newest_values
from tidemill_pipelines.guarding import MOST_SLICES, Judged, slices_of


def judged(users, outcomes):
    """Every comparison gives the number of its users."""
    names = [f"u{n}" for n in range(users)]
    return Judged(names, 0, outcomes, lambda rows: PairedDifference(float(rows.sum()), 0, 0))


@pytest.fixture
def halves():
    """1,000 users, every other with the outcome."""
    return judged(1_000, np.arange(1_000) % 2 == 0)


def test_each_value_is_a_slice_and_so_are_those_without(halves):
    """The largest first, each compared on its own users."""
    values = ["NL"] * 500 + ["DE"] * 300 + [None] * 200
    found = slices_of("property.country", values, halves)
    assert [(each.name, each.users, each.outcomes) for each in found] == [
        ("property.country = NL", 500, 250),
        ("property.country = DE", 300, 150),
        ("users without property.country", 200, 100),
    ]
    assert [each.over_champion.difference for each in found] == [500, 300, 200]


def test_small_slices_do_not_count(halves):
    """199 users are too few, whatever they did."""
    found = slices_of("property.country", ["NL"] * 801 + ["DE"] * 199, halves)
    assert [each.users for each in found] == [801]


@pytest.mark.parametrize("positives", [29, 971])
def test_slices_with_few_outcomes_of_one_kind_do_not_count(positives):
    """Neither with too few that had the outcome, nor with too few that had it not."""
    few = judged(1_000, np.arange(1_000) < positives)
    assert slices_of("property.country", ["NL"] * 1_000, few) == []


def test_where_everybody_has_an_outcome_users_are_enough():
    """Lists of items are judged on those who took something up."""
    everybody = judged(400, np.ones(400, dtype=bool))
    assert [s.users for s in slices_of("property.country", ["NL"] * 400, everybody)] == [400]


def test_only_the_largest_slices_count():
    """Of an attribute with a value for each few users, none could be guarded anyway."""
    many = 300 * (MOST_SLICES + 5)
    outcomes = np.arange(many) % 2 == 0
    values = [f"v{n % (MOST_SLICES + 5)}" for n in range(many)]
    assert len(slices_of("property.city", values, judged(many, outcomes))) == MOST_SLICES


def test_a_value_is_the_newest_known_at_the_cutoff(con_of, events_of, cutoff):
    """Neither an older one, nor one said later, nor one that arrived later."""
    hour = timedelta(hours=1)
    said = [
        {"user": "ann", "at": cutoff - 2 * hour, "properties": '{"plan": "free"}'},
        {"user": "ann", "at": cutoff - hour, "properties": '{"plan": "paid"}'},
        {"user": "ann", "at": cutoff + hour, "properties": '{"plan": "later"}'},
        {
            "user": "ben",
            "at": cutoff - hour,
            "received": cutoff + hour,
            "properties": '{"plan": "unknown yet"}',
        },
        {"user": "ben", "at": cutoff - 3 * hour, "properties": '{"other": "x"}'},
    ]
    con = con_of(events_of(*said))
    found = newest_values(con, "property.plan", in_microseconds(cutoff), ["ben", "ann", "cy"])
    assert found == [None, "paid", None]
