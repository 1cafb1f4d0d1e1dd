"""Matrix factorisation of implicit feedback by alternating least squares (Hu et al. 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import (
    TOTAL,
    interactions,
    sample_users,
)
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, noted, padded

_MOST_PAIRS = 5_000_000
_DIMENSIONS = 32
"""With 48 it takes twice the time, and the blend is no better for it."""
_SWEEPS = 4
_UNOBSERVED = 0.6
"""How much an item that a user shows no interest in counts beside one unit of interest."""
_GRADIENT_STEPS = 8
_CELLS = 2_000_000


class FoldedIn(FactorScores):
    """Solves the user's half of the problem for whatever history there is now.

    The item vectors are turned so that what all items have in common becomes the unit matrix; then
    the equations differ from it by the history alone, and few conjugate-gradient steps suffice.
    """

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        items, is_there = padded(history)
        vectors = self.item_vectors[items]
        weights = (torch.log1p(facts[..., TOTAL]) * is_there).unsqueeze(1)
        right = (weights @ vectors).squeeze(1)
        solution, residual, direction = torch.zeros_like(right), right, right
        norm = (right * right).sum(dim=1, keepdim=True)
        for _ in range(_GRADIENT_STEPS):
            along = (vectors @ direction.unsqueeze(-1)).transpose(1, 2) * weights
            image = direction + (along @ vectors).squeeze(1)
            step = norm / ((direction * image).sum(dim=1, keepdim=True) + 1e-12)
            solution, residual = solution + step * direction, residual - step * image
            left = (residual * residual).sum(dim=1, keepdim=True)
            direction, norm = residual + left / (norm + 1e-12) * direction, left
        return solution


@dataclass(frozen=True)
class ImplicitAls:
    """Users and items in turn, each row solved exactly."""

    penalty: float
    """Per square root of everything a row is fitted to (after Rendle et al. 2022)."""
    is_for_new: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"implicit ALS, penalty {self.penalty:g}"

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> FoldedIn:
        users = sample_users(histories, _MOST_PAIRS, seed)
        by_user = interactions(histories, len(items.ids), users)
        by_item = by_user.T.tocsr()
        generator = torch.Generator().manual_seed(seed)
        vectors = torch.randn(len(items.ids), _DIMENSIONS, generator=generator) * 0.1
        for _ in range(_SWEEPS):
            of_users = solve(by_user, vectors, self.penalty)
            vectors = solve(by_item, of_users, self.penalty)
        return noted(FoldedIn(_whitened(vectors, self.penalty)), users, histories)


def solve(weights: sp.csr_matrix, fixed: torch.Tensor, penalty: float) -> torch.Tensor:
    """The best row vectors [rows, d] for fixed column vectors [columns, d]."""
    common = _common(fixed, penalty)
    solved = torch.zeros(weights.shape[0], fixed.shape[1])
    lengths = np.diff(weights.indptr)
    order = np.argsort(lengths, kind="stable")
    for rows in _even(order, lengths):
        columns, values = _padded_rows(weights, rows, int(lengths[rows[-1]]))
        vectors = fixed[columns]
        weighted = vectors * values.unsqueeze(-1)
        left = common + weighted.transpose(1, 2) @ vectors
        right = weighted.sum(dim=1).unsqueeze(-1)
        solved[rows] = torch.cholesky_solve(right, torch.linalg.cholesky(left)).squeeze(-1)
    return solved


def _common(fixed: torch.Tensor, penalty: float) -> torch.Tensor:
    """What every row's equations share: the unobserved, and the penalty."""
    gram: torch.Tensor = _UNOBSERVED * fixed.T @ fixed
    strength = penalty * (1 + _UNOBSERVED * len(fixed)) ** 0.5
    return torch.add(gram, strength * torch.eye(fixed.shape[1]))


def _whitened(vectors: torch.Tensor, penalty: float) -> torch.Tensor:
    root = torch.linalg.cholesky(_common(vectors, penalty))
    turned: torch.Tensor = torch.linalg.solve_triangular(root, vectors.T, upper=False)
    return turned.T


def _even(order: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Rows of like length together, at most so many cells at once."""
    parts, start = [], 0
    while start < len(order):
        step = 1
        while start + step < len(order) and (step + 1) * lengths[order[start + step]] <= _CELLS / 8:
            step += 1
        parts.append(order[start : start + step])
        start += step
    return parts


def _padded_rows(
    weights: sp.csr_matrix, rows: np.ndarray, longest: int
) -> tuple[torch.Tensor, torch.Tensor]:
    starts, lengths = weights.indptr[rows].astype(np.int64), np.diff(weights.indptr)[rows]
    inside = np.arange(longest) < lengths[:, None]
    at = np.where(inside, starts[:, None] + np.arange(longest), 0)
    values = np.where(inside, weights.data[at], 0).astype(np.float32)
    return torch.from_numpy(weights.indices[at].astype(np.int64)), torch.from_numpy(values)
