"""Whether there is a gap between two segments, or k-means has only cut one crowd in two.

k-means divides everything, a single crowd too, and does it the same way every time when the crowd
is longer than wide. So the users of two segments are projected onto the direction in which they
are farthest apart for how far each is spread (Fisher 1936), and the segments are two only if there
are two crowds along it: more than one mode (Hartigan's dip) and, between them, less than 30% as
many users as in the sparser of the two. A direction that fits the very users it is judged by would
see gaps in noise, so each fold of the users is projected by what was fitted to the others.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.segmenting.clustering import Division, refined
from tidemill_pipelines.segmenting.dip import has_two_modes
from tidemill_pipelines.segmenting.kmeans import Labels, Points

DEEP = 0.3
"""Users in between, as a share of those in the sparser crowd, from which on there is no gap."""
_FOLDS = 5
_BORROWED = 2
"""Users of all segments for each factor, by whom the spread within two segments is steadied."""
_MOST_USERS = 2000
"""Of either side; more make the test no better."""
_WINDOW = 0.2
"""Width in which users are counted, as a share of the distance between the centres."""
_PLACES = np.linspace(-0.5, 1.5, 81)
_BETWEEN = (_PLACES > 0.2) & (_PLACES < 0.8)


class Gap(NamedTuple):
    """What lies between two segments."""

    first: int
    second: int
    valley: float
    """Users in between over those in the sparser crowd."""
    is_clear: bool
    """The valley is deep, and more than chance."""


class _Fold(NamedTuple):
    """Users, seen by a division that was fitted without them, in its units."""

    points: Points
    labels: Labels
    centres: Points
    scatter: NDArray[np.float64]
    """[k, factors, factors], within each segment of the others: sums of squares, not means."""
    sizes: NDArray[np.int64]
    """[k], how many others are in each."""


def find_gaps(points: Points, division: Division, rng: np.random.Generator) -> list[Gap]:
    """Between every two of the clusters of `division`."""
    fold = rng.permutation(len(points)) % _FOLDS
    folds = [
        _fold(points[fold == number], points[fold != number], division) for number in range(_FOLDS)
    ]
    return [_gap(folds, *pair) for pair in combinations(range(division.k), 2)]


def valley(along: NDArray[np.floating]) -> tuple[float, float]:
    """How deep the sparsest place between two crowds is, as in Gap, and where.

    `along` [n] is 0 and 1 at the two centres.
    """
    ordered = np.sort(along)
    until = np.searchsorted(ordered, _PLACES + _WINDOW / 2)
    counts = until - np.searchsorted(ordered, _PLACES - _WINDOW / 2)
    sparser = min(counts[_PLACES < 0.5].max(), counts[_PLACES > 0.5].max())
    lowest = counts[_BETWEEN].min()
    at = _PLACES[_BETWEEN][counts[_BETWEEN] == lowest].mean()
    return (float(lowest / sparser) if sparser else 1.0), float(at)


def _fold(held: Points, others: Points, division: Division) -> _Fold:
    fitted = refined(others, division)
    labels, seen, centres = fitted.assign(others), fitted.seen(others), fitted.seen(fitted.centres)
    away = (seen - centres[labels]).astype(np.float64)
    members = [away[labels == segment] for segment in range(fitted.k)]
    scatter = np.stack([each.T @ each for each in members])
    sizes = np.array([len(each) for each in members])
    return _Fold(fitted.seen(held), fitted.assign(held), centres, scatter, sizes)


def _gap(folds: list[_Fold], first: int, second: int) -> Gap:
    along = np.concatenate([_along(fold, first, second) for fold in folds])
    depth, at = valley(along)
    return Gap(first, second, depth, depth < DEEP and has_two_modes(_around(along, at)))


def _along(fold: _Fold, first: int, second: int) -> NDArray[np.float64]:
    """Places of both segments' users: 0 and 1 at the centres."""
    members = (fold.labels == first) | (fold.labels == second)
    line = fold.centres[second] - fold.centres[first]
    direction = np.linalg.solve(_spread(fold, first, second), line)
    length = max(float(line @ direction), 1e-12)
    return np.asarray((fold.points[members] - fold.centres[first]) @ direction / length)


def _spread(fold: _Fold, first: int, second: int) -> NDArray[np.float64]:
    """Covariance within the two segments.

    The fewer users they have, the nearer to that within all segments, which is 1 and 0 here.
    """
    factors = fold.points.shape[1]
    borrowed = _BORROWED * factors
    within = fold.scatter[first] + fold.scatter[second] + borrowed * np.eye(factors)
    return np.asarray(within / (fold.sizes[first] + fold.sizes[second] + borrowed))


def _around(along: NDArray[np.floating], at: float) -> NDArray[np.floating]:
    """As many users on either side of `at`, the nearest of the larger crowd.

    A small crowd beside a large one hardly changes the distribution of both. And what lies between
    two limits has a single mode if the whole has.
    """
    below, above = np.sort(along[along < at])[::-1], np.sort(along[along >= at])
    most = min(len(below), len(above), _MOST_USERS)
    return np.concatenate([below[:most], above[:most]])
