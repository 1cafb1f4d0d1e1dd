"""Whether the same segments are found again in other users of the same kind.

Hennig (2007), "Cluster-wise assessment of cluster stability": the Jaccard index of each cluster
with its most similar one in a bootstrap sample; below 0.75 a cluster is no stable pattern.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.segmenting.clustering import Division, cluster
from tidemill_pipelines.segmenting.kmeans import Points
from tidemill_pipelines.segmenting.partners import overlap

STABLE = 0.75
_DRAWS = 20
_STARTS = 6


def bootstrap_jaccard(
    points: Points, division: Division, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Mean Jaccard index of each cluster over the bootstrap samples, [k].

    A sample's division is of all points, so that clusters are compared on the same users.
    """
    k, labels = division.k, division.assign(points)
    found = np.zeros(k)
    for _ in range(_DRAWS):
        sample = points[rng.integers(0, len(points), len(points))]
        again = cluster(sample, k, rng, _STARTS).assign(points)
        found += overlap(labels, again, (k, k)).max(axis=1)
    return found / _DRAWS
