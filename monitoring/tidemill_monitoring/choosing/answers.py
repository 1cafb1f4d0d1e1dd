"""What the checks need from the log of shown items: one list per user and history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.recommendation.shown import Shown
from tidemill_monitoring.served import from_us, to_us


@dataclass(frozen=True)
class ShownList:
    """What one known user was shown, as of one history."""

    user: str
    cutoff: int
    """Microseconds since 1970 UTC."""
    checksum: int
    version: str
    items: tuple[str, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class ShownAnswers:
    """Two views of the log."""

    recent: list[ShownList]
    """Of the window, the last per user and cutoff."""
    closed: list[ShownList]
    """Of the version that gave most of them, the last per user whose horizon is over."""
    answers: int
    """In the window, those to users without a history included."""
    cold: int
    """Of those, to users without a history."""
    first_cutoff: datetime | None
    """Of any answer; None when nothing was shown yet."""


def read_answers(
    log: Iterable[Shown], *, at: datetime, window: timedelta, known_at: datetime
) -> ShownAnswers:
    """One pass over the log. Answers are closed from cutoffs up to `known_at`.

    Cold answers have no cutoff and are placed by when they were asked for. Lists that were narrowed
    by the caller's filters are left out of what is judged, and all that another arm of an
    experiment than the champion's answered.
    """
    end, start, known = to_us(at), to_us(at - window), to_us(known_at)
    recent: dict[tuple[str, int], ShownList] = {}
    closed: dict[tuple[str, str], ShownList] = {}
    answers = cold = 0
    first: int | None = None
    for frame in log:
        is_heard = frame.by_champion(len(frame.users))
        for row, user in enumerate(frame.users):
            if not is_heard[row]:
                continue
            is_cold = bool(frame.cold_start[row])
            instant = frame.requested_at if is_cold else int(frame.cutoffs[row])
            if start < instant <= end:
                answers += 1
                cold += is_cold
            if is_cold or user is None or instant > end:
                continue
            first = instant if first is None else min(first, instant)
            shown = _list_of(frame, row, user)
            if instant > start:
                recent[user, instant] = shown
            if start - to_us(at) + known < instant <= known and not frame.filters:
                closed[frame.model_version, user] = _later(closed, shown)
    return ShownAnswers(
        list(recent.values()),
        _of_most(list(closed.values())),
        answers,
        cold,
        None if first is None else from_us(first),
    )


def _list_of(frame: Shown, row: int, user: str) -> ShownList:
    return ShownList(
        user,
        int(frame.cutoffs[row]),
        frame.checksums[row],
        frame.model_version,
        tuple(frame.items[row]),
        tuple(frame.scores[row]),
    )


def _later(closed: dict[tuple[str, str], ShownList], shown: ShownList) -> ShownList:
    before = closed.get((shown.version, shown.user))
    return shown if before is None or before.cutoff <= shown.cutoff else before


def _of_most(lists: list[ShownList]) -> list[ShownList]:
    by_version: dict[str, list[ShownList]] = {}
    for each in lists:
        by_version.setdefault(each.version, []).append(each)
    return max(by_version.values(), key=len, default=[])
