"""Histories of some users as tensors and as sparse matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories
from tidemill.recommendation.interests import FACTS

TOTAL = FACTS.index("total")
DECAYED_ONE = FACTS.index("decayed_one")
DECAYED_FOUR = FACTS.index("decayed_four")

Users = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """What a model reads of n users, padded to the longest history L, as in the ONNX graph."""

    history: torch.Tensor
    """int64 [n, L], -1 pads."""
    facts: torch.Tensor
    """float32 [n, L, FACTS], 0 pads."""
    activity: torch.Tensor
    """float32 [n, ACTIVITY]."""
    context: torch.Tensor
    """int64 [n], -1 for none."""

    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.history, self.facts, self.activity, self.context


def batch_of(histories: Histories, users: Users) -> Batch:
    """The histories of these users, positions in `histories.users`."""
    starts, lengths = histories.offsets[users], lengths_of(histories)[users]
    longest = max(int(lengths.max(initial=0)), 1)
    inside = np.arange(longest) < lengths[:, None]
    pairs = np.where(inside, starts[:, None] + np.arange(longest), 0)[inside]
    history = np.full(inside.shape, -1, np.int64)
    facts = np.zeros((*inside.shape, len(FACTS)), np.float32)
    history[inside] = histories.items[pairs]
    facts[inside] = histories.facts[pairs]
    return Batch(
        torch.from_numpy(history),
        torch.from_numpy(facts),
        torch.from_numpy(np.array(histories.activity[users])),
        torch.from_numpy(histories.contexts[users].astype(np.int64)),
    )


def batches(
    histories: Histories, users: Users, items: int, most: int = 8_000_000
) -> Iterator[tuple[Users, Batch]]:
    """Users a few at a time, so that their scores of all items are at most so many numbers."""
    step = int(np.clip(most // max(items, 1), 1, 256))
    for start in range(0, len(users), step):
        some = users[start : start + step]
        yield some, batch_of(histories, some)


def interactions(histories: Histories, items: int, users: Users | None = None) -> sp.csr_matrix:
    """[users, items], the logarithm of 1 + total interest: an item seen often says more than one
    seen once, but not as much more."""
    chosen = np.arange(len(histories)) if users is None else users
    lengths = lengths_of(histories)[chosen]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pairs = np.repeat(histories.offsets[chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
    weights = np.log1p(histories.facts[pairs, TOTAL])
    return sp.csr_matrix(
        (weights.astype(np.float32), histories.items[pairs], offsets),
        shape=(len(chosen), items),
    )


def lengths_of(histories: Histories) -> NDArray[np.int64]:
    """[n], items in each history."""
    return np.diff(histories.offsets)


def sample_users(histories: Histories, most_pairs: int, seed: int) -> Users:
    """All users, or as many random ones as together have about `most_pairs` items; sorted."""
    count, pairs = len(histories), int(histories.offsets[-1])
    if pairs <= most_pairs:
        return np.arange(count)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(count, max(count * most_pairs // pairs, 1), replace=False))


def membership(histories: Histories, items: int, users: Users | None = None) -> sp.csr_matrix:
    """[users, items], 1 where an item is in the history."""
    known = interactions(histories, items, users)
    known.data = np.ones_like(known.data)
    return known


def subset(histories: Histories, users: Users) -> Histories:
    """The histories of some users, in their order."""
    lengths = lengths_of(histories)[users]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    pairs = np.repeat(histories.offsets[users] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Histories(
        histories.cutoff,
        histories.users[users],
        offsets,
        histories.items[pairs],
        histories.facts[pairs],
        histories.activity[users],
        histories.contexts[users],
    )
