"""Durations are written as a whole number and a unit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tidemill.objective.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "hours"), [("12h", 12), ("28d", 28 * 24), ("4w", 28 * 24), ("1h", 1)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, hours: int) -> None:
    """h, d and w are hours, days and weeks."""
    assert parse_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "value", ["28", "d", "0d", "-1d", "1.5d", "28 d", "28d\n", "28x", 28, None]
)
def test_anything_else_is_refused(value: object) -> None:
    """No unit, no number, zero, fractions, spaces, other units, other types."""
    with pytest.raises(ValueError, match="whole number and a unit"):
        parse_duration(value)


def test_a_duration_of_centuries_is_refused() -> None:
    """A horizon longer than ten years is a slip of the keyboard."""
    with pytest.raises(ValueError, match="ten years"):
        parse_duration("99999d")


@pytest.mark.parametrize(("text", "canonical"), [("28d", "28d"), ("4w", "28d"), ("36h", "36h")])
def test_equal_durations_have_one_spelling(text: str, canonical: str) -> None:
    """Whole days are written in days, everything else in hours."""
    assert format_duration(parse_duration(text)) == canonical
