"""How often an item is clicked once it is looked at: the model in doubly robust estimates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.position_bias.feedback import Feedback, Floats, Integers

_PRIOR_LOOKS = 20.0
"""Looks at an average item that each item starts with."""
_FOLDS = 2


class RewardModel:
    """A rate for each item, learned from the other half of the users (cross-fitting).

    A model that had seen the clicks it is corrected by would make the correction too small
    (Chernozhukov et al. 2018).
    """

    def __init__(self, feedback: Feedback, examined: Floats) -> None:
        """`examined` [rows], how often the position is looked at where each item stood."""
        self._fold = feedback.user % _FOLDS
        count = int(max(feedback.item.max(initial=0), feedback.absent_item.max(initial=0))) + 1
        fold = self._fold[feedback.answer]
        self._rates = np.stack(
            [
                _rates(feedback.item, examined, feedback.clicked, fold != own, count)
                for own in range(_FOLDS)
            ]
        )

    def predict(self, answer: Integers, item: Integers) -> Floats:
        """Clicks for each look, of items in lists; same shapes."""
        found: Floats = self._rates[self._fold[answer], item]
        return found


def _rates(
    item: Integers,
    examined: Floats,
    clicked: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    count: int,
) -> Floats:
    looks = np.bincount(item, examined * chosen, count)
    clicks = np.bincount(item, clicked & chosen, count)
    average = clicks.sum() / looks.sum() if looks.any() else 0.0
    return (clicks + _PRIOR_LOOKS * average) / (looks + _PRIOR_LOOKS)
