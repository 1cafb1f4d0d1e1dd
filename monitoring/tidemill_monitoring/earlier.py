"""Earlier runs of the monitor, as their verdict files remember them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tidemill_monitoring.verdicts import VERDICT_FILE, Concern, Status

MOST_WINDOWS = 12
"""So many earlier windows are remembered: a quarter of weeks."""
_MOST_FILES = 60
"""Files that are opened to find them, if some are of another model or window."""
_FORMAT = 1
_FOLDER = "%Y%m%dT%H%M%SZ"
_OVERLAP = 0.1
"""Share of a window that two may have in common and still count as apart: schedules jitter."""


@dataclass(frozen=True)
class EarlierWindow:
    """What one earlier run found."""

    at: datetime
    statuses: Mapping[str, Status]
    """Concern to status."""
    effects: Mapping[str, float]
    """Drift effect of each column, the score among them."""
    drifted: frozenset[str]
    """Columns that were worth a look or an alarm."""
    outcomes: tuple[float, int] | None = None
    """Share of users with the outcome, and how many users; None while none was known."""

    @property
    def in_control(self) -> bool:
        """Nothing called for action, and nothing was wrong with data or outcomes.

        A watch on drift alone does not count against it: seasons move features in good times,
        and that is what is to be learnt.
        """
        trusted = (Status.OK, Status.UNDECIDED)
        sound = all(
            status in trusted for concern, status in self.statuses.items() if concern in _TELLING
        )
        return sound and Status.ACT not in self.statuses.values()


_TELLING = (Concern.DATA_QUALITY, Concern.SKEW, Concern.PERFORMANCE)
"""Concerns that say whether all was well."""


@dataclass(frozen=True)
class Earlier:
    """Runs of the same model over windows of the same length, newest first."""

    newest: EarlierWindow | None = None
    """The run before this one, whatever days they share."""
    apart: tuple[EarlierWindow, ...] = ()
    """Windows that share no days, neither with this one nor with each other."""


def read_earlier(folder: Path, at: datetime, window: timedelta, version: str) -> Earlier:
    """Runs before `at` below an objective's monitoring folder; unreadable ones are left out."""
    newest: EarlierWindow | None = None
    apart: list[EarlierWindow] = []
    limit, opened = at - window * (1 - _OVERLAP), 0
    for instant in sorted(_instants(folder, at), reverse=True):
        if opened == _MOST_FILES or len(apart) == MOST_WINDOWS:
            break
        if newest is not None and instant > limit:
            continue
        opened += 1
        found = _read(folder / f"{instant:{_FOLDER}}" / VERDICT_FILE, window, version)
        if found is None:
            continue
        newest = newest or found
        if instant <= limit:
            apart.append(found)
            limit = instant - window * (1 - _OVERLAP)
    return Earlier(newest, tuple(apart))


def _instants(folder: Path, before: datetime) -> list[datetime]:
    found = []
    for path in folder.glob("*Z"):
        try:
            instant = datetime.strptime(path.name, _FOLDER).replace(tzinfo=UTC)
        except ValueError:
            continue
        if instant < before.replace(microsecond=0):
            found.append(instant)
    return found


def _read(path: Path, window: timedelta, version: str) -> EarlierWindow | None:
    """None for a run that did not finish, is of another version of Tidemill, or judged another
    model or another window."""
    try:
        stored = json.loads(path.read_bytes())
        kept = stored["format"], stored["model_version"], stored["window_days"]
        wanted = _FORMAT, version, window / timedelta(days=1)
        return remember(stored) if kept == wanted else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(stored: Mapping[str, Any]) -> EarlierWindow:
    """An earlier window from the content of its verdict.json."""
    verdicts = {verdict["concern"]: verdict for verdict in stored["verdicts"]}
    drift = verdicts.get(Concern.DRIFT.value, {}).get("evidence", {})
    base = verdicts.get(Concern.BASE_RATE.value, {}).get("evidence", {})
    return EarlierWindow(
        at=datetime.fromisoformat(stored["at"]),
        statuses={concern: Status(verdict["status"]) for concern, verdict in verdicts.items()},
        effects=drift.get("effects", {}),
        drifted=frozenset(drift.get("drifted_features", ())),
        outcomes=(base["rate"], base["users"]) if "rate" in base else None,
    )
