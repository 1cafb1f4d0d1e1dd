"""k-means with distances in units of how far users are spread within the clusters themselves.

Plain k-means measures in units of how far everybody is spread. That shrinks just the factors in
which crowds are apart, and cuts long crowds across. So clusters and unit are found in turns until
they agree, and of several starts the one counts whose clusters fill the least volume: Friedman &
Rubin (1967), "On Some Invariant Criteria for Grouping Data".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.segmenting.kmeans import Labels, Points, means, nearest, seeds, settled

_ROUNDS = 20
_SHRUNK = 0.3
"""How far the covariances within clusters are moved towards 0. Factors that come from the same few
events are almost the same, and what little they differ in says hardly anything."""
_LEAST = 1e-3
"""Variance within clusters that is always there; a factor's whole variance is 1."""


class Division(NamedTuple):
    """A point belongs to the nearest centre."""

    centres: Points
    """[k, factors]."""
    metric: NDArray[np.float32]
    """[factors, factors]. Distances are between points times this: there a cluster is as wide in
    every direction, one standard deviation."""

    @property
    def k(self) -> int:
        """How many clusters."""
        return len(self.centres)

    def seen(self, points: Points) -> Points:
        """`points` as distances are measured."""
        return np.asarray(points @ self.metric)

    def assign(self, points: Points) -> Labels:
        """The cluster of each point."""
        return nearest(self.seen(points), self.seen(self.centres))


def cluster(points: Points, k: int, rng: np.random.Generator, starts: int) -> Division:
    """The tightest of `starts` divisions into k."""
    # Plain distances mislead where crowds are long, and distances in units of the whole crowd's
    # covariance where most factors say nothing: starting from both, one leads there.
    plain = np.eye(points.shape[1], dtype=np.float32)
    spaces = (plain, _metric(points - points.mean(axis=0)))
    found = []
    for at in range(starts):
        seen = points @ spaces[at % 2]
        start = Division(points[seeds(seen, k, rng)], spaces[at % 2])
        found.append(refined(points, start))
    return min(found, key=_log_volume)


def refined(points: Points, division: Division) -> Division:
    """Where clusters and metric agree, coming from `division`."""
    labels = None
    for _ in range(_ROUNDS):
        moved = settled(division.seen(points), division.seen(division.centres))
        if labels is not None and (moved == labels).all():
            break
        labels = moved
        centres = means(points, labels, division.centres)
        division = Division(centres, _metric(points - centres[labels]))
    return division


def _metric(away: Points) -> NDArray[np.float32]:
    """From the distances [n, factors] of points to their centres."""
    within = away.T.astype(np.float64) @ away / len(away)
    alone = np.diag(np.diag(within))
    shrunk = (1 - _SHRUNK) * within + _SHRUNK * alone + _LEAST * np.eye(len(within))
    return np.linalg.cholesky(np.linalg.inv(shrunk)).astype(np.float32)


def _log_volume(division: Division) -> float:
    return -float(np.linalg.slogdet(division.metric)[1])
