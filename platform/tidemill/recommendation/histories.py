"""Everybody's histories as arrays: what recommenders are trained on and judged with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Exclusions:
    """What may not be offered to the users of some histories at their cutoff."""

    offsets: NDArray[np.int64]
    """[n + 1], in the order of the histories' users."""
    items: NDArray[np.int32]
    """Positions in `ItemTable.ids`, for each user ascending."""


@dataclass(frozen=True)
class Histories:
    """Histories of many users as of one cutoff, one after the other, each latest first.

    The arrays may be memory-mapped: read slices of them, never change them.
    """

    cutoff: datetime
    users: NDArray[np.str_]
    """[n], sorted by UTF-8."""
    offsets: NDArray[np.int64]
    """[n + 1]; user u's items are items[offsets[u]:offsets[u + 1]]."""
    items: NDArray[np.int32]
    """[pairs], positions in `ItemTable.ids`."""
    facts: NDArray[np.float32]
    """[pairs, FACTS], see tidemill.recommendation.interests."""
    activity: NDArray[np.float32]
    """[n, ACTIVITY]."""
    contexts: NDArray[np.int32]
    """[n], positions in `ItemTable.contexts`; -1 where nothing is known."""
    excluded: Exclusions | None = None
    """None where nobody is denied anything."""

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Outcomes:
    """What the users of some histories then did, within one horizon."""

    offsets: NDArray[np.int64]
    """[n + 1], in the order of the histories' users."""
    items: NDArray[np.int32]
    """Distinct positions in `ItemTable.ids`, for each user ascending."""
    values: NDArray[np.float32]
    """The sum of the events' values, NaN where none has one."""


@dataclass(frozen=True)
class Window:
    """One cutoff: what was known, and what came of it."""

    histories: Histories
    outcomes: Outcomes


@dataclass(frozen=True)
class ItemTable:
    """Candidates and what is known about them."""

    ids: tuple[str, ...]
    attributes: dict[str, tuple[str | None, ...]]
    """Each attribute's text of every item, by name without `item.`; of groups of items, those
    that all members share."""
    values: NDArray[np.float32]
    """[items], what one success is worth; 1 for recommendations."""
    contexts: tuple[str, ...]


@dataclass(frozen=True)
class RecommendationSet:
    """Everything one training reads. Built by `tidemill_features.recommendation_set`."""

    folder: Path
    items: ItemTable
    earlier: Window
    """One horizon before the test cutoff: to choose and blend models by."""
    later: Window
    """The test cutoff: histories to learn final models from, outcomes to judge them by."""
