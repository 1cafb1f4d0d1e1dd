"""Scores that add up what each item of a history says about its nearest neighbours."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from tidemill_pipelines.recommending.candidates.batches import TOTAL, Batch
from tidemill_pipelines.recommending.candidates.candidate import Scores, padded

NEIGHBOURS = 50
"""Kept of each item, so that the graph's size and time grow with the items and not their square."""


class NeighbourScores(Scores):
    """Sum over the history of weight times similarity."""

    targets: torch.Tensor
    similarities: torch.Tensor

    def __init__(self, targets: NDArray[np.integer], similarities: NDArray[np.floating]) -> None:
        """Both [items, neighbours]: who is near each item, and how near (0 pads)."""
        super().__init__()
        self.items = len(targets)
        self.register_buffer("targets", torch.from_numpy(targets.astype(np.int64)))
        self.register_buffer("similarities", torch.from_numpy(similarities.astype(np.float32)))

    def weights(self, facts: torch.Tensor, is_there: torch.Tensor) -> torch.Tensor:
        """[n, L], how much each item of the history counts: as in `interactions`."""
        return torch.log1p(facts[..., TOTAL]) * is_there

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        items, is_there = padded(history)
        said = self.similarities[items] * self.weights(facts, is_there).unsqueeze(-1)
        scores = torch.zeros(history.shape[0], self.items)
        return scores.scatter_add(1, self.targets[items].flatten(1), said.flatten(1))

    def of(self, batch: Batch) -> NDArray[np.float32]:
        """By sparse matrices, which touch nothing but what is there."""
        _, is_there = padded(batch.history)
        user, place = np.nonzero(is_there.numpy())
        weights = self.weights(batch.facts, is_there).numpy()[user, place]
        pairs = (user, batch.history.numpy()[user, place])
        said = sp.csr_matrix((weights, pairs), (len(is_there), self.items))
        return np.asarray((said @ self.matrix).toarray())

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """[items, items]."""
        columns, values = self.targets.numpy(), self.similarities.numpy()
        offsets = np.arange(self.items + 1) * columns.shape[1]
        return sp.csr_matrix((values.ravel(), columns.ravel(), offsets), (self.items, self.items))


def strongest(
    similarities: sp.csr_matrix, most: int = NEIGHBOURS
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """The largest of each row by size, [rows, most] columns and values; 0 pads rows with fewer."""
    rows = similarities.shape[0]
    row = np.repeat(np.arange(rows), np.diff(similarities.indptr))
    size = np.abs(similarities.data).astype(np.float64)
    order = np.argsort(row - size / (2 * size.max(initial=0) or 1))  # one key sorts faster than two
    place = np.arange(len(order)) - similarities.indptr[row[order]]
    kept = order[place < most]
    columns, values = np.zeros((rows, most), np.int64), np.zeros((rows, most), np.float32)
    columns[row[kept], place[place < most]] = similarities.indices[kept]
    values[row[kept], place[place < most]] = similarities.data[kept]
    return columns, values
