"""How far each column may drift before it counts: documented defaults, unless history says more.

Two things are ordinary: the differences between the champion's training and test windows, and
the effects of earlier windows in which all was well. A threshold learnt from the latter is their
median and three spreads, and the spread is taken from one window to the next about its mean, so
that a slow ramp, whose steps are all alike, cannot teach the monitor to expect it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.drift import (
    ACT_EFFECT,
    WATCH_EFFECT,
    Population,
    Thresholds,
    measure_drift,
)
from tidemill_monitoring.earlier import Earlier, EarlierWindow
from tidemill_monitoring.verdicts import MINIMUM_USERS

MINIMUM_WINDOWS = 4
"""Fewer windows in control say nothing about what is ordinary."""
NEVER = 1.0
"""No Jensen-Shannon distance reaches it: the largest is 0.83."""
CLEARED = 0.7
"""Share of its threshold below which a column that was worth a look is no longer."""
_TESTED = 1.5
"""A column must exceed what it did between the champion's own windows by half."""
_SPREADS = 3.0


def ordinary_effects(
    windows: Sequence[Population], names: Sequence[str]
) -> NDArray[np.float64] | None:
    """Largest effect of each column between consecutive windows; None for fewer than two.

    The windows are the champion's own, in which it was trained and found good: seasons and
    weekdays that move a column there must not raise an alarm later.
    """
    large = [window for window in windows if len(window.users) >= MINIMUM_USERS]
    if len(large) < 2:
        return None
    effects = []
    for before, after in pairwise(large):
        by_name = {c.name: c.effect for c in measure_drift(before, after, names)}
        effects.append([by_name[name] for name in names])
    largest: NDArray[np.float64] = np.max(effects, axis=0)
    return largest


def learn_thresholds(
    names: Sequence[str],
    tested: NDArray[np.float64] | None,
    earlier: Earlier,
    uneven: Collection[str] = (),
) -> Thresholds:
    """Of every column: the documented effects or, if larger, what is ordinary for it.

    `tested` are the effects between the champion's own windows, [columns]. An alarm is due at
    twice the effect that is worth a look. `uneven` columns count events that come and go for
    everybody at once: what they do says nothing, and the scores tell what it means. What was
    worth a look in the run before stays so until it falls below `CLEARED` of the threshold.
    """
    watch = np.full(len(names), WATCH_EFFECT)
    if tested is not None:
        watch = np.maximum(watch, _TESTED * np.nan_to_num(tested))
    watch = np.maximum(watch, _learnt(names, [each for each in earlier.apart if each.in_control]))
    before = frozenset[str]() if earlier.newest is None else earlier.newest.drifted
    kept = np.where([name in before for name in names], CLEARED, 1.0)
    watch = np.where([name in uneven for name in names], NEVER, watch * kept)
    return Thresholds(watch, watch * (ACT_EFFECT / WATCH_EFFECT))


def _learnt(names: Sequence[str], windows: Sequence[EarlierWindow]) -> NDArray[np.float64]:
    """Median and three spreads of each column's effects; 0 where too few windows know it."""
    if len(windows) < MINIMUM_WINDOWS:
        return np.zeros(len(names))
    effects = np.asarray([[each.effects.get(n, np.nan) for n in names] for each in windows])
    known = ~np.isnan(effects).any(axis=0)
    steps = np.diff(effects[:, known], axis=0)
    few = 1.0 + 1.0 / len(steps)  # a spread estimated from few steps is often too small
    spread = few * steps.std(axis=0, ddof=1) / np.sqrt(2)
    learnt = np.zeros(len(names))
    learnt[known] = np.median(effects[:, known], axis=0) + _SPREADS * spread
    return learnt
