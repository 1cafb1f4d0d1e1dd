"""k-means: seeded by k-means++ (Arthur & Vassilvitskii 2007), refined by Lloyd (1982)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
"""[n, factors]."""
Labels = NDArray[np.int64]
"""[n], the cluster of each point."""

_ITERATIONS = 100


def seeds(points: Points, k: int, rng: np.random.Generator) -> list[int]:
    """Positions of k points: each next one is drawn in proportion to its squared distance."""
    chosen = [int(rng.integers(len(points)))]
    nearest_square = squared_distances(points, points[chosen])[:, 0]
    while len(chosen) < k:
        heights = np.cumsum(nearest_square, dtype=np.float64)
        drawn = int(np.searchsorted(heights, rng.random() * heights[-1], side="right"))
        chosen.append(min(drawn, len(points) - 1))
        beside = squared_distances(points, points[chosen[-1:]])[:, 0]
        nearest_square = np.minimum(nearest_square, beside)
    return chosen


def settled(points: Points, centres: Points) -> Labels:
    """The clusters that Lloyd's algorithm reaches from `centres` [k, factors]."""
    labels = np.full(len(points), -1, dtype=np.int64)
    for _ in range(_ITERATIONS):
        moved = nearest(points, centres)
        if (moved == labels).all():
            break
        labels = moved
        centres = means(points, labels, centres)
    return labels


def nearest(points: Points, centres: Points) -> Labels:
    """The nearest centre of each point."""
    # The points' own squares are the same for every centre, and would cost as much as the rest.
    return np.asarray(((centres**2).sum(axis=1) / 2 - points @ centres.T).argmin(axis=1))


def means(points: Points, labels: Labels, before: Points) -> Points:
    """Of each cluster; one that has lost all its points stays where it was."""
    members = (labels == np.arange(len(before))[:, None]).astype(np.float32)
    sizes = members.sum(axis=1)[:, None]
    return np.where(sizes > 0, members @ points / np.maximum(sizes, 1), before)


def squared_distances(points: Points, centres: Points) -> NDArray[np.float32]:
    """[n, k]; rounding may leave a zero slightly negative, so it is clipped."""
    cross = points @ centres.T
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None, :]
    return np.asarray(np.maximum(squares - 2 * cross, 0), dtype=np.float32)
