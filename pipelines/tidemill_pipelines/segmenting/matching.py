"""Ids that stay with the same users from one training to the next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from tidemill_pipelines.segmenting.kmeans import Labels
from tidemill_pipelines.segmenting.partners import overlap

SAME = 0.5
"""Jaccard index of the users of a segment and of its predecessor: one that keeps less than half is
another segment."""


class Ids(NamedTuple):
    """Of the new segments, by position."""

    ids: list[str]
    next_number: int
    kept: dict[str, float]
    """Overlap of each id that stays with what it stood for."""
    gone: list[str]


def first_ids(labels: Labels, k: int) -> Ids:
    """By size, the largest segment first."""
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    ids = [""] * k
    for number, segment in enumerate(order.tolist(), 1):
        ids[segment] = f"S{number}"
    return Ids(ids, k + 1, {}, [])


def matched_ids(labels: Labels, k: int, before: Labels, known: list[str], next_number: int) -> Ids:
    """`before` are the same users' segments by the champion, whose ids are `known`."""
    shared = overlap(labels, before, (k, len(known)))
    rows, columns = linear_sum_assignment(-shared)
    ids, kept = [""] * k, {}
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if shared[row, column] >= SAME:
            ids[row] = known[column]
            kept[known[column]] = float(shared[row, column])
    for segment in range(k):
        if not ids[segment]:
            ids[segment] = f"S{next_number}"
            next_number += 1
    return Ids(ids, next_number, kept, [each for each in known if each not in kept])
