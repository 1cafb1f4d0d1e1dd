"""Lists that keep to the caps as they are served, for all users of a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tidemill.objective.fields import ITEM
from tidemill.recommendation import caps as recommendation_caps
from tidemill.recommendation.caps import Cap, at_places, shown_places
from tidemill.recommendation.histories import ItemTable
from tidemill_pipelines.recommending.running import Lists

_SPARE = 4
"""Times as many items are ranked where a cap left a list too short."""


def caps_of(at_most: Mapping[str, int], table: ItemTable) -> list[Cap]:
    """The caps on attributes, `item.<name>`, that any item of the table has."""
    codes = {
        name: _codes(values)
        for name, values in table.attributes.items()
        if f"{ITEM}{name}" in at_most
    }
    return recommendation_caps.caps_of(at_most, codes)


def within_caps(
    rank: Callable[[int], Lists], caps: Sequence[Cap], count: int, catalogue: int
) -> Lists:
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


def _capped(ranked: Lists, caps: Sequence[Cap], count: int) -> Lists:
    places = shown_places(ranked.items, caps, count)
    return Lists(at_places(ranked.items, places, -1), at_places(ranked.scores, places, 0))


def _codes(values: Sequence[str | None]) -> NDArray[np.int32]:
    """One number for each text, -1 where there is none."""
    known = {value: code for code, value in enumerate(dict.fromkeys(values)) if value is not None}
    return np.array([-1 if value is None else known[value] for value in values], np.int32)
