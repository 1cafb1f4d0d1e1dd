"""Hartigan's dip: how far a sample is from every distribution with a single mode.

Hartigan & Hartigan (1985), "The Dip Test of Unimodality". Of all unimodal distributions the uniform
is the hardest to tell from several modes, so its dips say what is surprising.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SURPRISING = 0.62
"""99% quantile of sqrt(n) times the dip of n uniform values, n from 20 to 10,000 (simulated:
0.54 to 0.63)."""

_Positions = NDArray[np.int64]


class _Steps(NamedTuple):
    """An empirical distribution function at its distinct values."""

    x: NDArray[np.float64]
    lower: _Positions
    """Values below each."""
    upper: _Positions
    """Values up to each."""


def has_two_modes(values: NDArray[np.floating]) -> bool:
    """Whether the sample [n] has more than one mode, but for a chance of one in a hundred."""
    return dip(values) * math.sqrt(len(values)) > _SURPRISING


def dip(values: NDArray[np.floating]) -> float:
    """Distance of the sample [n] from the nearest unimodal distribution: 1/(2n) to 1/4.

    Narrows down where the mode must be. Left of it a unimodal distribution function is convex, so
    the greatest convex minorant is as near as can be; right of it, the least concave majorant.
    """
    x, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    upper = np.cumsum(counts)
    steps = _Steps(x, upper - counts, upper)
    low, high, found = 0, len(x) - 1, 1.0
    while low < high:
        convex = low + _hull(x[low : high + 1], steps.lower[low : high + 1])
        concave = low + _hull(x[low : high + 1], -steps.upper[low : high + 1])
        gap, left, right = _widest(steps, convex, concave)
        if gap <= found:
            break
        found = max(found, _below(steps, convex, left), _above(steps, concave, right))
        if (left, right) == (low, high):
            break
        low, high = left, right
    return found / (2 * len(values))


def _hull(x: NDArray[np.float64], y: _Positions) -> _Positions:
    """Positions of the corners of the greatest convex minorant of the points."""
    corners: list[int] = []
    for at, (here, height) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        while len(corners) > 1:
            first, second = corners[-2], corners[-1]
            rise = (y[second] - y[first]) * (here - x[second])
            if rise < (height - y[second]) * (x[second] - x[first]):
                break
            corners.pop()
        corners.append(at)
    return np.array(corners, dtype=np.int64)


def _widest(steps: _Steps, convex: _Positions, concave: _Positions) -> tuple[float, int, int]:
    """How far the two hulls are apart at most, and between which corners that is."""
    x, lower, upper = steps
    over = np.interp(x[convex], x[concave], upper[concave]) - lower[convex]
    under = upper[concave] - np.interp(x[concave], x[convex], lower[convex])
    if over.max() >= under.max():
        left = int(convex[over.argmax()])
        return float(over.max()), left, int(concave[np.searchsorted(concave, left)])
    right = int(concave[len(under) - 1 - under[::-1].argmax()])
    left = int(convex[np.searchsorted(convex, right, side="right") - 1])
    return float(under.max()), left, right


def _below(steps: _Steps, convex: _Positions, left: int) -> float:
    """How far the sample rises above its convex minorant before `left`."""
    part = slice(convex[0], left + 1)
    line = np.interp(steps.x[part], steps.x[convex], steps.lower[convex])
    return float((steps.upper[part] - line)[:-1].max(initial=0))


def _above(steps: _Steps, concave: _Positions, right: int) -> float:
    """How far the sample falls below its concave majorant after `right`."""
    part = slice(right, concave[-1] + 1)
    line = np.interp(steps.x[part], steps.x[concave], steps.upper[concave])
    return float((line - steps.lower[part])[1:].max(initial=0))
