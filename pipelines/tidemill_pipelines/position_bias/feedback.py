"""Lists that were shown, what came of them, and where another ranking would put their items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Feedback:
    """Rows are items of shown lists; absent are items that only the other ranking would show."""

    user: Integers
    """[answers], whom each list was shown to, numbers from 0 on."""
    randomised: Floats
    """[answers], with what probability the first item changed places with another."""
    answer: Integers
    """[rows], the list, a number from 0 on."""
    item: Integers
    """[rows], numbers from 0 on."""
    position: Integers
    """[rows], where it stood, 1 for the first."""
    intended: Integers
    """[rows], where the ranking that was live had put it."""
    proposed: Integers
    """[rows], where the other ranking would have put it, 0 for nowhere."""
    clicked: NDArray[np.bool_]
    """[rows]."""
    absent_answer: Integers
    """[absent]."""
    absent_item: Integers
    """[absent]."""
    absent_position: Integers
    """[absent], where the other ranking would have put it."""

    @property
    def lengths(self) -> Integers:
        """[answers], items of each list."""
        return np.bincount(self.answer, minlength=len(self.user))

    @property
    def moves(self) -> Floats:
        """[rows], with what probability the row's item changed places with the first."""
        others = np.maximum(self.lengths - 1, 1)
        return (self.randomised / others)[self.answer]


@dataclass(frozen=True)
class Weighing:
    """How feedback on one ranking tells of another; all but `absent` of shape [rows]."""

    weight: Floats
    """What a click counts; its expectation makes up for where the item stood."""
    examined: Floats
    """How often the position is looked at, where the item stood."""
    proposed: Floats
    """The same where the other ranking would have put it, 0 for nowhere."""
    absent: Floats
    """[absent], the same for items that were not shown."""
    is_supported: NDArray[np.bool_]
    """Whether the other ranking's place for the item can be told of by what was shown."""


def by_examination(feedback: Feedback, propensities: Floats) -> Weighing:
    """Weights under the position-based model: how often an item would be looked at, over how often
    it was, both as expected over the draws of the randomisation.

    Li, Abbasi-Yadkori, Kveton, Muthukrishnan, Vinay and Wen (2018), "Offline Evaluation of Ranking
    Policies with Click Models", the PBM estimator. `propensities` [positions]; the last stands for
    all that follow.
    """
    look = _Lookup(propensities)
    proposed = np.where(feedback.proposed > 0, look.at(feedback.proposed), 0.0)
    return Weighing(
        weight=proposed / _expected(feedback, look),
        examined=look.at(feedback.position),
        proposed=proposed,
        absent=look.at(feedback.absent_position),
        is_supported=feedback.proposed > 0,
    )


def by_position(feedback: Feedback) -> Weighing:
    """Weights that assume nothing about positions: only what stood where the other ranking would
    have put it counts, over the probability that it stood there (the item-position estimator of
    Li et al. 2018)."""
    moves, first = feedback.moves, feedback.randomised[feedback.answer]
    stays = 1 - np.where(feedback.intended == 1, first, moves)
    probability = np.where(feedback.position == feedback.intended, stays, moves)
    is_met = feedback.position == feedback.proposed
    is_moved = (feedback.proposed != feedback.intended) & (feedback.proposed > 0)
    is_possible = (moves > 0) & ((feedback.intended == 1) | (feedback.proposed == 1))
    return Weighing(
        weight=np.where(is_met, 1 / probability, 0.0),
        examined=np.ones(len(moves)),
        proposed=(feedback.proposed > 0).astype(np.float64),
        absent=np.ones(len(feedback.absent_answer)),
        is_supported=(feedback.proposed == feedback.intended) | (is_moved & is_possible),
    )


class _Lookup:
    def __init__(self, propensities: Floats) -> None:
        self._values = propensities

    def at(self, positions: Integers) -> Floats:
        found: Floats = self._values[np.clip(positions, 1, len(self._values)) - 1]
        return found

    def total(self, count: Integers) -> Floats:
        """Sum over positions 1 to `count`."""
        sums = np.cumsum(self._values)
        beyond = np.maximum(count - len(sums), 0)
        found: Floats = sums[np.clip(count, 1, len(sums)) - 1] + beyond * self._values[-1]
        return found


def _expected(feedback: Feedback, look: _Lookup) -> Floats:
    """How often each row's item is looked at, over the draws of the randomisation."""
    moves, first = feedback.moves, look.at(np.ones(1, np.int64))[0]
    others = look.total(feedback.lengths)[feedback.answer] - first
    swaps = feedback.randomised[feedback.answer]
    of_first = (1 - swaps) * first + moves * others
    of_others = (1 - moves) * look.at(feedback.intended) + moves * first
    found: Floats = np.where(feedback.intended == 1, of_first, of_others)
    return found
