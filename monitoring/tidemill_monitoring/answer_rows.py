"""Answers of the prediction log, side by side in arrays: a log may hold millions of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from tidemill.predictions import Predictions

_LOOSE = 1_024
"""Requests that are held one by one before they are joined: a request often has a single row."""


@dataclass(frozen=True)
class AnswerRows:
    """One entry per answer, in the order of the log."""

    users: NDArray[np.object_]
    cutoffs: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    versions: NDArray[np.object_]
    scores: NDArray[np.float64]
    grades: NDArray[np.object_]
    vectors: NDArray[np.float32]
    """[rows, features]."""

    @classmethod
    def of(cls, frame: Predictions, rows: NDArray[np.intp]) -> AnswerRows:
        """Some rows of one request; the request's other rows are let go."""
        return cls(
            np.asarray(frame.users, dtype=object)[rows],
            frame.cutoffs[rows],
            np.full(len(rows), frame.model_version, dtype=object),
            frame.scores[rows],
            np.asarray(frame.grades, dtype=object)[rows],
            frame.vectors[rows],
        )

    @classmethod
    def join(cls, parts: Sequence[AnswerRows]) -> AnswerRows:
        """One behind the other; at least one, and all of one layout."""
        return cls(
            *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls))
        )

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> AnswerRows:
        return AnswerRows(*(getattr(self, each.name)[rows] for each in fields(self)))

    def later(self, cutoff: int) -> AnswerRows:
        """Answers from cutoffs after this one, not copied when that is all of them."""
        is_later = self.cutoffs > cutoff
        return self if is_later.all() else self.take(is_later)

    def last_of_each(self, *, by_cutoff: bool) -> AnswerRows:
        """The last answer of each (user, cutoff), or the latest cutoff's of each user.

        Ascending by cutoff.
        """
        _, user = np.unique(self.users.astype(np.str_), return_inverse=True)
        order = np.lexsort((np.arange(len(self)), self.cutoffs, user))
        is_last = user[order][1:] != user[order][:-1]
        if by_cutoff:
            is_last |= self.cutoffs[order][1:] != self.cutoffs[order][:-1]
        chosen = np.sort(order[np.append(is_last, np.ones(min(1, len(self)), dtype=np.bool_))])
        return self.take(chosen[np.argsort(self.cutoffs[chosen], kind="stable")])


class Collector:
    """Gathers answers of one layout while the log is read."""

    def __init__(self) -> None:
        self._joined: list[AnswerRows] = []
        self._loose: list[AnswerRows] = []

    def add(self, frame: Predictions, rows: NDArray[np.intp], after: int) -> None:
        """`after`: answers up to this cutoff are of no use any more, and may be let go."""
        if not len(rows):
            return
        self._loose.append(AnswerRows.of(frame, rows))
        if len(self._loose) == _LOOSE:
            self._joined = [part for part in self._joined if part.cutoffs.max() > after]
            self._joined.append(AnswerRows.join(self._loose))
            self._loose = []

    def rows(self, after: int) -> AnswerRows | None:
        """All answers from cutoffs after `after`; None when there are none."""
        kept = [part.later(after) for part in (*self._joined, *self._loose)]
        kept = [part for part in kept if len(part)]
        return AnswerRows.join(kept) if kept else None
