"""Items that nobody knows yet: what is learned about others is carried over by attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from tidemill.recommendation.histories import Histories
from tidemill_pipelines.recommending.candidates.attributes import Alike
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, Scores
from tidemill_pipelines.recommending.candidates.popularity import Popular


def describe_cold_items(parts: Sequence[Scores], alike: Alike | None, histories: Histories) -> None:
    """Set the vectors of items without a user to what a ridge regression on attributes predicts
    from the items that have some (Gantner et al. 2010)."""
    learned = [each for each in parts if isinstance(each, FactorScores)]
    learned = [each for each in learned if not isinstance(each, Popular | Alike)]
    if alike is None or not learned:
        return
    users = np.bincount(histories.items, minlength=alike.items)
    is_cold = torch.from_numpy(users == 0)
    if not is_cold.any() or is_cold.all():
        return
    known, unknown = alike.item_vectors[~is_cold], alike.item_vectors[is_cold]
    gram = known.T @ known + torch.eye(known.shape[1])
    for each in learned:
        slopes = torch.linalg.solve(gram, known.T @ each.item_vectors[~is_cold])
        each.item_vectors[is_cold] = unknown @ slopes
