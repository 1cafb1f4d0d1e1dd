"""Which cluster of one division is which of another, by the users they share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tidemill_pipelines.segmenting.kmeans import Labels


def overlap(first: Labels, second: Labels, sizes: tuple[int, int]) -> NDArray[np.float64]:
    """Jaccard index of each cluster of `first` with each of `second`, [sizes]."""
    both = np.zeros(sizes)
    np.add.at(both, (first, second), 1)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    return np.asarray(both / np.maximum(either, 1))


def matched(first: Labels, second: Labels, k: int) -> NDArray[np.intp]:
    """For each of k clusters of `first`, its partner among the k of `second`."""
    _, partners = linear_sum_assignment(-overlap(first, second, (k, k)))
    return np.asarray(partners)


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Agreement of two divisions of the same users: 1 when equal, 0 on average by chance.

    Hubert & Arabie (1985).
    """
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1))
    np.add.at(table, (first, second), 1)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    together, of_first, of_second = (
        pairs(table),
        pairs(table.sum(axis=1)),
        pairs(table.sum(axis=0)),
    )
    everybody = len(first) * (len(first) - 1) / 2
    by_chance = of_first * of_second / everybody if everybody else 0.0
    most = (of_first + of_second) / 2
    return 1.0 if most == by_chance else (together - by_chance) / (most - by_chance)
