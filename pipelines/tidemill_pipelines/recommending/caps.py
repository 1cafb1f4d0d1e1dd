"""Lists in which no value of an attribute comes up too often, as they are served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.objective.fields import ITEM
from tidemill.recommendation.histories import ItemTable
from tidemill_pipelines.recommending.running import Lists

_SPARE = 4
"""Times as many items are ranked where a cap left a list too short."""


@dataclass(frozen=True)
class Cap:
    """At most so many items of one list share a value."""

    values: tuple[str | None, ...]
    """Of every item; None counts as no value."""
    most: int


def caps_of(at_most: Mapping[str, int], table: ItemTable) -> list[Cap]:
    """The caps on attributes, `item.<name>`, that any item of the table has."""
    found = ((table.attributes.get(key.removeprefix(ITEM)), most) for key, most in at_most.items())
    return [Cap(values, most) for values, most in found if values is not None]


def within_caps(rank: Callable[[int], Lists], caps: list[Cap], count: int, catalogue: int) -> Lists:
    """The best `count` items for each user that keep to the caps; `rank(n)` gives the best n."""
    ranked = rank(min(count * (_SPARE if caps else 1), catalogue))
    if not caps:
        return ranked
    capped = _capped(ranked, caps, count)
    width = ranked.items.shape[1]
    while width < catalogue and _are_short(capped, ranked):
        width = min(width * _SPARE, catalogue)
        ranked = rank(width)
        capped = _capped(ranked, caps, count)
    return capped


def _are_short(capped: Lists, ranked: Lists) -> bool:
    """Whether any list could still be filled from items that were not ranked."""
    return bool(((capped.items[:, -1] < 0) & (ranked.items[:, -1] >= 0)).any())


def _capped(ranked: Lists, caps: list[Cap], count: int) -> Lists:
    items = np.full((len(ranked.items), count), -1, np.int64)
    scores = np.zeros(items.shape, np.float32)
    for user, row in enumerate(ranked.items):
        kept = _kept(row, caps, count)
        items[user, : len(kept)] = row[kept]
        scores[user, : len(kept)] = ranked.scores[user, kept]
    return Lists(items, scores)


def _kept(row: NDArray[np.int64], caps: list[Cap], count: int) -> list[int]:
    """Places of one ranking that are shown."""
    used: list[Counter[str]] = [Counter() for _ in caps]
    kept: list[int] = []
    for place, item in enumerate(row.tolist()):
        if item < 0 or len(kept) == count:
            break
        values = [cap.values[item] for cap in caps]
        known = [(seen, value) for seen, value in zip(used, values, strict=True) if value]
        if all(
            value is None or seen[value] < cap.most
            for cap, seen, value in zip(caps, used, values, strict=True)
        ):
            kept.append(place)
            for seen, value in known:
                seen[value] += 1
    return kept
