"""Which part of a window models are judged on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import Exclusions, Histories, Outcomes, Window

MOST_USERS = 20_000
"""More users make the intervals narrower than anybody reads them, and cost minutes."""


def judged_part(window: Window, seed: int, most: int = MOST_USERS) -> Window:
    """The users with an outcome, at most so many of them, drawn by `seed`; in memory."""
    return _drawn(window, np.flatnonzero(np.diff(window.outcomes.offsets)), seed, most)


def random_part(window: Window, seed: int, most: int = MOST_USERS // 2) -> Window:
    """As `judged_part`, of all users whatever they then did."""
    return _drawn(window, np.arange(len(window.histories)), seed, most)


def _drawn(window: Window, users: NDArray[np.intp], seed: int, most: int) -> Window:
    if len(users) > most:
        users = np.sort(np.random.default_rng(seed).choice(users, most, replace=False))
    return select_users(window, users)


def select_users(window: Window, users: NDArray[np.intp]) -> Window:
    """The window of some users, by ascending position."""
    histories, outcomes = window.histories, window.outcomes
    pairs, offsets = _lists(histories.offsets, users)
    outcome_pairs, outcome_offsets = _lists(outcomes.offsets, users)
    chosen = replace(
        histories,
        users=histories.users[users],
        offsets=offsets,
        items=histories.items[pairs],
        facts=histories.facts[pairs],
        activity=histories.activity[users],
        contexts=histories.contexts[users],
        excluded=_select_exclusions(histories, users),
    )
    happened = Outcomes(
        outcome_offsets, outcomes.items[outcome_pairs], outcomes.values[outcome_pairs]
    )
    return Window(chosen, happened)


def _select_exclusions(histories: Histories, users: NDArray[np.intp]) -> Exclusions | None:
    if histories.excluded is None:
        return None
    pairs, offsets = _lists(histories.excluded.offsets, users)
    return Exclusions(offsets, histories.excluded.items[pairs])


def _lists(
    offsets: NDArray[np.int64], users: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the entries of some users' lists, and the offsets of these."""
    lengths = offsets[users + 1] - offsets[users]
    ends = np.cumsum(lengths, dtype=np.int64)
    shift = np.repeat(offsets[users] - (ends - lengths), lengths)
    return np.arange(len(shift)) + shift, np.concatenate([[0], ends]).astype(np.int64)
