"""Self-attention over the latest items (Kang & McAuley 2018), with a sampled softmax."""

from __future__ import annotations

import math
from typing import ClassVar, cast

import numpy as np
import torch

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import Users, lengths_of
from tidemill_pipelines.recommending.candidates.candidate import FactorScores
from tidemill_pipelines.recommending.candidates.neural import steps_for, train

_LATEST = 32
_WIDTH = 48
_USERS = 128
_NEGATIVES = 512
"""Items that stand for all the others in one step."""
_RATE = 0.005
_FEWEST_USERS = 200
_FAR = -1e4


class Attentive(FactorScores):
    """One block; the query is what the latest item makes of those before it."""

    def __init__(self, network: Network) -> None:
        vectors = torch.cat([network.items.weight, network.bias.weight], dim=1)
        super().__init__(vectors)
        self.network = network.eval().requires_grad_(False)

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        latest = torch.nn.functional.pad(history, (0, _LATEST), value=-1)[:, :_LATEST]
        hidden = self.network(latest)[:, 0]
        return torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1)


class Network(torch.nn.Module):
    """From items [n, places], latest first, to a vector for what follows each [n, places, d]."""

    def __init__(self, items: int) -> None:
        super().__init__()
        self.items = torch.nn.Embedding(items, _WIDTH)
        self.bias = torch.nn.Embedding(items, 1)
        self.places = torch.nn.Parameter(torch.zeros(_LATEST, _WIDTH))
        self.mixed = torch.nn.Linear(_WIDTH, 3 * _WIDTH)
        self.wide = torch.nn.Linear(_WIDTH, 2 * _WIDTH)
        self.narrow = torch.nn.Linear(2 * _WIDTH, _WIDTH)
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(_WIDTH) for _ in range(3))
        torch.nn.init.normal_(self.items.weight, std=0.05)
        torch.nn.init.zeros_(self.bias.weight)
        later = torch.ones(_LATEST, _LATEST).tril(-1) * _FAR
        self.register_buffer("later", later)

    later: torch.Tensor

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        is_there = (history >= 0).float()
        inputs = self.items(history.clamp(min=0)) * is_there.unsqueeze(-1) + self.places
        query, key, value = self.mixed(self.norms[0](inputs)).chunk(3, dim=-1)
        nearness = query @ key.transpose(1, 2) / _WIDTH**0.5 + self.later
        nearness = nearness + (1 - is_there).unsqueeze(1) * _FAR
        mixed = inputs + torch.softmax(nearness, dim=-1) @ value
        corrected = mixed + self.narrow(torch.relu(self.wide(self.norms[1](mixed))))
        return self.norms[2](corrected)  # type: ignore[no-any-return]  # torch's call has no types


class SelfAttention:
    """Learns to tell the next item of each history from random ones."""

    name: ClassVar[str] = "self-attention"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        users = int((lengths_of(histories) > 1).sum())
        if users < _FEWEST_USERS:
            return f"not tried: {users} users with two items or more, needs {_FEWEST_USERS}"
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Attentive:
        torch.manual_seed(seed)
        rng, network = np.random.default_rng(seed), Network(len(items.ids))
        users, count = np.flatnonzero(lengths_of(histories) > 1), len(items.ids)
        negatives = min(count, _NEGATIVES)
        rarity = math.log(count / negatives)

        def loss() -> torch.Tensor:
            sequences = _sequences(histories, rng.choice(users, _USERS), rng)
            known, following = sequences[:, 1:], sequences[:, :-1]
            judged = (known >= 0) & (following >= 0)
            hidden, targets = network(known)[judged], following[judged]
            others = torch.from_numpy(rng.choice(count, negatives, replace=False))
            right = (hidden * network.items(targets)).sum(dim=1) + network.bias(targets)[:, 0]
            wrong = hidden @ network.items(others).T + network.bias(others).T
            wrong = wrong.masked_fill(others == targets[:, None], -math.inf) + rarity
            return cast(torch.Tensor, torch.logaddexp(right, wrong.logsumexp(dim=1)) - right).mean()

        train(network.parameters(), loss, steps_for(_operations(negatives)), _RATE)
        return Attentive(network)


def _sequences(histories: Histories, users: Users, rng: np.random.Generator) -> torch.Tensor:
    """[users, latest + 1] items up to a random place of each history, latest first."""
    longest = lengths_of(histories)[users]
    skipped = (rng.random(len(users)) * np.maximum(longest - _LATEST, 1)).astype(np.int64)
    place = skipped[:, None] + np.arange(_LATEST + 1)
    inside = place < longest[:, None]
    at = np.where(inside, histories.offsets[users][:, None] + place, 0)
    return torch.from_numpy(np.where(inside, histories.items[at], -1).astype(np.int64))


def _operations(negatives: int) -> float:
    return 3.0 * _USERS * _LATEST * _WIDTH * (negatives + 8 * _WIDTH)
