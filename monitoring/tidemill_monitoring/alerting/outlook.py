"""What each period should have been, seen from the one before it, and how wrong that used to be.

The regression of all volumes (tidemill_monitoring.forecasting) is fitted anew for every day, blind
to what followed; hours are 24 series of days. Two things are added for a single metric: where good
and bad periods come in a row, the last error is followed; and what happened on the same day of the
last year may happen again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.forecasting.regression import expect

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

MINIMUM_HISTORY = 28
"""Known days before the first that is judged; fewer hold too few of each weekday."""
REHEARSALS = 84
"""Days whose forecasts tell how wrong forecasts are."""
_SHORTEST_FIT = 21
_WINDOW = 126
"""Days a forecast is made from; older ones count for less than a twentieth."""
_SHRINKING = 20.0
"""How many periods it takes until the tie between neighbours is half believed."""
_CLOSEST_TIE = 0.9
_MOST_FOLLOWED = 2.5
"""Robust standard deviations of an error that the next forecast follows at most."""
_YEAR = 365
_SAME_WEEKDAY = 364


@dataclass(frozen=True)
class Outlook:
    """Arrays are [slots, days]; a day has one slot, or 24."""

    expected: Numbers
    """By level, trend and weekday; NaN on days without enough history."""
    followed: Numbers
    """The same after the last error was followed."""


def known_periods(values: Numbers) -> Mask:
    """[slots, days]: all after the first day with anything, which is usually part of one."""
    seen = np.flatnonzero(values.sum(axis=0) > 0)
    first = seen[0] if len(seen) else values.shape[1]
    known: Mask = np.broadcast_to(np.arange(values.shape[1]) > first, values.shape).copy()
    return known


def forecast_days(values: Numbers, known: Mask, days: NDArray[np.int64]) -> Numbers:
    """[slots, len(days)]: each day's forecast from the days before it alone; NaN where too few."""
    slots = len(values)
    padded = np.pad(values, ((0, 0), (_WINDOW, 0)))
    seen = np.pad(known, ((0, 0), (_WINDOW, 0)))
    before = days[:, None] + np.arange(_WINDOW)
    past, said = padded[:, before], seen[:, before]
    found = expect(past.reshape(-1, _WINDOW), said.reshape(-1, _WINDOW), 1)
    enough = said.sum(axis=2) >= _SHORTEST_FIT
    return np.where(enough, found.reshape(slots, len(days)), np.nan)


def errors(values: Numbers, expected: Numbers, known: Mask) -> Numbers:
    """[slots, days]: logarithms of observed over expected; NaN where either says nothing."""
    logs: Numbers = np.log((values + 0.5) / (expected + 0.5))
    return np.where(known, logs, np.nan)


def tie(found: Numbers) -> tuple[float, float]:
    """How much of an error the next period shares, 0 to 0.9, and the errors' robust spread."""
    line = found.T.ravel()
    if not np.isfinite(line).any():
        return 0.0, 0.0
    spread = 1.4826 * float(np.nanmedian(np.abs(line)))
    line = np.clip(line, -_MOST_FOLLOWED * spread, _MOST_FOLLOWED * spread)
    pairs = np.isfinite(line[1:]) & np.isfinite(line[:-1])
    before, after = line[:-1][pairs], line[1:][pairs]
    size = float(np.square(before).sum())
    if size == 0:
        return 0.0, spread
    shared = float((before * after).sum()) / size
    shared *= len(before) / (len(before) + _SHRINKING)
    return min(max(shared, 0.0), _CLOSEST_TIE), spread


def follow(expected: Numbers, found: Numbers, shared: float, spread: float) -> Numbers:
    """Each forecast moved by its share of the error just before it."""
    line = found.T.ravel()
    last = np.nan_to_num(np.concatenate([[np.nan], line[:-1]]))
    last = np.clip(last, -_MOST_FOLLOWED * spread, _MOST_FOLLOWED * spread)
    moved: Numbers = expected * np.exp(shared * last).reshape(expected.T.shape).T
    return moved


def last_years(values: Numbers, known: Mask, day: int) -> Numbers:
    """[slots, 2]: observed over expected of the same weekday and the same date a year before.

    1 where the log does not reach back so far. Leap days move the date by one day, which the
    neighbouring weekday of most holidays forgives less than it matters.
    """
    then = np.array([day - _SAME_WEEKDAY, day - _YEAR])
    reached = then >= MINIMUM_HISTORY
    if not reached.any():
        return np.ones((len(values), 2))
    asked = np.maximum(then, 0)
    logs = errors(values[:, asked], forecast_days(values, known, asked), known[:, asked])
    return np.where(reached & np.isfinite(logs), np.exp(np.nan_to_num(logs)), 1.0)
