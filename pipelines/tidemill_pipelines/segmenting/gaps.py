"""Whether there is a gap between two segments, or k-means has only cut one crowd in two.

k-means divides everything, a single crowd too, and does it the same way every time when the crowd
is longer than wide. So the users of two segments are projected onto the line through both centres,
and the segments are two only if there are two crowds along it: more than one mode (Hartigan's dip)
and, between them, less than 30% as many users as in the sparser of the two. Centres that fit the
very users they are judged by would see gaps in noise, so each fold of the users is projected by
centres that were fitted to the others.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.segmenting.clustering import Labels, Points, assign, refined
from tidemill_pipelines.segmenting.dip import has_two_modes

DEEP = 0.3
"""Users in between, as a share of those in the sparser crowd, from which on there is no gap."""
_FOLDS = 5
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
    """Users, seen by centres that were fitted without them."""

    points: Points
    labels: Labels
    centres: Points


def find_gaps(points: Points, centres: Points, rng: np.random.Generator) -> list[Gap]:
    """Between every two of the clusters of `centres`."""
    folds = _folds(points, centres, rng)
    return [_gap(folds, *pair) for pair in combinations(range(len(centres)), 2)]


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


def _folds(points: Points, centres: Points, rng: np.random.Generator) -> list[_Fold]:
    fold = rng.permutation(len(points)) % _FOLDS
    found = []
    for number in range(_FOLDS):
        held = points[fold == number]
        fitted = refined(points[fold != number], centres)
        found.append(_Fold(held, assign(held, fitted), fitted))
    return found


def _gap(folds: list[_Fold], first: int, second: int) -> Gap:
    along = np.concatenate([_along(fold, first, second) for fold in folds])
    depth, at = valley(along)
    return Gap(first, second, depth, depth < DEEP and has_two_modes(_around(along, at)))


def _along(fold: _Fold, first: int, second: int) -> NDArray[np.float32]:
    """Places of both segments' users on the line between the centres."""
    members = (fold.labels == first) | (fold.labels == second)
    line = fold.centres[second] - fold.centres[first]
    length = max(float(line @ line), 1e-12)
    return np.asarray((fold.points[members] - fold.centres[first]) @ line / length)


def _around(along: NDArray[np.floating], at: float) -> NDArray[np.floating]:
    """As many users on either side of `at`, the nearest of the larger crowd.

    A small crowd beside a large one hardly changes the distribution of both. And what lies between
    two limits has a single mode if the whole has.
    """
    below, above = np.sort(along[along < at])[::-1], np.sort(along[along >= at])
    most = min(len(below), len(above), _MOST_USERS)
    return np.concatenate([below[:most], above[:most]])
