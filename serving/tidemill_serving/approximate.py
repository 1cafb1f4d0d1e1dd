"""Approximate search: the graph makes the queries, an index over the item vectors answers them.

An answer is approximate in one respect only: an item that is new to the user may be missing from
it. What is filtered out or excluded, and the items of the user's own history, are treated exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.bundle import (
    ALLOWED,
    COUNT,
    EXCLUDED,
    HISTORY,
    QUERY_OUTPUT,
    REPEAT_OUTPUT,
)
from tidemill_serving.merging import Asked, merge_users
from tidemill_serving.partitions import Floats, Partitions, places_of_best, reach_of
from tidemill_serving.recommender_model import Found, Inputs, RecommenderModel

_MOST_ROWS = 4
"""Few: users gain little from each other in an index, and all of them wait for the last."""
_MOST_MASKS = 16
_SPREAD = 4
"""A filter that leaves so many times the items read for one list is read whole, one item at a time;
that costs no more than reading the partitions they are spread over."""
_LARGEST_SHARE = 0.25
"""Of all items; to read more costs more than the whole graph."""
_PAIR = [QUERY_OUTPUT, REPEAT_OUTPUT]

_NONE = np.zeros(1, dtype=np.int64)

Items = NDArray[np.int64]


class _User(NamedTuple):
    """One row of the graph's inputs and outputs."""

    query: Floats
    repeat: Floats
    history: Items
    excluded: Items


class Mask(NamedTuple):
    """What is allowed, and how it lies in the partitions."""

    source: NDArray[np.bool_]
    """The array it was made of."""
    allowed: NDArray[np.bool_]
    """[I]."""
    counts: Items
    """[P], allowed items of each partition."""
    reach: Floats
    """[P]."""
    total: int


class ApproximateSearch:
    """Reads the partitions where a query's best items are expected, and no others."""

    most_rows = _MOST_ROWS

    def __init__(self, model: RecommenderModel, partitions: Partitions, width: int) -> None:
        """`width` is how many allowed items are read for a list of the objective's own length."""
        self._model = model
        self._partitions = partitions
        self.width = width
        self._masks: tuple[Mask, ...] = ()

    def search(self, asked: Sequence[Asked]) -> list[Found]:
        """The best items for each request, as if it were the only one."""
        near = [each for each in asked if self._pays(each.k)]
        found = iter(self._search(near) if near else [])
        return [
            next(found) if self._pays(each.k) else self._model.search(each.inputs, each.k)
            for each in asked
        ]

    def _pays(self, count: int) -> bool:
        """Whether fewer items are read for a list of `count` than the whole graph would."""
        return self._width_for(count) <= _LARGEST_SHARE * len(self._partitions.items)

    def _width_for(self, count: int) -> int:
        length = self._model.metadata.count
        return self.width * max(count, length) // length

    def _search(self, asked: Sequence[Asked]) -> list[Found]:
        users = merge_users(asked)
        query, repeat = make_queries(self._model, users)
        rows = map(_User, query, repeat, users[HISTORY], users[EXCLUDED])
        return [self._answer(each, list(islice(rows, each.rows))) for each in asked]

    def _answer(self, asked: Asked, users: list[_User]) -> Found:
        item = np.full((len(users), asked.k), -1, dtype=np.int64)
        score = np.zeros((len(users), asked.k), dtype=np.float32)
        masks = asked.inputs[ALLOWED]
        for at, user in enumerate(users):
            mask = self._common(masks) if len(masks) == 1 else self._counted(masks[at])
            items, logits = self._best(user, mask, asked.k)
            item[at, : len(items)] = items
            score[at, : len(items)] = (1 + np.tanh(logits / 2)) / 2
        return Found(item, score)

    def _best(self, user: _User, mask: Mask, count: int) -> tuple[Items, Floats]:
        """Up to `count` items with their log odds, best first."""
        barred = {*user.history.tolist(), *user.excluded.tolist()}
        items, logits = self._likely(user.query, mask, count, count + len(barred))
        is_new = [item not in barred for item in items.tolist()]
        keep = mask.allowed[items] & is_new
        items, logits = items[keep], logits[keep]
        if self._model.metadata.repeats:
            struck = user.excluded.tolist()
            is_open = [item >= 0 and item not in struck for item in user.history.tolist()]
            own = mask.allowed[user.history] & is_open
            items = np.concatenate((items, user.history[own]))
            logits = np.concatenate((logits, user.repeat[own]))
        best = np.argsort(-logits, kind="stable")[:count]
        return items[best], logits[best]

    def _likely(self, query: Floats, mask: Mask, count: int, wanted: int) -> tuple[Items, Floats]:
        """About `wanted` items whose inner product with `query` is large, allowed ones first."""
        width = max(self._width_for(count), wanted)
        if mask.total <= _SPREAD * width:
            return self._among(np.flatnonzero(mask.allowed), query, wanted)
        partitions = self._partitions
        ranked = partitions.ranked(query, mask.reach)
        read = ranked[: int(np.searchsorted(np.cumsum(mask.counts[ranked]), width)) + 1]
        logits = partitions.scores(query, read)
        if mask.total < len(mask.allowed):
            everything = partitions.items_of(read, np.arange(len(logits)))
            logits[~mask.allowed[everything]] = -np.inf
        places = places_of_best(logits, wanted)
        return partitions.items_of(read, places), logits[places]

    def _among(self, items: Items, query: Floats, wanted: int) -> tuple[Items, Floats]:
        """The `wanted` of `items` with the largest inner products; every one is looked at."""
        logits = self._partitions.vectors[self._partitions.rows[items]] @ query
        places = places_of_best(logits, wanted)
        return items[places], logits[places]

    def _common(self, masks: NDArray[np.bool_]) -> Mask:
        """The mask of all users of a request, which many requests share: the same array."""
        for mask in self._masks:
            if mask.source is masks:
                return mask
        mask = self._counted(masks[0])._replace(source=masks)
        self._masks = (mask, *self._masks[: _MOST_MASKS - 1])
        return mask

    def _counted(self, allowed: NDArray[np.bool_]) -> Mask:
        items = np.flatnonzero(allowed)
        counts = self._partitions.counts(items)
        return Mask(allowed, allowed, counts, reach_of(counts), len(items))


def make_queries(model: RecommenderModel, users: Inputs) -> tuple[Floats, Floats]:
    """Queries [n, d] and log odds of the histories' own items [n, L]; ranks nothing."""
    nothing = np.empty((0, len(model.metadata.items)), dtype=np.bool_)
    parts = [
        model.run(_PAIR, {**part, ALLOWED: nothing, COUNT: _NONE}, None)
        for part in model.parts(users)
    ]
    query, repeat = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return query, repeat
