"""What a user is not offered because of what the user did."""

from datetime import timedelta

import pytest

from tidemill.recommendation.interests import ExclusionRule

DAY_US = 86_400_000_000


@pytest.fixture
def excluded(histories_of, interest_in):
    """`excluded(rules, *rows)`: items and until when."""

    def find(rules, *rows, **options):
        definition = interest_in(exclude=tuple(rules), **options.pop("fields", {}))
        return histories_of(definition, *rows, **options)["u1"].excluded

    return find


def returned(item, days_ago, **changes):
    return {"name": "return", "item": item, "days_ago": days_ago, **changes}


FOR_EVER = ExclusionRule(event="return")
TEN_DAYS = ExclusionRule(event="return", within_us=10 * DAY_US)


def test_it_lasts_for_ever_unless_it_says_how_long(excluded):
    """However long ago it was; the event need not show interest."""
    assert excluded([FOR_EVER], returned("i1", 400)) == {"i1": None}


def test_it_ends_when_its_time_is_over(excluded, cutoff):
    """Counted from the latest event; what is over is not kept."""
    rows = [returned("i1", 9), returned("i1", 2), returned("i2", 10)]
    until = int((cutoff + timedelta(days=8)).timestamp()) * 1_000_000
    assert excluded([TEN_DAYS], *rows) == {"i1": until}


def test_the_longest_of_several_rules_holds(excluded):
    """For ever is longer than any time, also with two rules about one event."""
    assert excluded([TEN_DAYS, FOR_EVER], returned("i1", 1)) == {"i1": None}


def test_only_what_was_known_excludes(excluded, cutoff):
    """An event that came in later did not hold anything back."""
    assert excluded([FOR_EVER], returned("i1", 3, received=cutoff), {"name": "visit"}) == {}


def test_groups_are_excluded_as_groups(excluded):
    """The brand of the item that came back."""
    items = {"i1": '{"brand": "x"}'}
    fields = {"by": "item.brand"}
    assert excluded([FOR_EVER], returned("i1", 3), items=items, fields=fields) == {"x": None}
