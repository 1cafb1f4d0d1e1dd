"""Looking every day: which statistic is enough, what is known by now, and how surprising it is.

An experiment that is planned to end spends nine tenths of alpha on looks up to its planned size,
with almost the power of a single look (`spending`), and one tenth on looks at any time, which
notices large effects early and stays valid when the experiment goes on (`mixture`). The union of
both errs at most as often as alpha says. What has no end, like a holdout, spends all of it there.

Looks are the ends of days: what a day's end showed can be computed again from the log, so nothing
depends on who looked when.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tidemill_monitoring.experiments.effects import Interval
from tidemill_monitoring.experiments.mixture import mixture_critical_values, mixture_p_values
from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.spending import critical_values

PLANNED_SHARE = 0.9
"""Of alpha, for looks up to the planned size."""
LEAST_ACTIVE = 20
"""Units with a value in each arm; with fewer a variance cannot be trusted, and no look counts."""
_SMALLEST_STEP = 1e-3
"""Of the planned units; a day that adds fewer is no look of its own."""
_LEVELS = np.array(
    [1e-9, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4, 0.7, 1]
)
_FAR = 1e3


@dataclass(frozen=True)
class SequentialPlan:
    """How a comparison of two arms is looked at."""

    planned_units: float
    """Of both arms together; for what has no end, the size at which it should be most precise."""
    alpha: float = 0.05
    """Two-sided, over all looks together."""
    ends: bool = True


def is_ready(*arms: Moments) -> NDArray[np.bool_]:
    """[...] whether each arm has enough units with a value for a look to count."""
    ready: NDArray[np.bool_] = np.logical_and.reduce([a.active >= LEAST_ACTIVE for a in arms])
    return ready


def look_critical_values(units: Array, plan: SequentialPlan) -> Array:
    """Critical values [looks] of |z| after `units` [looks] of both arms, which never fall."""
    if not plan.ends:
        return mixture_critical_values(units, plan.planned_units, plan.alpha)
    always = (1 - PLANNED_SHARE) * plan.alpha
    return np.minimum(
        _planned(units, plan, PLANNED_SHARE * plan.alpha),
        mixture_critical_values(units, plan.planned_units, always),
    )


def look_p_values(statistics: Array, units: Array, plan: SequentialPlan) -> Array:
    """[looks] the smallest level at which the experiment would have been decided by then.

    Valid at every look, so what is decided is never taken back (Johari et al. 2022); below 1e-9 it
    is given as that or as what the looks at any time say.
    """
    if not plan.ends:
        found = mixture_p_values(statistics, units, plan.planned_units, plan.alpha)
        return np.minimum.accumulate(found)
    always = (1 - PLANNED_SHARE) * plan.alpha
    mixed = mixture_p_values(statistics, units, plan.planned_units, always)
    mixed = np.minimum.accumulate(mixed) / (1 - PLANNED_SHARE)
    return np.minimum(1, np.minimum(mixed, _planned_p_values(statistics, units, plan)))


def narrowed(bounds: Interval) -> Interval:
    """What all looks [..., looks] up to each one say together: the intersection of their intervals.

    Where it is empty the effect is not the same on all days, and the newest look stands alone.
    """
    lower = np.maximum.accumulate(bounds.lower, axis=-1)
    upper = np.minimum.accumulate(bounds.upper, axis=-1)
    is_empty = lower > upper
    return Interval(
        np.where(is_empty, bounds.lower, lower), np.where(is_empty, bounds.upper, upper)
    )


def distinct_looks(shares: Array) -> list[int]:
    """Those of the looks at `shares` [looks] of the plan that add a thousandth of it, up to the one
    that completes it."""
    kept, last = [], 0.0
    for look, share in enumerate(shares.tolist()):
        if last < 1 and (share - last >= _SMALLEST_STEP or last < 1 <= share):
            kept.append(look)
            last = share
    return kept


def _planned(units: Array, plan: SequentialPlan, alpha: float) -> Array:
    shares = units / plan.planned_units
    looks = distinct_looks(shares)
    values = np.full(len(units), np.inf)
    values[looks] = critical_values(shares[looks].tolist(), alpha)
    return values


def _planned_p_values(statistics: Array, units: Array, plan: SequentialPlan) -> Array:
    """Where the best margin over the boundaries, at many levels, is zero by interpolation.

    Margins are nearly linear in the level's normal quantile, and exact at the plan's own alpha.
    """
    levels = np.unique(np.append(_LEVELS, plan.alpha))[::-1]
    margins = np.stack([_margins(statistics, units, plan, level) for level in levels])
    quantiles = -ndtri(levels / 2)
    found = [np.interp(0, -margins[:, look], quantiles) for look in range(len(units))]
    return np.where(margins[0] < 0, 1, 2 * ndtr(-np.array(found)))


def _margins(statistics: Array, units: Array, plan: SequentialPlan, level: float) -> Array:
    """[looks] by how much the best look so far is beyond its boundary."""
    beyond = np.abs(statistics) - _planned(units, plan, PLANNED_SHARE * level)
    return np.maximum.accumulate(np.nan_to_num(beyond, nan=-np.inf, neginf=-_FAR, posinf=_FAR))
