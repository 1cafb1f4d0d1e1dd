"""Requests of one model put together for one run of its graph, and their answers taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    ALLOWED,
    CONTEXT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
)
from tidemill.recommendation.caps import Cap
from tidemill_serving.recommender_model import (
    COMMON_LENGTH,
    Found,
    Inputs,
    RecommenderModel,
    probe,
    select_rows,
)


class Asked(NamedTuple):
    """One request."""

    inputs: Inputs
    """Of the graph, all but `k`."""
    k: int
    """Items of each list."""
    caps: Sequence[Cap] = ()

    @property
    def rows(self) -> int:
        return len(self.inputs[HISTORY])


def example_of(model: RecommenderModel) -> Asked:
    """What one user with a history of common length might ask."""
    items = len(model.metadata.items)
    one = select_rows(probe(items), [1])
    history = np.full((1, COMMON_LENGTH), -1, dtype=np.int64)
    history[0, :items] = np.arange(min(items, COMMON_LENGTH))
    facts = np.ones((1, COMMON_LENGTH, one[FACTS_INPUT].shape[2]), dtype=np.float32)
    return Asked({**one, HISTORY: history, FACTS_INPUT: facts}, min(model.metadata.count, items))


def merge(asked: Sequence[Asked]) -> Asked:
    """One request whose rows are those of `asked` in their order; at least one."""
    if len(asked) == 1:
        return asked[0]
    return Asked(
        {**merge_users(asked), ALLOWED: _merge_allowed(asked)}, max(each.k for each in asked)
    )


def merge_users(asked: Sequence[Asked]) -> dict[str, NDArray[Any]]:
    """The inputs that are about users alone: all but what is allowed."""
    return {
        HISTORY: _stacked(asked, HISTORY, -1),
        FACTS_INPUT: _stacked(asked, FACTS_INPUT, 0),
        ACTIVITY_INPUT: np.concatenate([each.inputs[ACTIVITY_INPUT] for each in asked]),
        CONTEXT: np.concatenate([each.inputs[CONTEXT] for each in asked]),
        EXCLUDED: _stacked(asked, EXCLUDED, -1),
    }


def split(found: Found, asked: Sequence[Asked]) -> list[Found]:
    """To each request its rows, and of these as many items as it wanted."""
    if len(asked) == 1:
        return [found]
    parts = []
    at = 0
    for each in asked:
        rows = slice(at, at + each.rows)
        parts.append(Found(found.item[rows, : each.k], found.score[rows, : each.k]))
        at += each.rows
    return parts


def _stacked(asked: Sequence[Asked], name: str, filler: int) -> NDArray[Any]:
    """Arrays [n, width, ...] below each other, the narrower ones filled up."""
    arrays = [each.inputs[name] for each in asked]
    widest = max(array.shape[1] for array in arrays)
    if all(array.shape[1] == widest for array in arrays):
        return np.concatenate(arrays)
    rows = sum(map(len, arrays))
    stacked = np.full((rows, widest, *arrays[0].shape[2:]), filler, dtype=arrays[0].dtype)
    at = 0
    for array in arrays:
        stacked[at : at + len(array), : array.shape[1]] = array
        at += len(array)
    return stacked


def _merge_allowed(asked: Sequence[Asked]) -> NDArray[np.bool_]:
    """[1, items] when it is one array for all, as it is without filters; else a row for each."""
    masks: list[NDArray[np.bool_]] = [each.inputs[ALLOWED] for each in asked]
    if len(masks[0]) == 1 and all(mask is masks[0] for mask in masks):
        return masks[0]
    return np.concatenate(
        [
            np.broadcast_to(mask, (each.rows, mask.shape[1]))
            for mask, each in zip(masks, asked, strict=True)
        ]
    )
