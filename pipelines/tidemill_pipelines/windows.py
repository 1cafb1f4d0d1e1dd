"""Which instants to learn from and which to be judged on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.errors import NotReadyError


@dataclass(frozen=True)
class Windows:
    """Cutoffs, oldest first. Label windows of train and test never overlap."""

    train: tuple[datetime, ...]
    test: datetime
    """Its label window ends where the log ends; the model is judged on it once."""

    @property
    def all(self) -> tuple[datetime, ...]:
        return (*self.train, self.test)


def plan_windows(
    first_event: datetime, at: datetime, within: timedelta, every: timedelta, most: int
) -> Windows:
    """Test cutoff one horizon before `at`, an embargo of one more, then up to `most` training
    cutoffs `every` apart, each with at least one horizon of history before it.

    Raises NotReadyError when the log is too short for a single training cutoff.
    """
    test = at - within
    earliest = first_event + within
    train: list[datetime] = []
    cutoff = test - within
    while cutoff >= earliest and len(train) < most:
        train.append(cutoff)
        cutoff -= every
    if not train:
        raise NotReadyError(
            f"the log covers {_days(at - first_event):.0f} days before {at:%Y-%m-%d}, and a "
            f"horizon of {_days(within):.0f} days needs at least {4 * _days(within):.0f}: one of "
            "history, one of training labels, one of embargo and one of test labels",
            hint="import older events, or shorten `within`",
        )
    return Windows(tuple(reversed(train)), test)


def _days(span: timedelta) -> float:
    return span.total_seconds() / 86_400
