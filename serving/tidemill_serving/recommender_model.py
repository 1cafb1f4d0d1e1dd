"""One recommender bundle, loaded, checked and warm.

Inputs and outputs of its graph are described in tidemill.recommendation.bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
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
    RecommenderMetadata,
)
from tidemill.recommendation.interests import ACTIVITY, FACTS

_WARM_UP_RUNS = 3
_OUTPUTS = [ITEM_OUTPUT, SCORE_OUTPUT]
_CELLS_PER_RUN = 2**25
"""Users times items scored at once: 128 MB for each intermediate result of the graph."""
_PLACES_PER_RUN = 2**14
"""Users times places of the longest history read at once. A place may take kilobytes inside the
graph; runs that fit the processor's cache are faster besides."""
COMMON_LENGTH = 50
"""Places of a history."""

Inputs = Mapping[str, NDArray[Any]]


class Found(NamedTuple):
    """The best items of some users."""

    item: NDArray[np.int64]
    """[n, k], positions in the model's items, best first; -1 where nothing more is allowed."""
    score: NDArray[np.float32]
    """[n, k], 0 where item is -1."""


@dataclass(frozen=True)
class RecommenderModel:
    """A bundle that has answered once. `search` may be called from any thread."""

    name: str
    version: str
    metadata: RecommenderMetadata
    run: Callable[..., Any]
    """The session's native run. Its Python wrapper checks again what the warm-up has shown."""

    @cached_property
    def positions(self) -> dict[str, int]:
        return {item: position for position, item in enumerate(self.metadata.items)}

    @cached_property
    def contexts(self) -> dict[str, int]:
        return {context: position for position, context in enumerate(self.metadata.contexts)}

    @cached_property
    def names(self) -> NDArray[np.object_]:
        """Item ids by position; the last is empty and stands for position -1."""
        return np.array([*self.metadata.items, ""], dtype=np.object_)

    @property
    def rows_per_run(self) -> int:
        """Users with histories of common length that are scored at once."""
        return self._rows_per_run(COMMON_LENGTH)

    def search(self, inputs: Inputs, count: int) -> Found:
        """The best `count` items of each row of the graph's `inputs`, all but `k`."""
        found = [self._search(part, count) for part in self.parts(inputs)]
        if len(found) == 1:
            return found[0]
        return Found(*(np.concatenate(columns) for columns in zip(*found, strict=True)))

    def parts(self, inputs: Inputs) -> list[Inputs]:
        """The inputs of as many users at a time as may be in one run."""
        rows, length = inputs[HISTORY].shape
        step = self._rows_per_run(length)
        if rows <= step:
            return [inputs]
        return [select_rows(inputs, slice(at, at + step)) for at in range(0, rows, step)]

    def _rows_per_run(self, length: int) -> int:
        items = len(self.metadata.items)
        return max(1, min(_CELLS_PER_RUN // items, _PLACES_PER_RUN // max(length, 1)))

    def _search(self, inputs: Inputs, count: int) -> Found:
        feed = {**inputs, COUNT: np.array([count], dtype=np.int64)}
        return Found(*self.run(_OUTPUTS, feed, None))


def select_rows(inputs: Inputs, rows: slice | list[int]) -> dict[str, NDArray[Any]]:
    """The inputs of some users; what is allowed for all alike stays as it is."""
    return {
        name: values if name == ALLOWED and len(values) == 1 else values[rows]
        for name, values in inputs.items()
    }


def load_recommender(
    session: Any, metadata: RecommenderMetadata, name: str, version: str, path: Path
) -> RecommenderModel:
    """The model in an open session. Raises BundleError when it cannot serve."""
    model = RecommenderModel(name, version, metadata, session._sess.run)
    if not metadata.items:
        raise BundleError(
            f"{path} has no items to offer", hint="retrain with `tidemill train OBJECTIVE`"
        )
    _warm_up(model, path)
    # Made here rather than by the first request, which would wait a second for a million items.
    _ = model.positions, model.contexts, model.names
    return model


def _warm_up(model: RecommenderModel, path: Path) -> None:
    """The first run allocates; do it before traffic, and refuse a model that answers nonsense."""
    count = min(model.metadata.count, len(model.metadata.items))
    try:
        for _ in range(_WARM_UP_RUNS):
            found = model.search(probe(len(model.metadata.items)), count)
    except Exception as error:  # ONNX Runtime has no common exception class
        raise BundleError(
            f"{path} cannot choose among {len(model.metadata.items)} items: {error}",
            hint="retrain with `tidemill train OBJECTIVE`",
        ) from error
    is_whole = found.item.shape == found.score.shape == (2, count) and found.item[0].min() >= 0
    if not is_whole or not np.isfinite(found.score).all():
        raise BundleError(
            f"{path}: items {found.item.tolist()} with scores {found.score.tolist()} for a user "
            f"without and one with a history, expected {count} each with finite scores",
            hint="retrain with `tidemill train OBJECTIVE`",
        )


def probe(items: int) -> dict[str, NDArray[Any]]:
    """Somebody of whom nothing is known, and somebody with one item."""
    facts = np.zeros((2, 1, len(FACTS)), dtype=np.float32)
    facts[1] = 1
    return {
        HISTORY: np.array([[-1], [0]], dtype=np.int64),
        FACTS_INPUT: facts,
        ACTIVITY_INPUT: np.zeros((2, len(ACTIVITY)), dtype=np.float32),
        CONTEXT: np.full(2, -1, dtype=np.int64),
        ALLOWED: np.ones((1, items), dtype=np.bool_),
        EXCLUDED: np.full((2, 1), -1, dtype=np.int64),
    }
