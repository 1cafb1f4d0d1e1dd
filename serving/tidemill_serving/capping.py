"""Lists in which no value of an attribute comes up too often."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.bundle import ALLOWED
from tidemill_serving.offers import Cap
from tidemill_serving.recommender_model import Found, Inputs, rows_per_run, select_rows

SPARE = 4
"""Times as many items are searched as are missing, because caps will leave some out."""


class CappedList:
    """Takes items in the order of their scores, as far as the caps let it."""

    def __init__(self, count: int, caps: Sequence[Cap]) -> None:
        self._count = count
        self._caps = caps
        self._used: list[dict[int, int]] = [{} for _ in caps]
        self.items: list[int] = []
        self.scores: list[float] = []

    @property
    def is_full(self) -> bool:
        return len(self.items) == self._count

    def extend(self, items: Sequence[int], scores: Sequence[float]) -> None:
        """Take what fits of `items`, best first, until a -1 or until the list is full."""
        for item, score in zip(items, scores, strict=True):
            if item < 0 or self.is_full:
                return
            codes = [int(cap.codes[item]) for cap in self._caps]
            if self._has_room(codes):
                self._count_in(codes)
                self.items.append(item)
                self.scores.append(score)

    def open_items(self, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the `allowed` [items] may still follow."""
        mask = allowed.copy()
        mask[self.items] = False
        for cap, used in zip(self._caps, self._used, strict=True):
            full = [code for code, times in used.items() if times >= cap.most]
            mask &= ~np.isin(cap.codes, full)
        return mask

    def _has_room(self, codes: Sequence[int]) -> bool:
        return all(
            used.get(code, 0) < cap.most
            for code, used, cap in zip(codes, self._used, self._caps, strict=True)
        )

    def _count_in(self, codes: Sequence[int]) -> None:
        for code, used in zip(codes, self._used, strict=True):
            if code >= 0:
                used[code] = used.get(code, 0) + 1


def keep_caps(
    found: Found,
    caps: Sequence[Cap],
    count: int,
    inputs: Inputs,
    search: Callable[[Inputs, int], Found],
) -> Found:
    """Lists of `count` items within the caps, out of what was `found` for `inputs` and, where that
    is not enough, out of what `search` finds behind it."""
    lists = [CappedList(count, caps) for _ in found.item]
    short = _extend(lists, list(range(len(lists))), found)
    step = rows_per_run(inputs[ALLOWED].shape[1])
    while short:
        parts = [short[at : at + step] for at in range(0, len(short), step)]
        short = [
            row
            for part in parts
            for row in _extend(lists, part, _search_on(lists, part, count, inputs, search))
        ]
    return _padded(lists, count)


def _extend(lists: list[CappedList], rows: list[int], found: Found) -> list[int]:
    """Fill the lists of `rows`, and return those that are not full though there may be more."""
    for row, items, scores in zip(rows, found.item.tolist(), found.score.tolist(), strict=True):
        lists[row].extend(items, scores)
    ended = (found.item[:, -1] < 0).tolist()
    return [row for row, end in zip(rows, ended, strict=True) if not (end or lists[row].is_full)]


def _search_on(
    lists: list[CappedList],
    rows: list[int],
    count: int,
    inputs: Inputs,
    search: Callable[[Inputs, int], Found],
) -> Found:
    """The best that may still follow in the lists of `rows`."""
    wanted = select_rows(inputs, rows)
    allowed = wanted[ALLOWED][0]
    wanted[ALLOWED] = np.stack([lists[row].open_items(allowed) for row in rows])
    missing = max(count - len(lists[row].items) for row in rows)
    return search(wanted, min(SPARE * missing, len(allowed)))


def _padded(lists: list[CappedList], count: int) -> Found:
    item = np.full((len(lists), count), -1, dtype=np.int64)
    score = np.zeros((len(lists), count), dtype=np.float32)
    for row, capped in enumerate(lists):
        item[row, : len(capped.items)] = capped.items
        score[row, : len(capped.scores)] = capped.scores
    return Found(item, score)
