"""A denoising autoencoder with a multinomial likelihood, Mult-DAE (Liang et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import membership, sample_users
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, noted, padded
from tidemill_pipelines.recommending.candidates.neural import FEWEST_STEPS, steps_for, train

_MOST_PAIRS = 5_000_000
_HIDDEN = 64
_USERS = 256
_KEPT = 0.5
_RATE = 0.01


class Autoencoded(FactorScores):
    """One hidden layer; the last row of the decoder is each item's bias."""

    def __init__(self, encoder: torch.Tensor, bias: torch.Tensor, decoder: torch.Tensor) -> None:
        """`encoder` [items, hidden], `bias` [hidden], `decoder` [items, hidden + 1]."""
        super().__init__(decoder)
        self.register_buffer("encoder", encoder.detach())
        self.register_buffer("bias", bias.detach())

    encoder: torch.Tensor
    bias: torch.Tensor

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        items, is_there = padded(history)
        size = is_there.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        known = ((is_there / size).unsqueeze(1) @ self.encoder[items]).squeeze(1)
        hidden = torch.tanh(known + self.bias)
        return torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1)


class MultDae:
    """Learns to restore histories of which half is hidden."""

    name: ClassVar[str] = "Mult-DAE"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        if steps_for(_operations(len(items.ids))) < FEWEST_STEPS:
            return f"not tried: a step over all of {len(items.ids):,} items costs too much"
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Autoencoded:
        users = sample_users(histories, _MOST_PAIRS, seed)
        known = membership(histories, len(items.ids), users)
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        count = len(items.ids)
        encoder = torch.randn(count, _HIDDEN, generator=generator).mul_(0.1).requires_grad_()
        decoder = torch.randn(count, _HIDDEN + 1, generator=generator).mul_(0.05).requires_grad_()
        bias = torch.zeros(_HIDDEN, requires_grad=True)

        def loss() -> torch.Tensor:
            some = torch.from_numpy(known[rng.integers(0, len(users), _USERS)].toarray())
            kept = some * (torch.rand(some.shape, generator=generator) < _KEPT)
            size = kept.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
            hidden = torch.tanh((kept / size) @ encoder + bias)
            chances = torch.log_softmax(hidden @ decoder[:, :-1].T + decoder[:, -1], dim=1)
            return -(chances * some).sum(dim=1).mean()

        train([encoder, bias, decoder], loss, steps_for(_operations(count)), _RATE)
        return noted(Autoencoded(encoder, bias, decoder), users, histories)


def _operations(items: int) -> float:
    return 6.0 * _USERS * items * _HIDDEN
