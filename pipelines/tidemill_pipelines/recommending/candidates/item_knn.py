"""Items liked by the same users (Sarwar et al. 2001; Deshpande & Karypis 2004)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import interactions, sample_users
from tidemill_pipelines.recommending.candidates.neighbours import NeighbourScores, strongest_sparse

_MOST_PAIRS = 2_000_000
_SHRINKAGE = 10.0
"""Users that two items must share before half of their similarity is believed."""
_ROWS = 1_000


class ItemKnn:
    """Shrunken cosine between the items' columns of interest."""

    name: ClassVar[str] = "item-kNN"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:  # noqa: ARG002
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> NeighbourScores:
        users = sample_users(histories, _MOST_PAIRS, seed)
        weights = interactions(histories, len(items.ids), users).tocsc()
        norms = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=0)).ravel()) + 1e-9
        unit = (weights @ sp.diags_array(1 / norms)).tocsc()
        shared = weights.copy()
        shared.data = np.ones_like(shared.data)
        blocks = [
            strongest_sparse(_similarities(unit, shared, slice(start, start + _ROWS)))
            for start in range(0, len(items.ids), _ROWS)
        ]
        targets, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
        return NeighbourScores(targets, values)


def _similarities(unit: sp.csc_matrix, shared: sp.csc_matrix, rows: slice) -> sp.csr_matrix:
    """[rows, items] without the diagonal."""
    cosine = (unit[:, rows].T @ unit).tocsr()
    users = (shared[:, rows].T @ shared).tocsr()
    cosine.sort_indices()
    users.sort_indices()
    cosine.data *= users.data / (users.data + _SHRINKAGE)
    row = np.repeat(np.arange(cosine.shape[0]), np.diff(cosine.indptr))
    cosine.data[_is_self(row, cosine.indices, rows.start)] = 0
    return cosine


def _is_self(row: NDArray[np.int64], column: NDArray[np.int32], start: int) -> NDArray[np.bool_]:
    return np.asarray(row + start == column)
