"""How well groups of users and of items are served: means hide them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, ItemTable, Outcomes, Window
from tidemill.recommendation.ranking import PerUser, Ranking

_LENGTHS = {
    "no known item": (0, 0),
    "1 to 4 items": (1, 4),
    "5 to 19 items": (5, 19),
    "20 to 99 items": (20, 99),
    "100 items and more": (100, np.inf),
}
_MOST_CONTEXTS = 8
_MOST_GROUPS = 12
"""Values of an attribute that are shown apart; attributes with more have no slices."""


def user_slices(
    window: Window, table: ItemTable, ndcg: PerUser, rule: PerUser
) -> list[dict[str, Any]]:
    """`slice`, `users`, `ndcg`, `baseline_ndcg` by length of history and by context."""
    return [
        {
            "slice": name,
            "users": int(members.sum()),
            "ndcg": float(np.nanmean(ndcg[members])),
            "baseline_ndcg": float(np.nanmean(rule[members])),
        }
        for name, members in _groups_of_users(window.histories, table)
        if (members & ~np.isnan(ndcg)).any()
    ]


def item_slices(
    window: Window, table: ItemTable, ranked: Ranking, known_to: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """`slice`, `items`, `outcomes`, `found`: the share of outcomes that were offered; and `shown`,
    the share of places. `known_to` counts the users that knew each item before."""
    hits = offered_outcomes(ranked, window.outcomes, len(table.ids))
    shown = np.bincount(ranked[ranked >= 0], minlength=len(table.ids))
    return [
        {
            "slice": name,
            "items": int(members.sum()),
            "outcomes": int(concerned.sum()),
            "found": float(hits[concerned].mean()) if concerned.any() else None,
            "shown": float(shown[members].sum() / max(1, shown.sum())),
        }
        for name, members in _groups_of_items(table, known_to)
        for concerned in [members[window.outcomes.items]]
    ]


def _groups_of_users(
    histories: Histories, table: ItemTable
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    lengths = np.diff(histories.offsets)
    for name, (low, high) in _LENGTHS.items():
        yield name, (low <= lengths) & (lengths <= high)
    counts = np.bincount(histories.contexts + 1, minlength=len(table.contexts) + 1)[1:]
    for context in np.argsort(-counts, kind="stable")[:_MOST_CONTEXTS].tolist():
        yield f"context {table.contexts[context]}", histories.contexts == context


def _groups_of_items(
    table: ItemTable, known_to: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "items nobody knew", known_to == 0
    yield "items of 1 to 9 users", (known_to > 0) & (known_to < 10)
    for name, values in table.attributes.items():
        distinct = sorted({value for value in values if value is not None})
        if 2 <= len(distinct) <= _MOST_GROUPS and not all(map(is_point_in_time, distinct)):
            texts = np.array([value or "" for value in values])
            for value in distinct:
                yield f"{name} {value}", texts == value


def is_point_in_time(text: str) -> bool:
    """Whether a value of an attribute is an ISO 8601 date or instant, which is no kind of item."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return "-" in text


def offered_outcomes(ranked: Ranking, outcomes: Outcomes, items: int) -> NDArray[np.bool_]:
    """Whether each outcome stood on its user's list, shape of `outcomes.items`."""
    happened, listed = _pairs(ranked, outcomes, items)
    return np.isin(happened, listed)


def shown_hits(ranked: Ranking, outcomes: Outcomes, items: int) -> NDArray[np.bool_]:
    """Whether each place of the lists came true, [n, k]."""
    happened, listed = _pairs(ranked, outcomes, items)
    return np.isin(listed, happened).reshape(ranked.shape) & (ranked >= 0)


def _pairs(
    ranked: Ranking, outcomes: Outcomes, items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each pair of user and item: of the outcomes, and of the places."""
    users = np.repeat(np.arange(len(ranked)), np.diff(outcomes.offsets))
    rows = np.arange(len(ranked))[:, None]
    listed = np.where(ranked >= 0, rows * items + ranked, -1)
    return users * items + outcomes.items, listed.ravel()
