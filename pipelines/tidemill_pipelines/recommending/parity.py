"""Whether the exported graph gives what torch gives, over requests of every shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.errors import BundleError
from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    ALLOWED,
    CONTEXT,
    COUNT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
    ITEM_OUTPUT,
    SCORE_OUTPUT,
)
from tidemill.recommendation.interests import ACTIVITY, FACTS
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.recommending.graph import with_end

Feeds = dict[str, NDArray[Any]]
_PARITY = 1e-5
_SHAPES = ((1, 0, 0), (1, 1, 1), (2, 7, 3), (5, 40, 60))
"""Users, items of their histories, exclusions."""


@dataclass(frozen=True)
class Recommender:
    """What a graph was exported from."""

    module: torch.nn.Module
    items: int
    contexts: int
    values: NDArray[np.float32] | None
    repeats: bool


def largest_difference(recommender: Recommender, path: Path, seed: int = 0) -> float:
    """Largest |torch - ONNX| of any score, in units of the largest item value.

    Requests without history, of one user, with nothing allowed and with more asked for than there
    is are among them. Raises BundleError above 1e-5, or where an item may not stand.
    """
    session = open_session(path)
    scale = 1.0 if recommender.values is None else max(float(np.abs(recommender.values).max()), 1.0)
    gaps = []
    for feeds in _requests(recommender, np.random.default_rng(seed)):
        item, score = session.run([ITEM_OUTPUT, SCORE_OUTPUT], feeds)
        gaps.append(_difference(expected_scores(recommender, feeds), item, score) / scale)
    worst = float(np.max(gaps))
    if not worst <= _PARITY:
        raise BundleError(f"ONNX and torch differ by {worst:.2e}, more than {_PARITY:.0e}")
    return worst


def expected_scores(recommender: Recommender, feeds: Feeds) -> NDArray[np.float64]:
    """[n, items]: what each item's score should be, -inf where it may not be offered."""
    names = (HISTORY, FACTS_INPUT, ACTIVITY_INPUT, CONTEXT)
    history, facts, *others = (torch.from_numpy(feeds[name]) for name in names)
    with torch.inference_mode():
        logits = recommender.module.eval()(*with_end(history, facts), *others)
    scores: NDArray[np.float64] = torch.sigmoid(logits.double()).numpy()
    if recommender.values is not None:
        scores = scores * recommender.values
    scores[~np.broadcast_to(feeds[ALLOWED], scores.shape)] = -np.inf
    struck = [feeds[EXCLUDED]] if recommender.repeats else [feeds[EXCLUDED], feeds[HISTORY]]
    for user, places in enumerate(np.concatenate(struck, axis=1)):
        scores[user, places[places >= 0]] = -np.inf
    return scores


def _difference(
    expected: NDArray[np.float64], item: NDArray[np.int64], score: NDArray[np.float32]
) -> float:
    """Infinite where the choice itself is wrong; equal scores may come in any order."""
    best = -np.sort(-expected, axis=1)[:, : item.shape[1]]
    is_found = np.isfinite(best)
    if item.shape != best.shape or not np.array_equal(item >= 0, is_found):
        return np.inf
    named = np.take_along_axis(expected, np.maximum(item, 0), axis=1)
    if any(len(set(row[row >= 0])) < (row >= 0).sum() for row in item) or (score[~is_found]).any():
        return np.inf
    gaps = np.stack([np.abs(best - score), np.abs(named - score)])[:, is_found]
    return float(gaps.max(initial=0.0))


def _requests(recommender: Recommender, rng: np.random.Generator) -> Iterator[Feeds]:
    items = recommender.items
    for users, length, struck in _SHAPES:
        for masks, share in ((1, 1.0), (users, 0.5), (1, 0.0)):
            history = _places(rng, users, length, items)
            facts = _sums_and_ages(rng, (users, length), len(FACTS)) * (history >= 0)[..., None]
            yield {
                HISTORY: history,
                FACTS_INPUT: facts.astype(np.float32),
                ACTIVITY_INPUT: _sums_and_ages(rng, (users,), len(ACTIVITY)),
                CONTEXT: rng.integers(-1, recommender.contexts, users),
                ALLOWED: rng.random((masks, items)) < share,
                EXCLUDED: _places(rng, users, struck, items),
                COUNT: rng.choice([1, 3, items, items + 5], 1),
            }


def _sums_and_ages(
    rng: np.random.Generator, shape: tuple[int, ...], width: int
) -> NDArray[np.float32]:
    """Facts or activity as they may be: sums, then days since the last and since the first."""
    found = rng.lognormal(0, 2, (*shape, width))
    first = np.floor(rng.lognormal(3, 2, shape))
    found[..., -2], found[..., -1] = np.floor(first * rng.random(shape)), first
    return found.astype(np.float32)


def _places(rng: np.random.Generator, users: int, length: int, items: int) -> NDArray[np.int64]:
    """Distinct positions for each user, up to `length` of them and then -1."""
    places = np.full((users, length), -1, np.int64)
    for row in places:
        count = rng.integers(0, min(length, items) + 1)
        row[:count] = rng.choice(items, count, replace=False)
    return places
