"""Runs an exported recommender over histories, whatever items it knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

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
from tidemill.recommendation.histories import Histories, ItemTable

_CELLS = 2**24
"""Users times items in one run: 64 MB for each array of scores."""
_MOST_USERS = 512


@dataclass(frozen=True)
class Lists:
    """What is offered, best first."""

    items: NDArray[np.int64]
    """[n, k], positions in the item table, -1 where there is nothing more."""
    scores: NDArray[np.float32]
    """[n, k], 0 where there is nothing."""


class Ranker:
    """One graph that answers in positions of an item table other than its own, perhaps."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        table: ItemTable,
        items: Sequence[str],
        contexts: Sequence[str],
    ) -> None:
        """`items` and `contexts` are what positions mean to the graph. Items of the table that it
        does not know are never offered, and its others are not allowed."""
        self._session = session
        self._to_model = _positions(table.ids, items)
        self._context_to_model = _positions(table.contexts, contexts)
        self._to_table = _positions(items, table.ids)

    def top(
        self,
        histories: Histories,
        count: int,
        *,
        only_new: bool = False,
        as_strangers: bool = False,
    ) -> Lists:
        """The best `count` items for every user.

        With `only_new` nothing of the user's history is offered; with `as_strangers` nothing is
        known of anybody but the context.
        """
        step = max(1, min(_MOST_USERS, _CELLS // len(self._to_table)))
        found = [
            self._run(self._feeds(histories, slice(at, at + step), only_new, as_strangers), count)
            for at in range(0, len(histories), step)
        ]
        items = np.concatenate([item for item, _ in found])
        places = self._to_table[items]
        return Lists(places, np.concatenate([score for _, score in found]))

    def _run(self, feeds: dict[str, NDArray[Any]], count: int) -> list[NDArray[Any]]:
        wanted = {**feeds, COUNT: np.array([count])}
        item, score = self._session.run([ITEM_OUTPUT, SCORE_OUTPUT], wanted)
        short = ((0, 0), (0, count - item.shape[1]))
        return [np.pad(item, short, constant_values=-1), np.pad(score, short)]

    def _feeds(
        self, histories: Histories, users: slice, only_new: bool, as_strangers: bool
    ) -> dict[str, NDArray[Any]]:
        history, facts = self._known_part(histories, users)
        activity = np.asarray(histories.activity[users], np.float32)
        excluded = history if only_new else history[:, :0]
        if histories.excluded is not None:
            struck = padded(histories.excluded.offsets, users)
            denied = self._to_model[filled(histories.excluded.items, struck, -1)]
            excluded = np.concatenate([excluded, denied], axis=1)
        if as_strangers:
            history, facts, activity = history[:, :0], facts[:, :0], np.zeros_like(activity)
        return {
            HISTORY: history,
            FACTS_INPUT: facts,
            ACTIVITY_INPUT: activity,
            CONTEXT: self._context_to_model[histories.contexts[users]],
            ALLOWED: (self._to_table[:-1] >= 0)[None],
            EXCLUDED: excluded,
        }

    def _known_part(
        self, histories: Histories, users: slice
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Histories and facts without items that the graph does not know."""
        places = padded(histories.offsets, users)
        history = self._to_model[filled(histories.items, places, -1)]
        order = np.argsort(history < 0, axis=1, kind="stable")
        order = order[:, : int((history >= 0).sum(axis=1).max(initial=0))]
        places = np.take_along_axis(places, order, axis=1)
        history = np.take_along_axis(history, order, axis=1)
        facts = filled(histories.facts, places, 0) * (history >= 0)[..., None]
        return history, facts.astype(np.float32)


def padded(offsets: NDArray[np.int64], users: slice) -> NDArray[np.int64]:
    """Positions of the entries of some users' lists, [users, longest], -1 behind each list."""
    starts, ends = offsets[:-1][users], offsets[1:][users]
    places = starts[:, None] + np.arange((ends - starts).max(initial=0))
    return np.asarray(np.where(places < ends[:, None], places, -1), np.int64)


def filled(values: NDArray[Any], places: NDArray[np.int64], otherwise: int) -> NDArray[Any]:
    """The values at `places` of an array, `otherwise` where a place is -1."""
    is_there = (places >= 0).reshape(places.shape + (1,) * (values.ndim - 1))
    return np.where(is_there, values[np.maximum(places, 0)], otherwise)


def _positions(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Where each text is in `known`, -1 where it is not; one more -1 for position -1."""
    place = {text: position for position, text in enumerate(known)}
    return np.array([*(place.get(text, -1) for text in texts), -1], np.int64)
