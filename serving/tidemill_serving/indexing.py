"""An index for a model: built from its item vectors, and read as widely as its queries need."""

from __future__ import annotations

import logging
import time

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    CONTEXT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
    QUERY_OUTPUT,
    VECTORS_OUTPUT,
)
from tidemill.recommendation.history import session_history
from tidemill_serving.approximate import ApproximateSearch, make_queries
from tidemill_serving.partitions import (
    Floats,
    Partitions,
    build_partitions,
    places_of_best,
    reach_of,
)
from tidemill_serving.recommender_model import Inputs, RecommenderModel, probe

logger = logging.getLogger("tidemill.serving")

SMALLEST = 20_000
"""Items from which an index can be faster than the whole graph."""
_RECALL = 0.95
"""Share of the best items that is found when the index is tried: with users of a few interests, who
are harder to search for than those with long histories."""
_TRIED = 64
_INTERESTS, _ITEMS_EACH = 4, 3
_LARGEST_SHARE = 0.125
"""Of all items, read for one list; with more the whole graph is as fast."""


def build_index(model: RecommenderModel) -> ApproximateSearch | None:
    """Seconds for a million items. None when an index would not pay; the log says why."""
    refusal = _refusal(model)
    if refusal is None:
        started = time.perf_counter()
        partitions = build_partitions(_item_vectors(model), model.metadata.seed)
        _give_back(model)
        width = width_of(partitions, _trial_queries(model, partitions), model.metadata.count)
        share = width / len(partitions.items)
        if share <= _LARGEST_SHARE:
            seconds = time.perf_counter() - started
            logger.info(
                "%s %s: index of %d items built in %.1f s; a list reads %.1f%% of them",
                *(model.name, model.version, len(partitions.items), seconds, 100 * share),
            )
            return ApproximateSearch(model, partitions, width)
        refusal = f"an index would have to read {share:.0%} of the items for one list"
    logger.warning("%s %s: searched exactly: %s", model.name, model.version, refusal)
    return None


def width_of(partitions: Partitions, queries: Floats, count: int) -> int:
    """Items to read so that `_RECALL` of the best `count` of each of `queries` [n, d] are found."""
    reach = reach_of(partitions.sizes)
    widths = [_widths(partitions, query, reach, count) for query in queries]
    return int(np.quantile(np.concatenate(widths), _RECALL, method="higher"))


def _widths(partitions: Partitions, query: Floats, reach: Floats, count: int) -> NDArray[np.int64]:
    """How many items are read until each of the best `count` is."""
    best = places_of_best(partitions.vectors @ query, count)
    ranked = partitions.ranked(query, reach)
    read = np.empty(len(ranked), dtype=np.int64)
    read[ranked] = np.cumsum(partitions.sizes[ranked])
    return read[partitions.partition_of[partitions.items[best]]]


def _refusal(model: RecommenderModel) -> str | None:
    items = len(model.metadata.items)
    if not model.metadata.is_factored:
        return f"the model '{model.metadata.model}' does not rank by an inner product"
    if items < SMALLEST:
        return f"an index pays from {SMALLEST} items on, found {items}"
    return None


def _item_vectors(model: RecommenderModel) -> Floats:
    count = np.ones(1, dtype=np.int64)
    (vectors,) = model.run([VECTORS_OUTPUT], {**probe(len(model.metadata.items)), "k": count}, None)
    return np.asarray(vectors, dtype=np.float32)


def _give_back(model: RecommenderModel) -> None:
    """What the session keeps of its largest output for the next time; there is none."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    count = np.zeros(1, dtype=np.int64)
    model.run([QUERY_OUTPUT], {**probe(len(model.metadata.items)), "k": count}, options)


def _trial_queries(model: RecommenderModel, partitions: Partitions) -> Floats:
    """[n, d], of people who have looked at a few items of a few partitions."""
    rng = np.random.default_rng(model.metadata.seed)
    queries, _ = make_queries(model, _sessions(partitions, rng))
    return queries


def _sessions(partitions: Partitions, rng: np.random.Generator) -> Inputs:
    longest = _INTERESTS * _ITEMS_EACH
    history = np.full((_TRIED, longest), -1, dtype=np.int64)
    for row in history:
        interests = rng.integers(len(partitions.items), size=rng.integers(1, _INTERESTS + 1))
        items = np.concatenate([_near(partitions, item, rng) for item in interests])
        distinct = np.unique(items)
        row[: len(distinct)] = rng.permutation(distinct)
    model_of = [session_history([str(item) for item in row if item >= 0]) for row in history]
    facts = np.zeros((_TRIED, longest, model_of[0].facts.shape[1]), dtype=np.float32)
    for at, session in enumerate(model_of):
        facts[at, : len(session.items)] = session.facts
    return {
        HISTORY: history,
        FACTS_INPUT: facts,
        ACTIVITY_INPUT: np.stack([session.activity for session in model_of]),
        CONTEXT: np.full(_TRIED, -1, dtype=np.int64),
        EXCLUDED: np.full((_TRIED, 1), -1, dtype=np.int64),
    }


def _near(partitions: Partitions, item: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """An item and some others of its partition."""
    home = partitions.partition_of[item]
    rows = rng.integers(partitions.starts[home], partitions.starts[home + 1], _ITEMS_EACH - 1)
    return np.append(partitions.items[rows], item)
