"""Who is in which arm: the same everywhere, evenly, and independently between experiments."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from tidemill.experiments.assignment import Slot, Split, cell_of

USERS = [f"user-{number}" for number in range(100_000)]
HALVES = (Decimal("0.5"), Decimal("0.5"))


@pytest.mark.parametrize(
    ("salt", "unit", "cell"),
    [
        ("welcome-1", "user-1", 8410020293768079),
        ("welcome-1", "user-2", 365170959877956),
        ("welcome-2", "user-1", 2846628081439940),
        ("welcome-1", "Zoë", 6048168616385127),
        ("welcome-1", "", 8243124048658770),
    ],
)
def test_any_language_finds_the_same_cell(salt: str, unit: str, cell: int) -> None:
    """These numbers are for ever: another one would move users between arms."""
    assert cell_of(salt, unit) == cell


def test_shares_are_what_was_declared() -> None:
    """Chi-square over three arms and what they leave."""
    split = Split("shares", (Decimal("0.05"), Decimal("0.25"), Decimal("0.6")))
    places = [split.place_of(user) for user in USERS]
    counts = [places.count(place) for place in (0, 1, 2, None)]
    expected = np.array([0.05, 0.25, 0.6, 0.1]) * len(USERS)
    assert chisquare(counts, expected).pvalue > 0.001


def test_experiments_are_independent() -> None:
    """An arm of one says nothing about the arm of another."""
    first, second = Split("first", HALVES), Split("second", HALVES)
    table = np.zeros((2, 2))
    for user in USERS:
        table[first.place_of(user), second.place_of(user)] += 1
    assert chi2_contingency(table).pvalue > 0.001


def test_ten_tenths_are_everybody() -> None:
    """As decimals they add up; as floats they would leave somebody out."""
    tenths = Split("tenths", (Decimal("0.1"),) * 10)
    assert None not in {tenths.place_of(user) for user in USERS}


def test_slots_of_a_layer_share_nobody() -> None:
    """What the first does not hold, the second does."""
    first = Slot("pages", Decimal(0), Decimal("0.3"))
    second = Slot("pages", Decimal("0.3"), Decimal("0.7"))
    assert all(first.holds(user) != second.holds(user) for user in USERS)
