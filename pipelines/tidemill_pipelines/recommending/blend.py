"""New items: one logistic model of what several candidates say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.recommendation.interests import ACTIVITY
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, Scores
from tidemill_pipelines.recommending.logistic import fit_logistic

_ACTIVE, _LAST = ACTIVITY.index("active_four"), ACTIVITY.index("days_since_last")
_SMALLEST_SCALE = 1e-6
"""Scores that spread less say nothing; divided by it, rounding errors would speak loudest."""
_UNUSUAL = 2.0
"""Standard deviations from which on users count as alike: a slope that was seen to change among
users of the log would change its sign for a session of two items."""

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Weights:
    """Coefficients of standardised scores, which change with how active the user is."""

    base: NDArray[np.float64]
    """[candidates]."""
    by_activity: NDArray[np.float64]
    """[candidates]."""
    of_user: NDArray[np.float64]
    """[2], of the user's activity and recency whatever the item."""
    intercept: float


@dataclass(frozen=True)
class Scaling:
    """What a candidate's scores, and users, are measured in."""

    mean: NDArray[np.float64]
    """[candidates]."""
    scale: NDArray[np.float64]
    user_mean: NDArray[np.float64]
    """[2], see `user_columns`."""
    user_scale: NDArray[np.float64]


def scaling_of(
    scores: NDArray[np.float32], users: NDArray[np.float32], weights: NDArray[np.float64]
) -> Scaling:
    """Weighted moments of scores [cells, candidates] and of `user_columns` [cells, 2]."""
    mean, scale = _moments(scores, weights)
    return Scaling(mean, scale, *_moments(users, weights))


def user_columns(activity: torch.Tensor) -> torch.Tensor:
    """[n, 2], how active somebody is and for how long they have been away."""
    return torch.log1p(activity[:, [_ACTIVE, _LAST]].clamp(min=0))


def fit_weights(
    scores: NDArray[np.float32],
    users: NDArray[np.float32],
    labels: NDArray[np.bool_],
    weights: NDArray[np.float64],
    scaling: Scaling,
) -> Weights:
    """Log loss over cells of new items: scores [cells, candidates], users [cells, 2]."""
    count = scores.shape[1]
    slopes, intercept = fit_logistic(columns(scores, users, scaling), labels, weights)
    return Weights(slopes[:count], slopes[count : 2 * count], slopes[2 * count :], intercept)


def log_odds(
    scores: NDArray[np.float32], users: NDArray[np.float32], scaling: Scaling, weights: Weights
) -> NDArray[np.float32]:
    """[cells], what the fitted model says."""
    slopes = np.concatenate([weights.base, weights.by_activity, weights.of_user])
    found = columns(scores, users, scaling) @ slopes.astype(np.float32)
    return np.asarray(found + np.float32(weights.intercept), np.float32)


def columns(
    scores: NDArray[np.float32], users: NDArray[np.float32], scaling: Scaling
) -> NDArray[np.float32]:
    z = ((scores - scaling.mean) / scaling.scale).astype(np.float32)
    of_user = (users - scaling.user_mean) / scaling.user_scale
    of_user = of_user.clip(-_UNUSUAL, _UNUSUAL).astype(np.float32)
    return np.concatenate([z, z * of_user[:, :1], of_user], axis=1)


class Blend(Scores):
    """Log odds of new items. Who has no history gets what is popular, which comes first."""

    base: torch.Tensor
    by_activity: torch.Tensor
    of_user: torch.Tensor
    intercept: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor
    user_mean: torch.Tensor
    user_scale: torch.Tensor

    def __init__(self, parts: Sequence[Scores], scaling: Scaling, weights: Weights) -> None:
        super().__init__()
        self.items = parts[0].items
        self.parts = torch.nn.ModuleList(parts)
        for settings in (scaling, weights):
            for name, value in vars(settings).items():
                self.register_buffer(name, torch.tensor(value, dtype=torch.float32))

    def forward(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        is_known, slopes, offset = self.of_users(history, activity)
        scores = [part(history, facts, activity, context) for part in self.parts]
        blended = offset.unsqueeze(1).expand(-1, self.items)
        for place, each in enumerate(scores):
            blended = blended + slopes[:, place : place + 1] * each
        return torch.where(is_known, blended, scores[0])

    def of_users(
        self, history: torch.Tensor, activity: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Whether each has a history [n, 1], slopes of raw scores [n, parts], offsets [n]."""
        is_known = (history >= 0).any(dim=1, keepdim=True)
        of_user = (user_columns(activity) - self.user_mean) / self.user_scale
        of_user = of_user.clamp(-_UNUSUAL, _UNUSUAL)
        slopes = (self.base + of_user[:, :1] * self.by_activity) / self.scale
        offset = of_user @ self.of_user + self.intercept - slopes @ self.mean
        return is_known, slopes, offset


class FactorBlend(Blend):
    """The same of factored candidates alone, folded into one inner product."""

    item_vectors: torch.Tensor

    def __init__(self, parts: Sequence[FactorScores], scaling: Scaling, weights: Weights) -> None:
        super().__init__(parts, scaling, weights)
        vectors = [part.item_vectors for part in parts]
        whole = torch.cat([*vectors, torch.ones(len(vectors[0]), 1)], dim=1)
        self.register_buffer("item_vectors", whole)

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        """[n, d]."""
        is_known, slopes, offset = self.of_users(history, activity)
        queries = [
            cast(FactorScores, part).query(history, facts, activity, context) for part in self.parts
        ]
        weighed = [slopes[:, i : i + 1] * query for i, query in enumerate(queries)]
        known = torch.cat([*weighed, offset.unsqueeze(1)], dim=1)
        unknown = torch.nn.functional.pad(queries[0], (0, known.shape[1] - queries[0].shape[1]))
        return torch.where(is_known, known, unknown)


def is_factored(parts: Sequence[Scores]) -> bool:
    return all(isinstance(part, FactorScores) for part in parts)


def _moments(
    values: NDArray[np.float32], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not weights.sum():
        return np.zeros(values.shape[1]), np.ones(values.shape[1])
    mean = np.asarray(np.average(values, axis=0, weights=weights), np.float64)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
    return mean, np.where(spread > _SMALLEST_SCALE, spread, np.inf)
