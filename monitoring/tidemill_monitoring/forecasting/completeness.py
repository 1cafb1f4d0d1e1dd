"""How much of a period has usually arrived by now: the newest ones still lack their latest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ENOUGH_ARRIVALS = 200
_PRIOR_ARRIVALS = 50
"""How many arrivals of all rows together a row's own completeness starts from."""

Numbers = NDArray[np.float64]


def completeness(
    counts: Numbers, live: Numbers, judged: int, recent: int
) -> tuple[Numbers, Numbers]:
    """[rows, judged] and [judged]: of events that came in as they happened, which share had arrived
    when a period was as old as each judged one is now, and by how much (standard deviation of the
    logarithm) that varies.

    `counts` [rows, periods]; `live` [rows, periods, ages], those whose arrival has a time of its
    own, by their age then, the last age being that of imports of history. The newest `judged`
    periods are left out, and all but `recent` before them. Events whose arrival time is their own
    time tell nothing about lag; where they prevail among the judged, all counts as complete.
    """
    oldest = live.shape[2] - 1
    oldest_first = np.minimum(np.arange(judged)[::-1], oldest - 1)
    by_period = live[:, :-judged, :oldest][:, -recent:]
    of_all = by_period.sum(axis=(0, 1))
    lives_now = live[:, -judged:].sum() > 0.5 * counts[:, -judged:].sum()
    if of_all.sum() < _ENOUGH_ARRIVALS or not lives_now:
        return np.ones((len(counts), judged)), np.zeros(judged)
    usual = np.cumsum(of_all) / of_all.sum()
    own = np.cumsum(by_period.sum(axis=1), axis=1)
    shares = (own + _PRIOR_ARRIVALS * usual) / (own[:, -1:] + _PRIOR_ARRIVALS)
    return shares[:, oldest_first], _spread_by_age(by_period)[oldest_first]


def _spread_by_age(by_period: Numbers) -> Numbers:
    totals = by_period.sum(axis=0)
    totals = totals[totals.sum(axis=1) >= _ENOUGH_ARRIVALS / 10]
    if not len(totals):
        return np.zeros(by_period.shape[2])
    shares = np.cumsum(totals, axis=1) / totals.sum(axis=1, keepdims=True)
    logs = np.log(np.maximum(shares, 1e-3))
    deviations = np.abs(logs - np.median(logs, axis=0))
    spread: Numbers = 1.4826 * np.median(deviations, axis=0)
    return spread
