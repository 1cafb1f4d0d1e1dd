"""Lists in which no value of an attribute comes up too often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tidemill.objective.fields import ITEM


class Cap(NamedTuple):
    """At most `most` items of one list share a code."""

    codes: NDArray[np.int32]
    """[items]; items with -1 share nothing."""
    most: int


def caps_of(at_most: Mapping[str, int], codes: Mapping[str, NDArray[np.int32]]) -> list[Cap]:
    """The caps on attributes, `item.<name>`, that items have; their `codes` are by name alone."""
    found = ((codes.get(key.removeprefix(ITEM)), most) for key, most in at_most.items())
    return [Cap(each, most) for each, most in found if each is not None]


def shown_places(ranked: NDArray[np.int64], caps: Sequence[Cap], count: int) -> NDArray[np.int64]:
    """Places [n, count] of rankings [n, w] of items that are shown, -1 behind the last.

    Best first, passing over what the caps leave no room for. Items of -1 are none.
    """
    places = np.full((len(ranked), count), -1, dtype=np.int64)
    codes = [cap.codes[ranked].tolist() for cap in caps]
    for row, items in enumerate(ranked.tolist()):
        shown = _shown(items, [each[row] for each in codes], caps, count)
        places[row, : len(shown)] = shown
    return places


def at_places(values: NDArray[Any], places: NDArray[np.int64], otherwise: int) -> NDArray[Any]:
    """Of `values` [n, w] those at `places` [n, count], `otherwise` where a place is -1."""
    found = np.take_along_axis(values, np.maximum(places, 0), axis=1)
    return np.where(places >= 0, found, values.dtype.type(otherwise))


def open_items(
    shown: NDArray[np.int64], caps: Sequence[Cap], allowed: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which of the `allowed` [items] the caps leave room for behind those already `shown`."""
    there = shown[shown >= 0]
    mask = allowed.copy()
    mask[there] = False
    for cap in caps:
        used = Counter(cap.codes[there].tolist())
        full = [code for code, times in used.items() if code >= 0 and times >= cap.most]
        mask &= ~np.isin(cap.codes, full)
    return mask


def _shown(
    items: Sequence[int], codes: Sequence[Sequence[int]], caps: Sequence[Cap], count: int
) -> list[int]:
    used: list[Counter[int]] = [Counter() for _ in caps]
    shown: list[int] = []
    for place, item in enumerate(items):
        if len(shown) == count:
            break
        own = [each[place] for each in codes]
        if item >= 0 and all(
            code < 0 or seen[code] < cap.most
            for code, seen, cap in zip(own, used, caps, strict=True)
        ):
            shown.append(place)
            for code, seen in zip(own, used, strict=True):
                seen[code] += 1
    return shown
