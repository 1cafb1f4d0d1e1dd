"""Which instants a lifetime value is learnt from and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.errors import NotReadyError

_DAY = timedelta(days=1)
REHEARSALS = 2
"""How many of the newest training windows a model is chosen by."""


@dataclass(frozen=True)
class ValueWindows:
    """Cutoffs, oldest first. Label windows of `train` end before the test cutoff."""

    train: tuple[datetime, ...]
    test: datetime
    judged: timedelta
    """Length of all label windows; the horizon, unless the history is too short for that."""

    @property
    def rehearsed(self) -> tuple[datetime, ...]:
        """The newest of `train`, by which a model is chosen."""
        return self.train[-REHEARSALS:]


def plan_value_windows(
    first_event: datetime, at: datetime, within: timedelta, every: timedelta | None, most: int
) -> ValueWindows:
    """As `plan_windows`, but where the log does not cover three horizons, all windows are a quarter
    of it: purchase processes can look farther ahead than they were judged. Training windows may
    overlap each other; by default the next begins half a window later.

    Raises NotReadyError when the log does not cover half a horizon, or four days.
    """
    span = at - first_event
    if span < max(within / 2, 4 * _DAY):
        raise NotReadyError(
            f"the log covers {span / _DAY:.0f} days before {at:%Y-%m-%d}, and a horizon of "
            f"{within / _DAY:.0f} days needs at least half as many, and four",
            hint="import older events, or shorten `within`",
        )
    judged = within if span >= 3 * within else span / 4 // _DAY * _DAY
    test, step = at - judged, every or judged / 2
    cutoff, train = test - judged, list[datetime]()
    while cutoff >= first_event + judged and len(train) < most:
        train.append(cutoff)
        cutoff -= step
    return ValueWindows(tuple(reversed(train)), test, judged)
