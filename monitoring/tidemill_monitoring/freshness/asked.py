"""What answers read from the online store, gathered while the log is read for something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.served import to_us

_DAY_US = 86_400_000_000
_MOST_STRANGERS = 1_000


class Answered(Protocol):
    """What a record of predictions and one of shown items have in common."""

    @property
    def requested_at(self) -> int: ...
    @property
    def users(self) -> Sequence[str | None]: ...
    @property
    def cutoffs(self) -> NDArray[np.int64]: ...
    @property
    def cold_start(self) -> NDArray[np.bool_]: ...


Frame = TypeVar("Frame", bound=Answered)


class AskedRows:
    """Answers that were asked for, by the clock, in the window before `at`.

    In a replay the clock is years after the events: then no answer lies in the window, and ages
    cannot be told from the log.
    """

    def __init__(self, at: datetime, window: timedelta) -> None:
        self._end, self._start = to_us(at), to_us(at - window)
        self._asked: list[int] = []
        self._cutoffs: list[NDArray[np.int64]] = []
        self._days: set[int] = set()
        self.cold_users: dict[str, int] = {}
        """Users without a row to when they were first asked for, microseconds; at most 1,000."""
        self.cold = 0
        """Answers to users without a row."""
        self.damaged: list[Path] = []
        """Segments that could not be read to their end."""

    def watch(self, log: Iterable[Frame]) -> Iterator[Frame]:
        """The same records, looked at in passing."""
        for frame in log:
            self._look_at(frame)
            yield frame

    def lose(self, segment: Path) -> None:
        """A segment's answers are missing, all or the later ones."""
        self.damaged.append(segment)

    @property
    def ages(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """When each answer with a row was asked for, and the row's cutoff; microseconds."""
        counts = [len(part) for part in self._cutoffs]
        cutoffs = np.concatenate(self._cutoffs) if self._cutoffs else np.empty(0, dtype=np.int64)
        return np.repeat(np.asarray(self._asked, dtype=np.int64), counts), cutoffs

    @property
    def rhythm_days(self) -> float:
        """Median distance of the days on which rows were made, 0 for fewer than three such days."""
        days = np.sort(np.fromiter(self._days, dtype=np.int64))
        return float(np.median(np.diff(days))) if len(days) > 2 else 0.0

    def _look_at(self, frame: Answered) -> None:
        named = np.fromiter((user is not None for user in frame.users), np.bool_)
        warm = named & ~frame.cold_start
        made = frame.cutoffs[warm]
        self._days.update((made[made <= self._end] // _DAY_US).tolist())
        if not self._start < frame.requested_at <= self._end:
            return
        self._asked.append(frame.requested_at)
        self._cutoffs.append(made)
        for row in np.flatnonzero(named & frame.cold_start).tolist():
            self.cold += 1
            if len(self.cold_users) < _MOST_STRANGERS:
                self.cold_users.setdefault(str(frame.users[row]), frame.requested_at)
