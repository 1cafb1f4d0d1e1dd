"""Forecasts of the judged days, and of weeks before them, to learn how wrong forecasts are.

The band around a forecast is not assumed: the regression is run as of up to twelve earlier weeks,
each time blind to what followed, and the errors it made then are the spread that is allowed now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.event_log.arrivals import Arrivals
from tidemill_monitoring.forecasting.regression import expect

MINIMUM_HISTORY = 28
"""Known days before the judged ones; fewer hold too few of each weekday."""
_SHORTEST_FIT = 21
_REHEARSALS = 12
_WEEK = 7
_ENOUGH = 20.0
"""Expected events a day from which on a name says something about what happens to all."""
_FEWEST_SIBLINGS = 4
_LEAST_COMPLETE = 0.7
"""A day of which less has usually arrived by now is not judged."""


@dataclass(frozen=True)
class Forecasts:
    """Expected beside observed counts: of the judged days, and of past rehearsals."""

    names: tuple[str, ...]
    """Names with enough history."""
    observed: NDArray[np.float64]
    """[names, judged days]."""
    expected: NDArray[np.float64]
    """[names, judged days]."""
    judged: NDArray[np.bool_]
    """[judged days]: False for a day that is not complete enough yet."""
    extra_spread: NDArray[np.float64]
    """[judged days]: because arrivals of the newest days vary."""
    past_observed: NDArray[np.float64]
    """[names, rehearsals, judged days]."""
    past_expected: NDArray[np.float64]
    """[names, rehearsals, judged days]."""
    past_known: NDArray[np.bool_]
    """[names, rehearsals, judged days]."""


def forecast(arrivals: Arrivals, judged: int) -> Forecasts:
    """For every name that has MINIMUM_HISTORY days before the judged ones."""
    history = arrivals.counts.shape[1] - judged
    first = arrivals.first_days()
    chosen = np.flatnonzero(first + 1 + MINIMUM_HISTORY <= history)
    counts = arrivals.counts[chosen]
    # A name's first day is usually part of one.
    known = np.arange(history) > first[chosen, None]
    past = _rehearse(counts[:, :history], known, judged)
    complete = arrivals.complete[chosen]
    ready = np.median(arrivals.complete, axis=0) if len(arrivals.names) else np.ones(judged)
    return Forecasts(
        names=tuple(arrivals.names[index] for index in chosen),
        observed=counts[:, history:],
        expected=expect(counts[:, :history], known, judged) * complete,
        judged=ready >= _LEAST_COMPLETE,
        extra_spread=arrivals.complete_spread,
        past_observed=past[0],
        past_expected=past[1],
        past_known=past[2],
    )


def _rehearse(
    counts: NDArray[np.float64], known: NDArray[np.bool_], judged: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Observed, expected and usable of up to twelve earlier judgements, a week apart."""
    names, history = counts.shape
    found = []
    for back in range(1, _REHEARSALS + 1):
        origin = history - back * _WEEK
        if origin < _SHORTEST_FIT:
            break
        ahead = min(judged, history - origin)
        seen = np.zeros((3, names, judged))
        seen[0, :, :ahead] = counts[:, origin : origin + ahead]
        seen[1, :, :ahead] = expect(counts[:, :origin], known[:, :origin], ahead)
        seen[2, :, :ahead] = (known[:, :origin].sum(axis=1) >= _SHORTEST_FIT)[:, None]
        found.append(seen)
    stacked = np.stack(found, axis=2) if found else np.zeros((3, names, 0, judged))
    return stacked[0], stacked[1], stacked[2] > 0


def beside_siblings(forecasts: Forecasts) -> tuple[Forecasts, NDArray[np.float64]] | None:
    """The same forecasts after what happened to the typical event of the day is taken out.

    Also [judged days]: observed over expected of the typical event. None where fewer than four
    names are frequent enough to tell.
    """
    frequent = np.median(forecasts.expected, axis=1) >= _ENOUGH
    if frequent.sum() < _FEWEST_SIBLINGS:
        return None
    now = _typical_ratio(forecasts.observed[frequent], forecasts.expected[frequent])
    past = _typical_ratio(forecasts.past_observed[frequent], forecasts.past_expected[frequent])
    adjusted = replace(
        forecasts,
        expected=forecasts.expected * now,
        past_expected=forecasts.past_expected * past,
    )
    return adjusted, now


def _typical_ratio(
    observed: NDArray[np.float64], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Median over names of observed over expected."""
    logs = np.log((observed + 0.5) / (expected + 0.5))
    ratio: NDArray[np.float64] = np.exp(np.median(logs, axis=0))
    return ratio
