"""k-means: seeded by k-means++ (Arthur & Vassilvitskii 2007), refined by Lloyd (1982)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
"""[n, factors], standardised."""
Labels = NDArray[np.int64]
"""[n], the cluster of each point."""

_ITERATIONS = 100


def cluster(points: Points, k: int, rng: np.random.Generator, starts: int) -> Points:
    """Centres [k, factors] of the best of `starts` runs, by distance within clusters."""
    found = [refined(points, _seeded(points, k, rng)) for _ in range(starts)]
    return min(found, key=lambda centres: float(squared_distances(points, centres).min(1).sum()))


def assign(points: Points, centres: Points) -> Labels:
    """The nearest centre of each point."""
    # The points' own squares are the same for every centre, and would cost as much as the rest.
    return np.asarray(((centres**2).sum(axis=1) / 2 - points @ centres.T).argmin(axis=1))


def squared_distances(points: Points, centres: Points) -> NDArray[np.float32]:
    """[n, k]; rounding may leave a zero slightly negative, so it is clipped."""
    cross = points @ centres.T
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(squares - 2 * cross, 0), dtype=np.float32)


def _seeded(points: Points, k: int, rng: np.random.Generator) -> Points:
    """Each next centre is drawn with a chance in proportion to its squared distance."""
    chosen = [int(rng.integers(len(points)))]
    nearest = squared_distances(points, points[chosen])[:, 0]
    while len(chosen) < k:
        heights = np.cumsum(nearest, dtype=np.float64)
        drawn = int(np.searchsorted(heights, rng.random() * heights[-1], side="right"))
        chosen.append(min(drawn, len(points) - 1))
        nearest = np.minimum(nearest, squared_distances(points, points[chosen[-1:]])[:, 0])
    return points[chosen].copy()


def refined(points: Points, centres: Points) -> Points:
    """The centres that Lloyd's algorithm reaches from `centres`."""
    labels = np.full(len(points), -1, dtype=np.int64)
    for _ in range(_ITERATIONS):
        moved = assign(points, centres)
        if (moved == labels).all():
            break
        labels = moved
        centres = _means(points, labels, centres)
    return centres


def _means(points: Points, labels: Labels, before: Points) -> Points:
    """Of each cluster; one that has lost all its points stays where it was."""
    sizes = np.bincount(labels, minlength=len(before))
    sums = np.stack(
        [np.bincount(labels, column, minlength=len(before)) for column in points.T], axis=1
    )
    means = (sums / np.maximum(sizes, 1)[:, None]).astype(np.float32)
    return np.where(sizes[:, None] > 0, means, before)
