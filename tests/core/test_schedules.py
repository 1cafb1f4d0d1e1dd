"""Schedules are five cron fields, checked before Kubernetes sees them."""

from __future__ import annotations

import pytest

from tidemill.objective.schedule import check_schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "0 3 * * 1",
        "*/15 * * * *",
        "0 0 1,15 * *",
        "0 9-17/2 * * mon-fri",
        "0 0 1 JAN *",
        "0 0 * * 0",
    ],
)
def test_cron_syntax_is_accepted(schedule: str) -> None:
    """Numbers, lists, ranges, steps and names."""
    assert check_schedule(schedule) == schedule


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        ("0 3 * *", "five fields"),
        ("hourly", "five fields"),
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 5-3 * * *", "hour"),
        ("0 0 0 * *", "day of month"),
        ("0 0 * foo *", "month"),
        ("0 0 * * 7", "day of week"),
        ("0 */0 * * *", "hour"),
    ],
)
def test_the_wrong_field_is_named(schedule: str, complaint: str) -> None:
    """A schedule that never runs, or that nobody can read, is refused."""
    with pytest.raises(ValueError, match=complaint):
        check_schedule(schedule)
