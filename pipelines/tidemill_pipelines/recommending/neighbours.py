"""Which items belong together, by the users they share: nearest items, and a map of them all.

Computed from what users did, not from any model, so that maps of different models can be compared.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, ItemTable
from tidemill_pipelines.recommending.slices import is_point_in_time

_ITEMS = 2_000
_USERS = 20_000
_ANCHORS = 30
_KNOWN = 300
"""Neighbours are shown of items spread over so many of the most popular."""
_NEAREST = 5
_COLOURS = 8
_UNIFORM = 0.95
_PER_BLOCK = 2_000
_ITERATIONS = 60


def describe_items(
    histories: Histories, table: ItemTable, popular: NDArray[np.float64], seed: int
) -> dict[str, Any]:
    """`neighbours` of well-known items, and a `map` of up to 2,000 of them, for a report."""
    users = np.bincount(histories.items, minlength=len(table.ids))
    order = np.argsort(-popular, kind="stable")
    chosen = order[users[order] > 0][:_ITEMS]
    similar = _similarity(histories, chosen, len(table.ids), seed)
    return {
        "neighbours": _neighbours(similar, chosen, table),
        "map": _map(similar, chosen, table, users, seed),
    }


def _similarity(
    histories: Histories, chosen: NDArray[np.intp], items: int, seed: int
) -> NDArray[np.float32]:
    """Correlation of the sets of users of each two items, over a sample of users.

    A correlation, because what everybody knows shares its users with everything; and users count
    the less the more items they know, because theirs say little about any two of them.
    """
    place = np.full(items, -1, np.int64)
    place[chosen] = np.arange(len(chosen))
    users = np.arange(len(histories))
    if len(users) > _USERS:
        users = np.sort(np.random.default_rng(seed).choice(users, _USERS, replace=False))
    together = np.zeros((len(chosen), len(chosen)), np.float32)
    each, total = np.zeros(len(chosen), np.float32), 0.0
    for start in range(0, len(users), _PER_BLOCK):
        block = np.zeros((min(_PER_BLOCK, len(users) - start), len(chosen)), np.float32)
        for row, user in enumerate(users[start : start + _PER_BLOCK].tolist()):
            own = place[histories.items[histories.offsets[user] : histories.offsets[user + 1]]]
            known = own[own >= 0]
            block[row, known] = 1 / np.sqrt(max(len(known), 1))
        weight = (block**2).sum(axis=1) / np.maximum((block > 0).sum(axis=1), 1)
        together += block.T @ block
        each += (block**2).sum(axis=0)
        total += float(weight.sum())
    covariance = together - np.outer(each, each) / max(total, 1e-9)
    length = np.sqrt(np.maximum(np.diag(covariance), 1e-9))
    return np.asarray(covariance / length[:, None] / length, np.float32)


def _neighbours(
    similar: NDArray[np.float32], chosen: NDArray[np.intp], table: ItemTable
) -> list[dict[str, Any]]:
    found = []
    step = max(1, min(len(chosen), _KNOWN) // _ANCHORS)
    for anchor in range(0, min(len(chosen), _ANCHORS * step), step):
        row = similar[anchor].copy()
        row[anchor] = -np.inf
        nearest = np.argsort(-row, kind="stable")[: min(_NEAREST, len(chosen) - 1)]
        near = [
            {**_named(table, int(chosen[at])), "similarity": round(float(row[at]), 3)}
            for at in nearest.tolist()
        ]
        found.append({**_named(table, int(chosen[anchor])), "nearest": near})
    return found


def _map(
    similar: NDArray[np.float32],
    chosen: NDArray[np.intp],
    table: ItemTable,
    users: NDArray[np.int64],
    seed: int,
) -> dict[str, Any]:
    """Points in the plane of the two widest directions, and the attribute to colour them by."""
    attribute = _colouring(table, chosen)
    values = table.attributes[attribute] if attribute else (None,) * len(table.ids)
    points = _plane(similar, seed)
    return {
        "attribute": attribute,
        "points": [
            {
                "item": table.ids[item],
                "x": round(float(x), 4),
                "y": round(float(y), 4),
                "users": int(users[item]),
                "value": values[item],
            }
            for item, (x, y) in zip(chosen.tolist(), points, strict=True)
        ],
    }


def _plane(similar: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """The first two principal components of the items' sets of users, [items, 2].

    By subspace iteration on the centred cosines (Schölkopf et al. 1998, kernel PCA).
    """
    centred = similar - similar.mean(axis=0) - similar.mean(axis=1)[:, None] + similar.mean()
    width = min(2, len(similar))
    basis = np.random.default_rng(seed).normal(size=(len(similar), width))
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(centred @ basis)
    inner, turn = np.linalg.eigh(basis.T @ centred @ basis)
    points = basis @ turn[:, ::-1] * np.sqrt(np.maximum(inner[::-1], 0))
    return np.asarray(np.pad(points, ((0, 0), (0, 2 - width))), np.float64)


def _colouring(table: ItemTable, chosen: NDArray[np.intp]) -> str | None:
    """The attribute whose most frequent values, those that get a colour, are most items' values.

    An attribute that nearly all items share the value of colours nothing.
    """
    covered: dict[str, float] = {}
    for name, values in table.attributes.items():
        counts = Counter(values[item] for item in chosen.tolist() if values[item] is not None)
        largest = [count for _, count in counts.most_common(_COLOURS)]
        if all(map(is_point_in_time, counts)):
            continue
        if len(largest) > 1 and largest[0] < _UNIFORM * len(chosen):
            covered[name] = sum(largest) / len(chosen)
    return max(covered, key=lambda name: covered[name], default=None)


def _named(table: ItemTable, item: int) -> dict[str, Any]:
    known = {name: values[item] for name, values in table.attributes.items()}
    return {
        "item": table.ids[item],
        "attributes": {name: value for name, value in known.items() if value is not None},
    }
