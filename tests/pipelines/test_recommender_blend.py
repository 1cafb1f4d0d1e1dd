"""What a blend makes of candidates that say nothing, and of users unlike all others."""

from __future__ import annotations

import numpy as np
import torch

from tidemill.recommendation.interests import ACTIVITY
from tidemill_pipelines.recommending.blend import Blend, Weights, log_odds, scaling_of, user_columns
from tidemill_pipelines.recommending.candidates.candidate import Scores

RNG = np.random.default_rng(0)
USERS = RNG.normal(3, 0.5, (500, 2)).astype(np.float32)
CELLS = np.ones(500)


class Fixed(Scores):
    """The same scores for everybody."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__()
        self.items = len(scores)
        self.register_buffer("scores", torch.tensor(scores))

    def forward(self, history: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(history), -1)  # type: ignore[operator]  # a buffer


def test_a_candidate_without_spread_says_nothing() -> None:
    """Whatever it varies by once it is fitted again."""
    informed, constant = RNG.normal(0, 1, 500), np.full(500, 0.25) + RNG.normal(0, 1e-9, 500)
    scores = np.column_stack([informed, constant]).astype(np.float32)
    scaling = scaling_of(scores, USERS, CELLS)
    weights = Weights(np.ones(2), np.zeros(2), np.zeros(2), 0.0)
    later = scores + np.array([0, 1e-3], np.float32)
    assert np.abs(log_odds(later, USERS, scaling, weights)).max() < 5


def test_popular_stays_popular_for_a_session() -> None:
    """A slope that falls with activity among users of the log must not be carried on for ever."""
    scores = np.column_stack([RNG.normal(0, 1, 500)]).astype(np.float32)
    weights = Weights(np.array([1.0]), np.array([0.4]), np.zeros(2), 0.0)
    blend = Blend([Fixed([2.0, 0.0])], scaling_of(scores, USERS, CELLS), weights)
    activity = torch.zeros(1, len(ACTIVITY))
    assert float(user_columns(activity).max()) < USERS.min()
    history, facts = torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1, 7)
    popular, rare = blend(history, facts, activity, torch.zeros(1, dtype=torch.int64))[0].tolist()
    assert popular > rare
