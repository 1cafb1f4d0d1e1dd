"""Which instants a recommender is chosen at, and which it is judged at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.errors import NotReadyError


@dataclass(frozen=True)
class ChoiceWindows:
    """Two cutoffs, each with one horizon of outcomes after it; the windows touch."""

    earlier: datetime
    """Models are chosen and blended by what happened after it."""
    later: datetime
    """Models learn from what was known here, and are judged once by what happened after it."""


def plan_choice_windows(first_event: datetime, at: datetime, within: timedelta) -> ChoiceWindows:
    """The test cutoff one horizon before `at`, the other one horizon before that.

    Raises NotReadyError when less than one horizon of history lies before the earlier one.
    """
    later = at - within
    earlier = later - within
    if first_event > earlier - within:
        days = within / timedelta(days=1)
        raise NotReadyError(
            f"the log covers {(at - first_event) / timedelta(days=1):.0f} days before "
            f"{at:%Y-%m-%d}, and a horizon of {days:.0f} days needs at least {3 * days:.0f}: one "
            "of history, one of outcomes to choose a model by and one to judge it by",
            hint="import older events, or shorten `within`",
        )
    return ChoiceWindows(earlier, later)
