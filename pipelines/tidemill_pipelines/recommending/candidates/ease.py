"""EASE^R, the linear autoencoder with a closed form (Steck 2019), of low rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import Users, membership, sample_users
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, noted, padded

Array = NDArray[np.float32]

_MOST_PAIRS = 5_000_000
_RANK = 128
_OVERSAMPLING = 16
_POWER_STEPS = 2


class Spectrum:
    """Singular vectors of who knows what, worked out once for all penalties."""

    def __init__(self) -> None:
        self._asked: tuple[Histories, int] | None = None
        self._found: tuple[Users, Array, Array]

    def of(self, histories: Histories, items: int, seed: int) -> tuple[Users, Array, Array]:
        """The users that were learned from, then what `singular_vectors` gives for them."""
        if self._asked is None or self._asked[0] is not histories or self._asked[1] != seed:
            users = sample_users(histories, _MOST_PAIRS, seed)
            self._found = (users, *singular_vectors(membership(histories, items, users), seed))
            self._asked = (histories, seed)
        return self._found


@dataclass(frozen=True)
class LowRankEase:
    """Users and items seen through their first singular vectors.

    With X = U S V', the solution B = I - P diag(P)^-1, P = (X'X + penalty)^-1, becomes
    V (S^2 / (S^2 + penalty)) V' / (penalty diag(P)) off the diagonal: an inner product, whose cost
    grows with the items and not their cube.
    """

    penalty: float
    spectrum: Spectrum
    is_for_new: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return f"low-rank EASE^R, penalty {self.penalty:,.0f}"

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Projected:
        users, basis, strengths = self.spectrum.of(histories, len(items.ids), seed)
        shares = strengths**2 / (strengths**2 + self.penalty)
        left = 1 - (basis**2 * shares).sum(axis=1)
        vectors = basis * shares / np.maximum(left, 1e-3)[:, None]
        found = Projected(torch.from_numpy(vectors), torch.from_numpy(basis))
        return noted(found, users, histories)


class Projected(FactorScores):
    """The query is the sum of the basis vectors of the history's items."""

    basis: torch.Tensor

    def __init__(self, item_vectors: torch.Tensor, basis: torch.Tensor) -> None:
        super().__init__(item_vectors)
        self.register_buffer("basis", basis.float().contiguous())

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        items, is_there = padded(history)
        return (is_there.unsqueeze(1) @ self.basis[items]).squeeze(1)


def singular_vectors(matrix: sp.csr_matrix, seed: int, rank: int = _RANK) -> tuple[Array, Array]:
    """The first right singular vectors [columns, rank] and their strengths [rank].

    By randomised subspace iteration (Halko et al. 2011).
    """
    generator = torch.Generator().manual_seed(seed)
    width = min(rank + _OVERSAMPLING, *matrix.shape)
    space = torch.randn(matrix.shape[1], width, generator=generator).numpy()
    for _ in range(_POWER_STEPS):
        mapped = matrix.T @ (matrix @ space)
        space = torch.linalg.qr(torch.from_numpy(mapped)).Q.numpy()
    projected = torch.from_numpy(matrix @ space)
    _, strengths, rotation = torch.linalg.svd(projected, full_matrices=False)
    vectors = torch.from_numpy(space) @ rotation.T
    return vectors[:, :rank].numpy(), strengths[:rank].numpy()
