"""Answers to exposures count by where the item was shown."""

import pytest

from tidemill.recommendation.interests import FACTS, PositionWeights

HOUR_US = 3_600_000_000
HOUR = 1 / 24


@pytest.fixture
def total(histories_of, interest_in):
    """`total(*rows)`: how much u1's interest in i1 counts; shown at 1, 2, 3: 1, 2, 4 times."""

    def find(*rows):
        positions = PositionWeights(
            event="shown",
            position="property.at",
            clicked="click",
            within_us=2 * HOUR_US,
            weights=(1.0, 2.0, 4.0),
        )
        found = histories_of(interest_in(click=0.5, positions=positions), *rows)["u1"]
        return float(found.facts[0, FACTS.index("total")])

    return find


def shown(position, days_ago, **changes):
    properties = f'{{"at": {position}}}'
    return {
        "name": "shown",
        "item": "i1",
        "days_ago": days_ago,
        "properties": properties,
        **changes,
    }


def click(days_ago=1.0, name="click"):
    return {"name": name, "item": "i1", "days_ago": days_ago}


def test_an_answer_is_multiplied_by_the_weight_of_its_position(total):
    """Its own weight is 0.5."""
    assert total(shown(2, 1 + HOUR), click()) == 1


def test_the_last_weight_stands_for_all_that_follow(total):
    """Nobody estimates a weight for position 70."""
    assert total(shown(70, 1 + HOUR), click()) == 2


@pytest.mark.parametrize(
    "exposure",
    [
        shown(3, 1 + 2.1 * HOUR),
        shown(3, 1 - HOUR),
        shown(3, 1 + HOUR, item="i2"),
        shown(3, 1 + HOUR, user="u2"),
        shown('"top"', 1 + HOUR),
        shown(0, 1 + HOUR),
    ],
)
def test_without_an_exposure_it_counts_as_it_is(total, exposure):
    """Too long ago, later, of another item or user, or without a position."""
    assert total(exposure, click()) == 0.5


def test_the_latest_exposure_counts(total):
    """An item may be shown again and again."""
    assert total(shown(3, 1 + 1.5 * HOUR), shown(2, 1 + HOUR), click()) == 1


def test_an_exposure_that_was_not_known_does_not_count(total, cutoff):
    """It came in after the cutoff."""
    assert total(shown(3, 1 + HOUR, received=cutoff), click()) == 0.5


def test_only_answers_are_weighed(total):
    """What the user did by another way counts as ever."""
    assert total(shown(3, 1 + HOUR), click(name="order")) == 1
