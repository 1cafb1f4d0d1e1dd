"""The recommender that ships: what a user comes back to, and what is new, in one list.

Both parts are log odds of interest within the horizon, so that they can be ranked together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tidemill_pipelines.recommending.blend import Blend, FactorBlend, Scaling, Weights, is_factored
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, Scores, padded
from tidemill_pipelines.recommending.repeat import Repeat


class Hybrid(Scores):
    """Any blend, with the history's own items judged by the repeat model, if there is one."""

    def __init__(self, blend: Blend, again: Repeat | None) -> None:
        super().__init__()
        self.items = blend.items
        self.blend, self.again = blend, again

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        blended: torch.Tensor = self.blend(history, facts, activity, context)
        if self.again is None:
            return blended
        own = blended.gather(1, history.clamp(min=0))
        return _replaced(blended, history, own, _again(self.again, history, facts, activity))


class FactoredHybrid(FactorScores):
    """A blend that is an inner product, so that new items can be searched by it."""

    def __init__(self, blend: FactorBlend, again: Repeat | None) -> None:
        super().__init__(blend.item_vectors)
        self.blend, self.again = blend, again

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        return self.blend.query(history, facts, activity, context)

    def repeat(
        self, history: torch.Tensor, facts: torch.Tensor, activity: torch.Tensor
    ) -> torch.Tensor:
        """Log odds of the history's own items [n, L]."""
        if self.again is not None:
            return _again(self.again, history, facts, activity)
        nowhere = torch.full_like(history[:, 0], -1)
        return self._own(history, self.query(history, facts, activity, nowhere))

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        query = self.query(history, facts, activity, context)
        blended = query @ self.item_vectors.T
        if self.again is None:
            return blended
        again = _again(self.again, history, facts, activity)
        return _replaced(blended, history, self._own(history, query), again)

    def _own(self, history: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        items, _ = padded(history)
        return (self.item_vectors[items] @ query.unsqueeze(-1)).squeeze(-1)


def hybrid_of(
    parts: Sequence[Scores], scaling: Scaling, weights: Weights, again: Repeat | None
) -> Hybrid | FactoredHybrid:
    """Factored where all parts are."""
    factored = [part for part in parts if isinstance(part, FactorScores)]
    if is_factored(parts):
        return FactoredHybrid(FactorBlend(factored, scaling, weights), again)
    return Hybrid(Blend(parts, scaling, weights), again)


def _again(
    again: Repeat, history: torch.Tensor, facts: torch.Tensor, activity: torch.Tensor
) -> torch.Tensor:
    items, _ = padded(history)
    return again(items, facts, activity)  # type: ignore[no-any-return]  # torch's call has no types


def _replaced(
    scores: torch.Tensor, history: torch.Tensor, own: torch.Tensor, again: torch.Tensor
) -> torch.Tensor:
    """Scores with those of the history's items exchanged; padding changes nothing."""
    items, is_there = padded(history)
    return scores.scatter_add(1, items, (again - own) * is_there)
