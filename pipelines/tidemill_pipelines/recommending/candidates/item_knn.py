"""Items liked by the same users (Sarwar et al. 2001; Deshpande & Karypis 2004)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import (
    Users,
    lengths_of,
    sample_users,
)
from tidemill_pipelines.recommending.candidates.candidate import noted
from tidemill_pipelines.recommending.candidates.neighbours import NeighbourScores, strongest

_LATEST = 100
"""Items of a history that are compared with each other."""
_MOST_COMPARISONS = 30_000_000
_SHRINKAGE = 10.0
"""Users that two items must share before half of their similarity is believed."""
_ROWS = 1_000


class ItemKnn:
    """Shrunken cosine between the items' columns of who knows them.

    What it costs grows with the square of a history, so that only its latest items count, and of
    very many users a sample.
    """

    name: ClassVar[str] = "item-kNN"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> NeighbourScores:
        users = _affordable(histories, seed)
        known = _latest(histories, len(items.ids), users)
        blocks = [
            strongest(_similarities(known, slice(start, start + _ROWS)))
            for start in range(0, len(items.ids), _ROWS)
        ]
        targets, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
        return noted(NeighbourScores(targets, values), users, histories)


def _affordable(histories: Histories, seed: int) -> Users:
    comparisons = float((np.minimum(lengths_of(histories), _LATEST) ** 2).sum())
    pairs = int(histories.offsets[-1])
    return sample_users(
        histories, int(pairs * min(_MOST_COMPARISONS / max(comparisons, 1), 1)), seed
    )


def _latest(histories: Histories, items: int, users: Users) -> sp.csc_matrix:
    """[users, items], 1 for the latest items of each history."""
    lengths = np.minimum(lengths_of(histories)[users], _LATEST)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pairs = np.repeat(histories.offsets[users] - offsets[:-1], lengths) + np.arange(offsets[-1])
    ones = np.ones(len(pairs), np.float32)
    return sp.csr_matrix((ones, histories.items[pairs], offsets), (len(users), items)).tocsc()


def _similarities(known: sp.csc_matrix, rows: slice) -> sp.csr_matrix:
    """[rows, items] without the diagonal."""
    norms = np.sqrt(np.diff(known.indptr))
    shared = (known[:, rows].T @ known).tocsr()
    row = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr)) + rows.start
    cosine = shared.data / (norms[row] * norms[shared.indices])
    shared.data = cosine * shared.data / (shared.data + _SHRINKAGE)
    shared.data[row == shared.indices] = 0
    return shared
