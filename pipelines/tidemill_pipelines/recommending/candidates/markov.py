"""What follows what: a Markov chain over the order of histories (Rendle et al. 2010)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import (
    Users,
    lengths_of,
    sample_users,
)
from tidemill_pipelines.recommending.candidates.candidate import noted
from tidemill_pipelines.recommending.candidates.neighbours import NeighbourScores, strongest

_MOST_PAIRS = 5_000_000
_STEPS = 3
"""How many items back an item still says something about the next one."""
_FADING = 0.5
"""What remains of its word with each step."""
_SHRINKAGE = 5.0
"""Followers an item must have before half of what follows it is believed."""


class Transitions(NeighbourScores):
    """The latest items of the history speak, the last one loudest."""

    def weights(self, facts: torch.Tensor, is_there: torch.Tensor) -> torch.Tensor:
        place = torch.cumsum(torch.ones_like(is_there), dim=1) - 1
        return torch.pow(_FADING, place) * (place < _STEPS) * is_there


class Markov:
    """Shares of what followed each item within a few steps, from the order of last interest."""

    name: ClassVar[str] = "Markov chain"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Transitions:
        count, users = len(items.ids), sample_users(histories, _MOST_PAIRS, seed)
        followed = sp.csr_matrix((count, count), dtype=np.float32)
        for step in range(1, _STEPS + 1):
            followed = followed + _followers(histories, users, count, step) * _FADING ** (step - 1)
        total = np.asarray(followed.sum(axis=1)).ravel() + _SHRINKAGE
        shares = (sp.diags_array(1 / total) @ followed).tocsr()
        return noted(Transitions(*strongest(shares)), users, histories)


def _followers(histories: Histories, users: Users, items: int, step: int) -> sp.csr_matrix:
    """[items, items], how often the column's item came `step` after the row's."""
    lengths = np.maximum(lengths_of(histories)[users] - step, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    later = np.repeat(histories.offsets[users] - offsets[:-1], lengths) + np.arange(offsets[-1])
    pair = (histories.items[later + step], histories.items[later])
    return sp.csr_matrix((np.ones(len(later), np.float32), pair), (items, items))
