"""An inverted file index: item vectors in k-means partitions, of which a query reads the best few.

The index of Jégou, Douze and Schmid (Product Quantization for Nearest Neighbor Search, 2011) with
whole vectors, for the largest inner product. Partitions are read in the order of the best item
each is expected to hold, which its mean alone does not tell: a wide or a large partition reaches
further.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 5
_SAMPLED = 32
"""Items a partition that k-means learns from."""
_CHUNK = 8192
_NO_REACH = -1e6
_GROUPED = 16
"""Scores that are looked at by their maximum first."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Partitions:
    """I vectors of width d in P partitions."""

    vectors: Floats
    """[I, d], partition after partition."""
    items: NDArray[np.int64]
    """[I], the item of each row of `vectors`."""
    rows: NDArray[np.int64]
    """[I], the row of each item."""
    partition_of: NDArray[np.int32]
    """[I], the partition of each item."""
    starts: NDArray[np.int64]
    """[P + 1], where each partition begins in `vectors`."""
    means: Floats
    """[d, P]."""
    variances: Floats
    """[d, P], of each dimension by itself."""

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """[P], items in each partition."""
        return np.diff(self.starts)

    def counts(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """[P], how many of `items` lie in each partition."""
        return np.bincount(self.partition_of[items], minlength=len(self.sizes))

    def ranked(self, query: Floats, reach: Floats) -> NDArray[np.intp]:
        """Partitions by the best inner product with `query` [d] they are expected to hold.

        `reach` [P] is how many standard deviations the best item lies above the mean.
        """
        spread = np.sqrt((query * query) @ self.variances)
        best: NDArray[np.intp] = np.argsort(-(query @ self.means + reach * spread))
        return best

    def scores(self, query: Floats, partitions: NDArray[np.intp]) -> Floats:
        """Inner products of all vectors of `partitions`, one partition after the other."""
        starts = self.starts[partitions].tolist()
        ends = self.starts[partitions + 1].tolist()
        found = np.empty(sum(ends) - sum(starts), dtype=np.float32)
        at = 0
        for start, end in zip(starts, ends, strict=True):
            upto = at + end - start
            np.dot(self.vectors[start:end], query, out=found[at:upto])
            at = upto
        return found

    def items_of(self, partitions: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.int64]:
        """The items of the scores at `places`."""
        ends = np.cumsum(self.sizes[partitions])
        shifts = self.starts[partitions + 1] - ends
        return self.items[places + shifts[np.searchsorted(ends, places, side="right")]]


def reach_of(counts: NDArray[np.int64]) -> Floats:
    """Standard deviations by which the best of `counts` normal values exceeds their mean, nearly.

    Far below it where there is none.
    """
    reach = np.sqrt(2 * np.log(np.maximum(counts, 1)))
    return np.where(counts > 0, reach, _NO_REACH).astype(np.float32)


def places_of_best(scores: Floats, count: int) -> NDArray[np.intp]:
    """Places of the `count` largest of `scores`, in no order; of all when they are fewer.

    One pass finds which groups of scores can hold them, which is several times as fast as
    partitioning all scores.
    """
    size = len(scores)
    width = size // _GROUPED
    if width <= count:
        return np.argpartition(scores, max(0, size - count))[max(0, size - count) :]
    even = width * _GROUPED
    peaks = scores[:even].reshape(_GROUPED, width).max(axis=0)
    groups = np.argpartition(peaks, width - count)[width - count :]
    places = np.concatenate(
        ((np.arange(_GROUPED)[:, None] * width + groups).ravel(), np.arange(even, size))
    )
    return places[np.argpartition(scores[places], len(places) - count)[len(places) - count :]]


def build_partitions(vectors: Floats, seed: int = 0) -> Partitions:
    """Partition `vectors` [I, d], I >= 1, into two square roots of I; takes O(I^1.5 d).

    With fewer, larger partitions more items are read for one query, with more the build takes
    longer and reading gets no faster.
    """
    count = min(len(vectors), round(2 * len(vectors) ** 0.5))
    nearest = _nearest(vectors, _k_means(vectors, count, np.random.default_rng(seed)))
    order, starts = _grouped(nearest, count)
    grouped = vectors[order]
    means, variances = np.zeros((2, count, vectors.shape[1]), dtype=np.float32)
    for partition, block in _blocks(grouped, starts):
        means[partition], variances[partition] = block.mean(axis=0), block.var(axis=0)
    rows = np.empty_like(order)
    rows[order] = np.arange(len(order))
    return Partitions(grouped, order, rows, nearest, starts, means.T.copy(), variances.T.copy())


def _k_means(vectors: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Centres [count, d], from a sample. One that attracts nothing moves to a random vector."""
    size = min(len(vectors), count * _SAMPLED)
    sample = vectors[rng.choice(len(vectors), size, replace=False)]
    centres = sample[rng.choice(size, count, replace=False)]
    for _ in range(_ROUNDS):
        order, starts = _grouped(_nearest(sample, centres), count)
        centres = sample[rng.choice(size, count)]
        for partition, block in _blocks(sample[order], starts):
            centres[partition] = block.mean(axis=0)
    return centres


def _nearest(vectors: Floats, centres: Floats) -> NDArray[np.int32]:
    """The centre with the smallest Euclidean distance to each vector."""
    columns = centres.T.copy()
    half_norms = (centres * centres).sum(axis=1) / 2
    found = np.empty(len(vectors), dtype=np.int32)
    for start in range(0, len(vectors), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        found[chunk] = (vectors[chunk] @ columns - half_norms).argmax(axis=1)
    return found


def _grouped(
    partition_of: NDArray[np.int32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows partition after partition, and where each of them begins [count + 1]."""
    starts = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(partition_of, minlength=count), out=starts[1:])
    return np.argsort(partition_of, kind="stable"), starts


def _blocks(grouped: Floats, starts: NDArray[np.int64]) -> Iterator[tuple[int, Floats]]:
    """Each partition that holds anything, with its vectors."""
    for partition, (start, end) in enumerate(pairwise(starts.tolist())):
        if end > start:
            yield partition, grouped[start:end]
