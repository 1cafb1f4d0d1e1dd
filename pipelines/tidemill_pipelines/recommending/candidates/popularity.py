"""What everybody likes now: the answer to who is not known, and the bar for the rest."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import DECAYED_ONE, lengths_of
from tidemill_pipelines.recommending.candidates.candidate import FactorScores

_USERS_AT_ONCE = 100_000
_MOST_CONTEXT_SHARES = 10_000_000
"""Contexts times items: beyond it only the contexts with the most users have a popularity."""
_PRIOR_USERS = 50.0
"""A context's shares are mixed with everybody's as if so many more users were in it."""
_UNSEEN = 0.5
"""Users that an item without any counts as having."""


class Popular(FactorScores):
    """Log odds that some user is interested; in their context, of who has no history."""

    def __init__(self, log_odds: NDArray[np.float64], of_context: NDArray[np.int64]) -> None:
        """`log_odds` [contexts kept + 1, items], everybody's first; `of_context` [contexts], the
        row of each."""
        super().__init__(torch.from_numpy(log_odds.T.copy()))
        rows = np.concatenate([[0], of_context])
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("picks", torch.eye(len(log_odds)))

    rows: torch.Tensor
    picks: torch.Tensor

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        is_unknown = (history < 0).all(dim=1)
        return self.picks[self.rows[torch.where(is_unknown, context + 1, 0)]]


class Popularity:
    """Users with interest in an item, each counted by how lately, in all and by context."""

    name: ClassVar[str] = "popularity"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Popular:
        kept = _contexts_kept(histories, items)
        row = np.zeros(len(items.contexts), np.int64)
        row[kept] = np.arange(len(kept)) + 1
        counts, users = _counts(histories, len(items.ids), np.append(row, 0), len(kept) + 1)
        everybody = (counts.sum(axis=0) + _UNSEEN) / (users.sum() + 2 * _UNSEEN)
        counts[0], users[0] = counts.sum(axis=0), users.sum()
        shares = (counts + _PRIOR_USERS * everybody) / (users[:, None] + _PRIOR_USERS)
        shares[0] = everybody
        return Popular(np.log(shares / (1 - shares)), row)


def recent_users(histories: Histories, items: int) -> NDArray[np.float64]:
    """[items], users with interest, each by the half-life of one horizon and at most 1."""
    contexts = int(histories.contexts.max(initial=-1)) + 1
    counts, _ = _counts(histories, items, np.zeros(contexts + 1, np.int64), 1)
    return np.asarray(counts[0])


def _counts(
    histories: Histories, items: int, row_of_context: NDArray[np.int64], rows: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Recent users of each item [rows, items] and users in each row [rows]."""
    row = row_of_context[histories.contexts]
    counts = np.zeros(rows * items)
    for start in range(0, len(histories), _USERS_AT_ONCE):
        users = slice(start, start + _USERS_AT_ONCE)
        ends = histories.offsets[[start, min(start + _USERS_AT_ONCE, len(histories))]]
        part = slice(int(ends[0]), int(ends[1]))
        of_pair = np.repeat(row[users], lengths_of(histories)[users])
        weights = np.minimum(histories.facts[part, DECAYED_ONE], 1)
        cells = of_pair * items + histories.items[part]
        counts += np.bincount(cells, weights, minlength=rows * items)
    return counts.reshape(rows, items), np.bincount(row, minlength=rows).astype(np.float64)


def _contexts_kept(histories: Histories, items: ItemTable) -> NDArray[np.int64]:
    known = histories.contexts[histories.contexts >= 0]
    users = np.bincount(known, minlength=len(items.contexts))
    room = max(_MOST_CONTEXT_SHARES // max(len(items.ids), 1) - 1, 0)
    return np.argsort(-users, kind="stable")[:room]
