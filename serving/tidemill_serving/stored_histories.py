"""Histories from the online store and from sessions, and as a model's graph reads them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.bundle import (
    ACTIVITY_INPUT,
    CONTEXT,
    EXCLUDED,
    FACTS_INPUT,
    HISTORY,
)
from tidemill.recommendation.history import History, session_history, unpack_history
from tidemill.recommendation.interests import FACTS
from tidemill_serving.recommendation_query import Options, RecommendationQuery
from tidemill_serving.recommender_model import RecommenderModel


class PackedRows(Protocol):
    """What recommending needs of an online reader."""

    def read_packed(self, entities: Sequence[str]) -> Sequence[tuple[int, bytes] | None]:
        """(cutoff in us, packed row) of `entities` in their order, None for an unknown one."""


class Known(NamedTuple):
    """What is known of each user of a request."""

    histories: list[History]
    cutoffs: NDArray[np.int64]
    """[n], microseconds since 1970 UTC; 0 where nothing is stored."""
    checksums: list[int]
    """CRC-32 of the stored rows, 0 where nothing is stored."""
    is_cold: NDArray[np.bool_]
    """[n], neither a stored history nor a known item of a session."""


def read_known(
    query: RecommendationQuery, model: RecommenderModel, stored: Sequence[tuple[int, bytes] | None]
) -> Known:
    """Put the `stored` rows of the query's users, in their order, beside its sessions."""
    rows = iter(stored)
    found = [
        _of_session(query.sessions[at], model) if user is None else _of_user(next(rows))
        for at, user in enumerate(query.users)
    ]
    histories, cutoffs, checksums, cold = (list(column) for column in zip(*found, strict=True))
    return Known(histories, np.array(cutoffs, np.int64), checksums, np.array(cold, np.bool_))


def graph_inputs(
    known: Known, model: RecommenderModel, options: Options, now: int
) -> dict[str, NDArray[Any]]:
    """Inputs of the graph that are about users; exclusions as they hold at `now`."""
    histories = known.histories
    row, place = _places([history.items for history in histories], model)
    # Items that the model does not have leave no gap.
    is_known = place >= 0
    slots = _slots(row[is_known], len(histories))
    items = np.full(slots.shape, -1, dtype=np.int64)
    items[slots] = place[is_known]
    facts = np.zeros((*slots.shape, len(FACTS)), dtype=np.float32)
    facts[slots] = np.concatenate([history.facts for history in histories])[is_known]
    return {
        HISTORY: items,
        FACTS_INPUT: facts,
        ACTIVITY_INPUT: np.array([history.activity for history in histories], dtype=np.float32),
        CONTEXT: _contexts(histories, model, options.context),
        EXCLUDED: _excluded(histories, model, options.exclude, now),
    }


def _of_user(row: tuple[int, bytes] | None) -> tuple[History, int, int, bool]:
    if row is None:
        return session_history(()), 0, 0, True
    cutoff, packed = row
    return unpack_history(packed), cutoff, zlib.crc32(packed), False


def _of_session(items: Sequence[str], model: RecommenderModel) -> tuple[History, int, int, bool]:
    known = [item for item in items if item in model.positions]
    return session_history(known), 0, 0, not known


def _places(
    rows: Sequence[Sequence[str]], model: RecommenderModel
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """(row, place in the model's items or -1) of every item of `rows`, in their order."""
    lengths = [len(items) for items in rows]
    found = map(model.positions.get, chain.from_iterable(rows), repeat(-1))
    places = np.fromiter(found, np.int64, sum(lengths))
    return np.repeat(np.arange(len(rows)), lengths), places


def _slots(row: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    """[count, longest or 1]: where values of `row`, ascending, go when each row is filled up."""
    lengths = np.bincount(row, minlength=count)
    slots: NDArray[np.bool_] = np.arange(max(1, lengths.max())) < lengths[:, None]
    return slots


def _contexts(
    histories: Sequence[History], model: RecommenderModel, otherwise: str | None
) -> NDArray[np.int64]:
    get = model.contexts.get
    default = -1 if otherwise is None else get(otherwise, -1)
    return np.array(
        [
            default if history.context is None else get(history.context, default)
            for history in histories
        ],
        dtype=np.int64,
    )


def _excluded(
    histories: Sequence[History], model: RecommenderModel, always: Sequence[str], now: int
) -> NDArray[np.int64]:
    own = [
        [item for item, until in history.excluded.items() if until is None or until > now]
        for history in histories
    ]
    row, place = _places(own, model)
    slots = _slots(row, len(histories))
    excluded = np.full(slots.shape, -1, dtype=np.int64)
    excluded[slots] = place
    if not always:
        return excluded
    shared = _places([always], model)[1]
    return np.hstack((excluded, np.broadcast_to(shared, (len(histories), len(shared)))))
