"""Lists in which no value of an attribute comes up too often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tidemill_serving.offers import Cap


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
