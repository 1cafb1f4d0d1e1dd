"""Which event names did not come in their usual volume: runs of days beyond chance.

For each name every single day is tested, and every run of three and of seven, because a moderate
loss that lasts is surer than it looks on any of its days. A name's smallest probability, times the
number of tests that are worth as much as independent ones, is compared between names by Benjamini
and Hochberg's rule: when nothing is wrong, one report in twenty has an alarm at all, however many
names there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.event_log.forecasts import Forecasts
from tidemill_monitoring.forecasting.deviations import (
    lower_tail,
    pool,
    spread_of,
    upper_spread_of,
    upper_tail,
    usual_range,
)

FALSE_ALARMS = 0.05
"""Share of reports on sound data that raise any alarm."""
USUAL_SHARE = 0.95
"""Share of days inside the drawn band."""
_RUNS = (1, 3, 7)
_SMALLEST_FALL = 0.8
"""A loss of less than a fifth is not worth a person's time; neither is a rise of less than half."""
_SMALLEST_RISE = 1.5
_POOLED_DAYS, _POOLED_EACH = 10.0, 2.0
"""How many days, at most and for each rehearsal, the typical spread of all names is worth."""
_WORTH = 0.7
"""Errors of neighbouring days go together: a day tells less than an independent one would."""
_TESTS_A_DAY = 1.25
"""Runs share days, so that all tests together are worth few more than there are days."""
_MOST_FREEDOM = 20.0
"""However long the past, volumes have heavier tails than a normal distribution."""


@dataclass(frozen=True)
class VolumeAlarm:
    """A run of days on which an event was too rare or too frequent."""

    name: str
    kind: str
    """fell or rose."""
    days: tuple[int, ...]
    """Numbers of the judged days, 0 is the oldest."""
    observed: float
    expected: float
    p_value: float
    """Of the name, corrected for its days, not for the number of names."""
    ongoing: bool
    """It reaches the newest day that could be judged."""

    @property
    def ratio(self) -> float:
        return self.observed / max(self.expected, 0.5)


@dataclass(frozen=True)
class Band:
    """Where the days of each name usually lie; arrays are [names, judged days]."""

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


@dataclass(frozen=True)
class _Tests:
    """Runs of days and, [names, runs], the probabilities of such low and such high counts."""

    runs: list[range]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def find_alarms(forecasts: Forecasts) -> list[VolumeAlarm]:
    """Alarms of all names, the surest first."""
    lengths = [length for length in _RUNS if length <= forecasts.observed.shape[1]]
    tested = [_test(forecasts, length) for length in lengths]
    runs = [run for found in tested for run in found.runs]
    if not runs or not forecasts.names:
        return []
    low = np.concatenate([found.low for found in tested], axis=1)
    high = np.concatenate([found.high for found in tested], axis=1)
    return _select(forecasts, _Tests(runs, low, high))


def usual_band(forecasts: Forecasts) -> Band:
    """Where USUAL_SHARE of single days lie."""
    spread, upper, freedom = _spreads(forecasts, 1)
    extra = forecasts.extra_spread[None, :]
    low, high = (np.hypot(each[:, None], extra) for each in (spread, upper))
    return Band(*usual_range(forecasts.expected, low, high, freedom[:, None], USUAL_SHARE))


def _test(forecasts: Forecasts, length: int) -> _Tests:
    spread, upper, freedom = _spreads(forecasts, length)
    starts = range(forecasts.observed.shape[1] - length + 1)
    runs = [range(start, start + length) for start in starts]
    runs = [run for run in runs if forecasts.judged[list(run)].all()]
    low = np.empty((len(forecasts.names), len(runs)))
    high = np.empty_like(low)
    for column, run in enumerate(runs):
        days = list(run)
        observed = forecasts.observed[:, days].sum(axis=1)
        expected = forecasts.expected[:, days].sum(axis=1)
        extra = forecasts.extra_spread[days].mean()
        low[:, column] = lower_tail(observed, expected, np.hypot(spread, extra), freedom)
        high[:, column] = upper_tail(observed, expected, np.hypot(upper, extra), freedom)
    return _Tests(runs, low, high)


