"""What every candidate is: something that learns from histories and scores all items."""

from __future__ import annotations

from typing import ClassVar, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import Batch, Users


class Scores(torch.nn.Module):
    """Scores of all items for n users, the higher the better. Exportable as ONNX.

    Calling it gives float32 [n, items] from history int64 [n, L], facts float32 [n, L, FACTS],
    activity float32 [n, ACTIVITY] and context int64 [n], as in tidemill.recommendation.bundle.
    """

    items: int
    note: str = ""
    """What it learned from, if not from everybody."""

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        raise NotImplementedError

    def of(self, batch: Batch) -> NDArray[np.float32]:
        """The same outside the graph, [n, items]."""
        with torch.no_grad():
            return np.asarray(self(*batch.inputs()).numpy())


AnyScores = TypeVar("AnyScores", bound=Scores)


class FactorScores(Scores):
    """Scores that are inner products of a user's query and each item's vector."""

    item_vectors: torch.Tensor
    """[items, d]."""

    def __init__(self, item_vectors: torch.Tensor) -> None:
        super().__init__()
        self.items = len(item_vectors)
        self.register_buffer("item_vectors", item_vectors.detach().float().contiguous())

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        """[n, d]."""
        raise NotImplementedError

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        return self.query(history, facts, activity, context) @ self.item_vectors.T


class Candidate(Protocol):
    """A way to learn scores."""

    is_for_new: ClassVar[bool]
    """Whether it has something to say about items that are new to the user."""

    @property
    def name(self) -> str: ...

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        """Why this data is not for it, or None."""

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Scores:
        """Learn from histories alone. The same seed, data and thread count give the same."""


def padded(history: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions that can be looked up, and a float mask that is 0 where there is none."""
    return history.clamp(min=0), (history >= 0).float()


def noted(scores: AnyScores, users: Users, histories: Histories) -> AnyScores:
    """The same, which says so if it learned from a sample of the users."""
    if len(users) < len(histories):
        scores.note = f"learned from {len(users):,} of {len(histories):,} users"
    return scores
