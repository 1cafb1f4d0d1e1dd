"""Grades A-D: quantiles of the population that is being scored."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import GRADES

_WORST_FIRST = GRADES[::-1]


def grade_thresholds(
    scores: NDArray[np.floating], shares: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Lowest score of A, B and C so that those grades hold `shares` of `scores`.

    Cut points frozen at training drift with the population, so they are taken from it anew.
    """
    a, b, c = np.quantile(scores, 1.0 - np.cumsum(shares))
    return float(a), float(b), float(c)


def grade(scores: NDArray[np.floating], thresholds: tuple[float, float, float]) -> NDArray[np.str_]:
    """Letter of each score, shape [n]. A score on a threshold gets the better letter."""
    better_than = np.searchsorted(np.asarray(thresholds)[::-1], scores, side="right")
    return np.asarray(GRADES)[len(GRADES) - 1 - better_than]


def letters(scores: Sequence[float], thresholds: tuple[float, float, float]) -> list[str]:
    """`grade` for plain numbers: a request holds few, and NumPy's set-up would cost more."""
    a, b, c = thresholds
    cuts = (c, b, a)
    return [_WORST_FIRST[bisect_right(cuts, score)] for score in scores]