def _spreads(
    forecasts: Forecasts, length: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """[names] each: spread of runs of this length, the one of rises, and degrees of freedom."""
    observed, expected, usable = (
        _sums(each, length)
        for each in (forecasts.past_observed, forecasts.past_expected, forecasts.past_known)
    )
    usable = usable == length
    own = spread_of(observed, expected, usable)
    rises = upper_spread_of(observed, expected, usable)
    rehearsals = np.maximum(forecasts.past_known.any(axis=2).sum(axis=1), 1)
    own_days = np.maximum(_WORTH * 7 * rehearsals / length, 1.0)
    pooled_days = np.minimum(_POOLED_DAYS, _POOLED_EACH * rehearsals) * (len(own) > 3)
    freedom = np.minimum(own_days + pooled_days, _MOST_FREEDOM)
    spread = pool(own, own_days, pooled_days)
    return spread, np.maximum(spread, np.nan_to_num(rises, nan=0.0)), freedom


def _sums(past: NDArray[np.float64] | NDArray[np.bool_], length: int) -> NDArray[np.float64]:
    """[names, rehearsals * runs]: sums over all runs of that many days."""
    padded = np.cumsum(np.pad(past.astype(np.float64), ((0, 0), (0, 0), (1, 0))), axis=2)
    sums = padded[:, :, length:] - padded[:, :, :-length]
    return sums.reshape(len(past), sums.shape[1] * sums.shape[2])


def _select(forecasts: Forecasts, tests: _Tests) -> list[VolumeAlarm]:
    days = forecasts.observed.shape[1]
    worth = 2 * _TESTS_A_DAY * days
    low, high = worth * tests.low, worth * tests.high
    smallest = np.minimum(1.0, np.minimum(low.min(axis=1), high.min(axis=1)))
    bound = _largest_rejected(smallest, FALSE_ALARMS)
    alarms = []
    for index in np.flatnonzero(smallest <= bound).tolist():
        for kind, p_values in (("fell", low[index]), ("rose", high[index])):
            chosen = _days_of(tests.runs, p_values, bound)
            alarm = _alarm(forecasts, index, kind, chosen, float(smallest[index]))
            alarms += [] if alarm is None else [alarm]
    return sorted(alarms, key=lambda alarm: alarm.p_value)


def _largest_rejected(p_values: NDArray[np.float64], rate: float) -> float:
    """Benjamini and Hochberg's bound; negative when nothing is rejected."""
    ordered = np.sort(p_values)
    allowed = rate * np.arange(1, len(ordered) + 1) / len(ordered)
    passed = np.flatnonzero(ordered <= allowed)
    return float(ordered[passed[-1]]) if len(passed) else -1.0


def _days_of(runs: list[range], p_values: NDArray[np.float64], bound: float) -> list[int]:
    """Days of the surest runs that do not overlap: one bad day must not blame its neighbours."""
    chosen: set[int] = set()
    for p_value, run in sorted(zip(p_values.tolist(), runs, strict=True), key=_surest):
        if p_value > bound:
            break
        if chosen.isdisjoint(run):
            chosen.update(run)
    return sorted(chosen)


def _surest(tested: tuple[float, range]) -> tuple[float, int]:
    return tested[0], len(tested[1])


def _with_neighbours(
    days: list[int], ratios: NDArray[np.float64], judged: NDArray[np.bool_]
) -> list[int]:
    """Also the days beside them that are nearer to the alarm's level than to the expected one."""
    level = float(np.median(ratios[days]))
    alike = ((ratios < (1 + level) / 2) if level < 1 else (ratios > (1 + level) / 2)) & judged
    found = set(days)
    for day in days:
        for step in (-1, 1):
            beside = day + step
            while 0 <= beside < len(ratios) and alike[beside]:
                found.add(beside)
                beside += step
    return sorted(found)


def _alarm(
    forecasts: Forecasts, index: int, kind: str, days: list[int], p_value: float
) -> VolumeAlarm | None:
    observed, expected = forecasts.observed[index], forecasts.expected[index]
    ratios = observed / np.maximum(expected, 0.5)
    kept = [day for day in days if (ratios[day] < 1 if kind == "fell" else ratios[day] > 1)]
    if kept:
        kept = _with_neighbours(kept, ratios, forecasts.judged)
    alarm = VolumeAlarm(
        forecasts.names[index],
        kind,
        tuple(kept),
        float(observed[kept].sum()),
        float(expected[kept].sum()),
        p_value,
        ongoing=bool(kept) and kept[-1] == int(np.flatnonzero(forecasts.judged)[-1]),
    )
    beyond = alarm.ratio <= _SMALLEST_FALL if kind == "fell" else alarm.ratio >= _SMALLEST_RISE
    return alarm if kept and beyond else None
