"""Logs as the recommenders read them: from arrays of events, real or made up with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import (
    Histories,
    ItemTable,
    Outcomes,
    RecommendationSet,
    Window,
)
from tidemill.recommendation.interests import ACTIVITY, FACTS, HALF_LIVES, LONGEST_HISTORY

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Log:
    """Events: who was interested in what, and when."""

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    days: NDArray[np.float64]
    """Since the start."""

    def where(self, chosen: NDArray[np.bool_]) -> Log:
        return Log(self.users[chosen], self.items[chosen], self.days[chosen])


def recommendation_set(
    log: Log,
    at: float,
    horizon: float,
    ids: Sequence[str],
    attributes: dict[str, tuple[str | None, ...]] | None = None,
    contexts: NDArray[np.int64] | None = None,
) -> RecommendationSet:
    """The set of a training at day `at`; `contexts` holds one for each user, -1 for none."""
    places = () if contexts is None else tuple(f"c{c}" for c in range(int(contexts.max()) + 1))
    table = ItemTable(tuple(ids), attributes or {}, np.ones(len(ids), np.float32), contexts=places)
    of_user = np.full(int(log.users.max()) + 1, -1) if contexts is None else contexts
    earlier, later = (
        _window(log, cutoff, horizon, of_user) for cutoff in (at - 2 * horizon, at - horizon)
    )
    return RecommendationSet(Path("made-up"), table, earlier, later)


def latent(users: int, items: int, per_user: int, seed: int, repeats: bool = False) -> Log:
    """Users and items with tastes of eight dimensions; without repeats nobody comes back to one."""
    rng = np.random.default_rng(seed)
    tastes = rng.normal(size=(users, 8)) @ rng.normal(size=(8, items)) * 0.7
    utility = tastes + rng.normal(scale=0.5, size=items)
    if repeats:
        utility = utility * 2
        shares = np.exp(utility - utility.max(axis=1, keepdims=True)).cumsum(axis=1)
        drawn = rng.random((users, per_user)) * shares[:, -1:]
        chosen = np.stack([np.searchsorted(s, d) for s, d in zip(shares, drawn, strict=True)])
    else:
        chosen = np.argsort(-utility - rng.gumbel(size=utility.shape), axis=1)[:, :per_user]
        chosen = rng.permuted(chosen, axis=1)
    days = np.sort(rng.uniform(0, 100, size=chosen.shape), axis=1)
    return Log(np.repeat(np.arange(users), per_user), chosen.ravel(), days.ravel())


def ordered(users: int, items: int, per_user: int, seed: int) -> Log:
    """Each item is followed by one of two: only the order tells what comes next."""
    rng = np.random.default_rng(seed)
    follows = np.stack([rng.permutation(items) for _ in range(2)], axis=1)
    chosen = np.empty((users, per_user), np.int64)
    chosen[:, 0] = rng.integers(0, items, users)
    for step in range(1, per_user):
        chosen[:, step] = follows[chosen[:, step - 1], rng.integers(0, 2, users)]
        strays = rng.random(users) < 0.1
        chosen[strays, step] = rng.integers(0, items, int(strays.sum()))
    days = np.sort(rng.uniform(0, 100, size=chosen.shape), axis=1)
    return Log(np.repeat(np.arange(users), per_user), chosen.ravel(), days.ravel())


def at_random(users: int, items: int, per_user: int, seed: int) -> RecommendationSet:
    """A set of any size without the events behind it: long-tailed items in twenty groups, of which
    a user likes one; both windows share their histories, and each user has two outcomes."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 20, users)[:, None]
    ranks = rng.random((users, per_user + 2)) ** 3 * (items // 20)
    drawn = np.sort(ranks.astype(np.int32) * 20 + group, axis=1) % items
    keep = np.diff(drawn, axis=1, prepend=-1) > 0
    known, then = drawn[:, :-2], drawn[:, -2:]
    kept, came = keep[:, :-2], keep[:, -2:]
    facts = np.ones((int(kept.sum()), len(FACTS)), np.float32)
    facts[:, :5] *= rng.integers(1, 4, (len(facts), 1))
    histories = Histories(
        START,
        np.array([f"u{user:09d}" for user in range(users)]),
        _offsets(kept.sum(axis=1)),
        known[kept].astype(np.int32),
        facts,
        np.ones((users, len(ACTIVITY)), np.float32),
        np.full(users, -1, np.int32),
    )
    found = then[came].astype(np.int32)
    outcomes = Outcomes(_offsets(came.sum(axis=1)), found, np.full(len(found), np.nan, np.float32))
    window = Window(histories, outcomes)
    table = ItemTable(
        tuple(f"i{item}" for item in range(items)), {}, np.ones(items, np.float32), contexts=()
    )
    return RecommendationSet(Path("made-up"), table, window, window)


def _offsets(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _window(log: Log, cutoff: float, horizon: float, contexts: NDArray[np.int64]) -> Window:
    known = log.where(log.days < cutoff)
    then = log.where((log.days >= cutoff) & (log.days < cutoff + horizon))
    users = np.unique(known.users)
    return Window(
        _histories(known, users, cutoff, horizon, contexts[users]), _outcomes(then, users)
    )


def _histories(
    log: Log, users: NDArray[np.int64], cutoff: float, horizon: float, contexts: NDArray[np.int64]
) -> Histories:
    ages = np.floor(cutoff - log.days)
    pairs, pair = np.unique(log.users << 32 | log.items, return_inverse=True)
    decayed, last, first = _sums(pair, ages, horizon, len(pairs))
    latest = np.zeros(len(pairs))
    np.maximum.at(latest, pair, log.days)
    row = np.searchsorted(users, pairs >> 32)
    order = np.lexsort((-latest, row))
    order = order[_place(row[order], len(users)) < LONGEST_HISTORY]
    facts = np.stack([*decayed.T, last, first], axis=1)[order].astype(np.float32)
    active, seen, start = _sums(np.searchsorted(users, log.users), ages, horizon, len(users))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row[order], minlength=len(users)))])
    return Histories(
        START + timedelta(days=cutoff),
        np.array([f"u{user:09d}" for user in users]),
        offsets,
        (pairs[order] & 0xFFFFFFFF).astype(np.int32),
        facts,
        np.stack([*active.T[1:4], seen, start], axis=1).astype(np.float32),
        contexts.astype(np.int32),
    )


def _sums(
    group: NDArray[np.int64], ages: NDArray[np.float64], horizon: float, groups: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Decayed sums and the total over distinct days, and the ages of the last and first one."""
    day = np.unique(group << 20 | ages.astype(np.int64))
    group, age = day >> 20, (day & 0xFFFFF).astype(np.float64)
    weights = [0.5 ** (age / (half * horizon)) for half in HALF_LIVES] + [np.ones(len(age))]
    sums = np.stack([np.bincount(group, weight, groups) for weight in weights], axis=1)
    last, first = np.full(groups, np.inf), np.zeros(groups)
    np.minimum.at(last, group, age)
    np.maximum.at(first, group, age)
    return sums, last, first


def _outcomes(log: Log, users: NDArray[np.int64]) -> Outcomes:
    known = np.isin(log.users, users)
    pairs = np.unique(log.users[known] << 32 | log.items[known])
    counts = np.bincount(np.searchsorted(users, pairs >> 32), minlength=len(users))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    items = (pairs & 0xFFFFFFFF).astype(np.int32)
    return Outcomes(offsets, items, np.full(len(items), np.nan, np.float32))


def _place(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    counts = np.bincount(rows, minlength=count)
    return np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
