"""A factored recommender whose graph is the real one, over item vectors that lie in clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import recommender_kit
import torch
from numpy.typing import NDArray

from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    ALLOWED,
    CONTEXT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
)
from tidemill.recommendation.interests import ACTIVITY, FACTS
from tidemill_pipelines.recommending.graph import export_recommender
from tidemill_serving.merging import Asked
from tidemill_serving.recommender_model import RecommenderModel
from tidemill_serving.sessions import open_session

ITEMS = 25_000
WIDTH = 16
EVERYTHING = np.ones((1, ITEMS), dtype=np.bool_)


class Factors(torch.nn.Module):
    """The query is the mean vector of the history; own items are as likely as their last fact."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        super().__init__()
        self.register_buffer("item_vectors", torch.from_numpy(vectors))

    def query(self, history: Any, facts: Any, activity: Any, context: Any) -> Any:
        weight = (history >= 0).float().unsqueeze(-1)
        found = self.item_vectors[history.clamp(min=0)] * weight
        unused = 0 * (facts.sum() + activity.sum() + context.sum())
        return found.sum(1) / (1 + weight.sum(1)) + unused

    def repeat(self, history: Any, facts: Any, activity: Any) -> Any:
        return facts[..., 0] + 0 * history + 0 * activity.sum()


def vectors(clusters: int = 300, seed: int = 0) -> NDArray[np.float32]:
    """[ITEMS, WIDTH]; with 0 clusters in no order at all."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(ITEMS, WIDTH))
    if clusters:
        centres = 3 * rng.normal(size=(clusters, WIDTH))
        drawn = centres[rng.integers(clusters, size=ITEMS)] + drawn
    return (drawn / 4).astype(np.float32)


def open_model(folder: Path, repeats: bool = True, **changes: Any) -> RecommenderModel:
    """The exported graph in a session; `clusters` as in `vectors`."""
    path = folder / "factored.onnx"
    found = vectors(changes.pop("clusters", 300))
    export_recommender(
        Factors(found),
        items=ITEMS,
        values=None,
        repeats=repeats,
        is_factored=True,
        path=path,
    )
    names = tuple(f"i{number}" for number in range(ITEMS))
    fields = {"items": names, "contexts": (), "is_factored": True, "repeats": repeats, "count": 20}
    metadata = recommender_kit.metadata(**{**fields, **changes})
    return RecommenderModel("factored", "1", metadata, open_session(path)._sess.run)


def ask(
    *histories: list[int],
    k: int = 20,
    allowed: NDArray[np.bool_] = EVERYTHING,
    excluded: list[list[int]] | None = None,
    interest: float = -50.0,
) -> Asked:
    """A request for users with these histories; `interest` is the log odds of their own items."""
    longest = max(1, *map(len, histories))
    struck = excluded or [[] for _ in histories]
    widest = max(1, *map(len, struck))
    facts = np.full((len(histories), longest, len(FACTS)), interest, dtype=np.float32)
    inputs = {
        HISTORY: np.array([row + [-1] * (longest - len(row)) for row in histories]),
        FACTS_INPUT: facts,
        ACTIVITY_INPUT: np.ones((len(histories), len(ACTIVITY)), dtype=np.float32),
        CONTEXT: np.full(len(histories), -1),
        EXCLUDED: np.array([row + [-1] * (widest - len(row)) for row in struck]),
        ALLOWED: allowed,
    }
    return Asked(inputs, k)


def some_histories(count: int, seed: int = 1) -> list[list[int]]:
    """Each of a few items that lie near each other."""
    rng = np.random.default_rng(seed)
    found = vectors()
    anchors = rng.integers(ITEMS, size=count)
    return [np.argsort(-(found @ found[anchor]))[:8].tolist() for anchor in anchors]
