"""Is a period like its forecast? Tests of single periods, and of runs that say more together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.alerting.outlook import (
    REHEARSALS,
    Mask,
    Numbers,
    errors,
    follow,
    forecast_days,
    last_years,
    tie,
)
from tidemill_monitoring.forecasting.deviations import (
    lower_spread_of,
    lower_tail,
    pool,
    spread_of,
    upper_spread_of,
    upper_tail,
    usual_range,
)

USUAL_SHARE = 0.95
"""Share of periods inside the band that is shown."""
RUNS = {1: {1: 0.8, 3: 0.2}, 24: {1: 0.3, 6: 0.3, 24: 0.4}}
"""By periods in a day: lengths of the tested runs, and which part of the false alerts each may
cause."""
_WORTH = 0.7
"""Errors of neighbouring periods go together: each tells less than an independent one would."""
_POOLED_DAYS = 10.0
"""How many days the typical spread of all hours is worth, for one of them."""
_KNOWN = 1e6
"""Degrees of freedom of what is no estimate."""
_MOST_FREEDOM = 16.0
"""However long the past, volumes have heavier tails than a normal distribution."""


@dataclass(frozen=True)
class Judged:
    """A run of periods that ends with `period`: the one that lies farthest from its forecast."""

    period: int
    length: int
    observed: float
    expected: float
    lower: float
    upper: float
    p_fall: float
    """Probability of so little, over the part of false alerts that this length may cause."""
    p_rise: float


@dataclass(frozen=True)
class _Spreads:
    """Of the rate around its forecast; arrays are [slots]."""

    low: Numbers
    high: Numbers
    freedom: Numbers


class Judge:
    """Judges the periods of one series in their order, each blind to what follows it.

    `values` [slots, days]: what came, in units whose variance is their mean when nothing but chance
    is at work. `known` the periods that tell what is usual; `forget` takes more of them out.
    `complete` and `lateness` [slots, days]: the share that has usually arrived by now, and by how
    much (standard deviation of the logarithm) it varies.
    """

    def __init__(
        self, values: Numbers, known: Mask, complete: Numbers, lateness: Numbers, first_day: int
    ) -> None:
        self._values, self._known = values, known.copy()
        self._complete, self._lateness = complete, lateness
        self._slots = len(values)
        self._expected = np.full(values.shape, np.nan)
        self._followed = np.full(values.shape, np.nan)
        self._reach = np.ones((2, *values.shape))
        past = np.arange(max(first_day - REHEARSALS, 0), first_day)
        if len(past):
            self._expected[:, past] = forecast_days(values, self._known, past)
        self._day = -1

    def forget(self, period: int) -> None:
        """What came then does not tell what is usual."""
        self._known[self._place(period)] = False

    def judge(self, period: int) -> list[Judged]:
        """The period itself, and the runs that end with it; nothing while too little is known."""
        slot, day = self._place(period)
        if day != self._day:
            self._begin(day)
        if not np.isfinite(self._expected[slot, day]):
            return []
        self._follow_last_error(period)
        lengths = [n for n in RUNS[self._slots] if period - n + 1 >= 0]
        found = [self._test(period, length) for length in lengths]
        return [each for each in found if each is not None]

    def _place(self, period: int) -> tuple[int, int]:
        return period % self._slots, period // self._slots

    def _begin(self, day: int) -> None:
        """Forecast a day, and measure how good earlier forecasts were."""
        self._day = day
        fresh = forecast_days(self._values, self._known, np.array([day]))[:, 0]
        self._expected[:, day] = fresh * self._complete[:, day]
        years = last_years(self._values, self._known, day)
        self._reach[0, :, day] = np.minimum(years.min(axis=1), 1.0)
        self._reach[1, :, day] = np.maximum(years.max(axis=1), 1.0)
        found = errors(self._values, self._expected, self._known)[:, :day]
        past = slice(max(day - REHEARSALS, 0), day)
        self._tie = tie(found[:, past])
        self._followed[:, :day] = follow(self._expected[:, :day], found, *self._tie)
        self._spreads = {n: self._measure(n, past) for n in RUNS[self._slots]}

    def _follow_last_error(self, period: int) -> None:
        place = self._place(period)
        self._followed[place] = self._expected[place]
        if not period:
            return
        before = self._place(period - 1)
        found = errors(self._values[before], self._expected[before], self._known[before])
        if np.isfinite(found):
            shared, spread = self._tie
            reach = 2.5 * spread
            self._followed[place] *= np.exp(shared * np.clip(found, -reach, reach))

    def _measure(self, length: int, past: slice) -> _Spreads:
        expected = self._followed if length == 1 else self._expected
        observed, expected = self._values[:, past], expected[:, past]
        usable = self._known[:, past] & np.isfinite(expected)
        expected = np.nan_to_num(expected)
        if length > 1:
            observed, expected, usable = (_sums(x, length) for x in (observed, expected, usable))
            usable = usable == length
        own = spread_of(observed, expected, usable)
        falls = np.nan_to_num(lower_spread_of(observed, expected, usable))
        rises = np.nan_to_num(upper_spread_of(observed, expected, usable))
        days = np.maximum(_WORTH * usable.sum(axis=1) / length, 1.0)
        pooled = _POOLED_DAYS * (len(own) > 1)
        spread = pool(own, days, pooled)
        freedom = np.minimum(days + pooled, _MOST_FREEDOM)
        return _Spreads(np.maximum(spread, falls), np.maximum(spread, rises), freedom)

    def _test(self, period: int, length: int) -> Judged | None:
        run = [self._place(each) for each in range(period - length + 1, period + 1)]
        slots, days = (np.array(each) for each in zip(*run, strict=True))
        expected = (self._followed if length == 1 else self._expected)[slots, days]
        is_known = self._known[slots, days]
        # A run that reaches into an incident would find it once more.
        if not np.isfinite(expected).all() or not is_known[:-1].all():
            return None
        lowest, highest = (
            np.array([(expected * self._reach[side][slots, days]).sum()]) for side in (0, 1)
        )
        observed = np.array([self._values[slots, days].sum()])
        spreads, row = self._spreads[length], slots[-1] if length == 1 else 0
        extra = float(self._lateness[slots, days].mean())
        low, high = (np.hypot(s[row], extra) for s in (spreads.low, spreads.high))
        freedom = _with_chance(spreads.freedom[row], low, lowest)
        band = usual_range(lowest, low, high, freedom, USUAL_SHARE)[0]
        top = usual_range(highest, low, high, freedom, USUAL_SHARE)[1]
        part = RUNS[self._slots][length]
        return Judged(
            period,
            length,
            float(observed[0]),
            float(expected.sum()),
            float(band[0]),
            float(top[0]),
            float(lower_tail(observed, lowest, low, freedom)[0]) / part,
            float(upper_tail(observed, highest, high, freedom)[0]) / part,
        )


def _with_chance(freedom: float, spread: float, expected: Numbers) -> Numbers:
    """Degrees of freedom of both parts of the noise (Satterthwaite 1946): that of single events is
    known, so rare ones do not have the heavy tails of a spread that had to be measured."""
    own = np.square(spread * expected)
    found: Numbers = freedom * np.square((own + expected) / own)
    return np.minimum(found, _KNOWN)


def _sums(past: NDArray[np.generic], length: int) -> Numbers:
    """[1, runs]: sums over all runs of that many periods."""
    line = past.T.astype(np.float64).ravel()
    total = np.cumsum(np.concatenate([[0.0], line]))
    sums: Numbers = (total[length:] - total[:-length])[None, :]
    return sums
