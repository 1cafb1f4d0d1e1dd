"""Searches on behind the items that caps leave out of a list.

Each further search looks among what the caps still leave room for, and four times as far as the
one before: few are needed however many items share a value, because the last one sees them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tidemill.recommendation.bundle import ALLOWED
from tidemill.recommendation.caps import at_places, open_items, shown_places
from tidemill_serving.merging import Asked
from tidemill_serving.recommender_model import Found, select_rows
from tidemill_serving.search import Searcher

_SPARE = 4
"""Times as many items are searched as are wanted, because caps will leave some out."""


class _Short(NamedTuple):
    """Lists of one request that may still get longer."""

    asked: Asked
    found: Found
    """[n, k], all lists of the request; what is found is put in here."""
    rows: list[int]
    reach: int
    """How far to search."""


class CappedSearch:
    """Keeps caps, whatever searches. Lists of many requests are searched on for together."""

    def __init__(self, searcher: Searcher, items: int) -> None:
        self._searcher = searcher
        self._items = items

    @property
    def most_rows(self) -> int:
        return self._searcher.most_rows

    def search(self, asked: Sequence[Asked]) -> list[Found]:
        """The best items within its caps for each request."""
        wide = [each._replace(k=self._further(each.k)) if each.caps else each for each in asked]
        answers = self._searcher.search(wide)
        queue: deque[_Short] = deque()
        for at, each in enumerate(asked):
            if each.caps:
                found, answers[at] = answers[at], _within_caps(answers[at], each)
                queue.extend(self._parts(each, answers[at], _unfinished(answers[at], found)))
        while queue:
            together = self._next(queue)
            found_behind = self._searcher.search([_behind(each) for each in together])
            left = map(self._take, together, found_behind)
            queue.extend(each for each in left if each.rows)
        return answers

    def _parts(self, asked: Asked, found: Found, rows: list[int]) -> list[_Short]:
        """As many lists as are searched at once, because each needs a mask of all items."""
        reach, step = self._further(asked.k), self.most_rows
        parts = [rows[at : at + step] for at in range(0, len(rows), step)]
        return [_Short(asked, found, part, reach) for part in parts]

    def _next(self, queue: deque[_Short]) -> list[_Short]:
        """From the head of the queue, up to the most lists of a search; at least one entry."""
        together = [queue.popleft()]
        rows = len(together[0].rows)
        while queue and rows + len(queue[0].rows) <= self.most_rows:
            rows += len(queue[0].rows)
            together.append(queue.popleft())
        return together

    def _take(self, short: _Short, more: Found) -> _Short:
        """Put what was found behind them into the lists."""
        item = np.hstack((short.found.item[short.rows], more.item))
        score = np.hstack((short.found.score[short.rows], more.score))
        filled = _within_caps(Found(item, score), short.asked)
        short.found.item[short.rows], short.found.score[short.rows] = filled
        left = [short.rows[at] for at in _unfinished(filled, more)]
        return short._replace(rows=left, reach=self._further(short.reach))

    def _further(self, count: int) -> int:
        return min(_SPARE * count, self._items)


def _within_caps(found: Found, asked: Asked) -> Found:
    places = shown_places(found.item, asked.caps, asked.k)
    return Found(at_places(found.item, places, -1), at_places(found.score, places, 0))


def _unfinished(lists: Found, searched: Found) -> list[int]:
    """Rows that are not full, though more may stand behind what was searched."""
    rows: list[int] = np.flatnonzero((lists.item[:, -1] < 0) & (searched.item[:, -1] >= 0)).tolist()
    return rows


def _behind(short: _Short) -> Asked:
    """What finds the best that may still follow."""
    inputs = select_rows(short.asked.inputs, short.rows)
    (allowed,) = inputs[ALLOWED]
    shown = short.found.item[short.rows]
    inputs[ALLOWED] = np.stack([open_items(row, short.asked.caps, allowed) for row in shown])
    return Asked(inputs, short.reach)
