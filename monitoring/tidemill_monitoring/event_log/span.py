"""The whole UTC days that a report is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1)
DAY_US = 86_400_000_000
_RECENT_DAYS = 28


@dataclass(frozen=True)
class Span:
    """Days numbered from 0, the oldest: first history, then the days that are judged."""

    at: datetime
    """What was known then is looked at, zoned."""
    judged: int
    """Days that are judged, the newest of which ends at or before `at`."""
    history: int = 26 * 7
    """Days before them, which tell what is usual."""

    @property
    def recent(self) -> Span:
        """The same with four weeks of history: enough for all but volumes."""
        return replace(self, history=min(self.history, _RECENT_DAYS))

    @property
    def end(self) -> datetime:
        """The last midnight; what comes after it is part of a day."""
        return self.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def days(self) -> int:
        return self.history + self.judged

    @property
    def start(self) -> datetime:
        return self.end - self.days * DAY

    @property
    def start_us(self) -> int:
        """Microseconds since 1970."""
        return round(self.start.timestamp() * 1e6)

    @property
    def judged_from(self) -> datetime:
        return self.end - self.judged * DAY

    @property
    def parameters(self) -> dict[str, object]:
        """$start_us, $width, $start, $end and $at of a query by day."""
        return {
            "start_us": self.start_us,
            "width": DAY_US,
            "start": self.start,
            "end": self.end,
            "at": self.at,
        }

    def spell(self, day: int) -> str:
        """The date of a day's number, ISO 8601."""
        return (self.start + day * DAY).date().isoformat()


DAY_NUMBER = "(epoch_us({time}) - $start_us) // $width"
"""SQL: the number of the day of a time."""
IN_SPAN = "timestamp >= $start AND timestamp < $end AND received_at < $at"
"""SQL: events of the span's days, as known at its instant."""
