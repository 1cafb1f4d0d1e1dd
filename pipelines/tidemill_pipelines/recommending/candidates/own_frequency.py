"""What the user was interested in most often of late: the bar wherever people come back."""

from __future__ import annotations

from typing import ClassVar

import torch

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import DECAYED_FOUR
from tidemill_pipelines.recommending.candidates.candidate import Scores, padded
from tidemill_pipelines.recommending.candidates.popularity import recent_users


class Frequent(Scores):
    """The decayed sum of each own item, and behind them what is popular."""

    behind: torch.Tensor

    def __init__(self, behind: torch.Tensor) -> None:
        """`behind` [items], all below any own item's."""
        super().__init__()
        self.items = len(behind)
        self.register_buffer("behind", behind)

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        items, is_there = padded(history)
        scores = self.behind.expand(history.shape[0], -1)
        return scores.scatter_add(1, items, facts[..., DECAYED_FOUR] * is_there)


class OwnFrequency:
    """Decayed with a half-life of four horizons; nothing is learned but what is popular."""

    name: ClassVar[str] = "own frequency"
    is_for_new: ClassVar[bool] = False

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Frequent:
        recent = torch.from_numpy(recent_users(histories, len(items.ids))).float()
        return Frequent(recent / (recent.max() + 1) * 1e-6)
