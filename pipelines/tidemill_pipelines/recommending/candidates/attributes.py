"""Likeness of items by their attributes: the only thing known about an item without users."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.candidates.batches import TOTAL
from tidemill_pipelines.recommending.candidates.candidate import FactorScores, padded
from tidemill_pipelines.recommending.candidates.ease import singular_vectors

_BUCKETS = 1 << 15
_PIECE = 4
_WORDS = re.compile(r"\w+")
_FEWEST = 2
"""Items that a word must be on before it says that two are alike."""


class Alike(FactorScores):
    """Inner product with the mean of the history's items, each by how much interest there was."""

    def query(
        self,
        history: torch.Tensor,
        facts: torch.Tensor,
        activity: torch.Tensor,
        context: torch.Tensor,
    ) -> torch.Tensor:
        items, is_there = padded(history)
        weights = torch.log1p(facts[..., TOTAL]) * is_there
        shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-6)
        return (shares.unsqueeze(1) @ self.item_vectors[items]).squeeze(1)


class Attributes:
    """Values, words and pieces of words, weighed by rarity and compressed to few dimensions.

    Hashed (Weinberger et al. 2009), weighed by tf-idf, then latent semantic analysis (Deerwester
    et al. 1990): nothing is downloaded, and no language is assumed.
    """

    name: ClassVar[str] = "attributes"
    is_for_new: ClassVar[bool] = True

    def refusal(self, histories: Histories, items: ItemTable) -> str | None:
        if not any(len(set(values) - {None}) > 1 for values in items.attributes.values()):
            return "not tried: items have no attributes to tell them apart"
        return None

    def fit(self, histories: Histories, items: ItemTable, seed: int) -> Alike:
        described = _described(items)
        basis, _ = singular_vectors(described, seed, rank=48)
        vectors = described @ basis
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return Alike(torch.from_numpy(vectors / np.maximum(norms, 1e-6)))


def _described(items: ItemTable) -> sp.csr_matrix:
    """[items, buckets], tf-idf with rows of length 1 for each attribute."""
    parts = [
        _weighed(_tokens_of_each(values))
        for values in items.attributes.values()
        if len(set(values) - {None}) > 1
    ]
    return sp.hstack(parts).tocsr()


def _weighed(tokens: list[Counter[int]]) -> sp.csr_matrix:
    row = np.repeat(np.arange(len(tokens)), [len(each) for each in tokens])
    column = np.array([token for each in tokens for token in each], np.int64)
    times = np.array([n for each in tokens for n in each.values()], np.float32)
    having = np.bincount(column, minlength=_BUCKETS)
    rarity = np.log(len(tokens) / np.maximum(having, 1)) * (having >= _FEWEST)
    weights = np.log1p(times) * rarity[column]
    norms = np.sqrt(np.bincount(row, weights**2, minlength=len(tokens)))
    scaled = (weights / np.maximum(norms[row], 1e-6)).astype(np.float32)
    return sp.csr_matrix((scaled, (row, column)), shape=(len(tokens), _BUCKETS))


def _tokens_of_each(values: Sequence[str | None]) -> list[Counter[int]]:
    distinct = {value: _tokens(value) for value in set(values)}
    return [distinct[value] for value in values]


def _tokens(value: str | None) -> Counter[int]:
    """Buckets of the whole value, its words and their pieces."""
    if value is None:
        return Counter()
    return Counter(zlib.crc32(text.encode()) % _BUCKETS for text in _texts(value.lower()))


def _texts(value: str) -> Iterator[str]:
    yield "=" + value
    for word in _WORDS.findall(value):
        yield word
        yield from (word[start : start + _PIECE] for start in range(len(word) - _PIECE))
