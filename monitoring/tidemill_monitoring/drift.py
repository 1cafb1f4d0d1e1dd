"""Has the population changed? An effect size per feature, judged against random user splits.

The effect is the Jensen-Shannon distance of the binned distributions, freed of the part that
sampling alone produces, so that it means the same at every number of users. Whether it is real is
decided by splitting the users of both sides at random many times: the largest standardised
distance over all features in each split (max-T, Westfall & Young 1993) gives one threshold that
holds for all features together. Users are split, not rows, because the rows of one user are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.binning import Bins, bin_reference

WATCH_EFFECT = 0.05
"""Jensen-Shannon distance (natural log) of a mean shift of about 0.15 standard deviations."""
ACT_EFFECT = 0.1
"""Of a mean shift of about 0.3 standard deviations."""
WATCH_LEVEL = 0.01
ACT_LEVEL = 0.005
"""Chance of any false alarm over all features of one window, before the effect floor."""
MAXIMUM_USERS = 10_000
"""Users a side that are split at random; beyond it the effect floor decides, not the noise."""

_BINNED_USERS = 100_000
"""Users of the reference that are enough to place the bins."""
_SPLITS = 400
_CELLS_AT_ONCE = 2_000
"""Columns of the one-hot matrix that are held in memory together."""


@dataclass(frozen=True)
class Population:
    """One row per user."""

    users: NDArray[np.str_]
    values: NDArray[np.float32]
    """[users, columns]; NaN is missing."""

    def take(self, rows: NDArray[np.intp] | slice, columns: NDArray[np.intp]) -> Population:
        """Some rows, some columns."""
        return Population(self.users[rows], self.values[rows][:, columns])


@dataclass(frozen=True)
class Thresholds:
    """Effects from which each column is worth a look, or an alarm; shape [columns] each."""

    watch: NDArray[np.float64]
    act: NDArray[np.float64]

    @classmethod
    def default(cls, columns: int) -> Thresholds:
        return cls(np.full(columns, WATCH_EFFECT), np.full(columns, ACT_EFFECT))


@dataclass(frozen=True)
class ColumnDrift:
    """What one column did."""

    name: str
    distance: float
    """Jensen-Shannon distance as observed."""
    effect: float
    """The same without what chance alone gives; 0 to 0.83."""
    p_value: float
    """Family-wise: of the largest statistic over all columns."""
    watch_at: float
    act_at: float
    """Effects from which this column is worth a look, or an alarm."""
    is_act: bool
    is_watch: bool
    """Also true for an act."""


def measure_drift(
    reference: Population,
    current: Population,
    names: Sequence[str],
    thresholds: Thresholds | None = None,
    seed: int = 0,
) -> list[ColumnDrift]:
    """Drift of every column, largest effect first; `thresholds` are the documented ones if None.

    Effects are measured on all users, their null distribution on at most `MAXIMUM_USERS` a side.
    Raises ValueError when a side has no users.
    """
    if not len(reference.users) or not len(current.users):
        raise ValueError(
            f"drift needs users on both sides, not {len(reference.users)} and {len(current.users)}"
        )
    rng = np.random.default_rng(seed)
    placing = _sample(reference, rng, _BINNED_USERS)
    bins = [bin_reference(placing.values[:, j]) for j in range(len(names))]
    observed = _observed(reference, current, bins)
    null = _null(reference, current, bins, rng)
    centre, spread = null.mean(axis=0), np.maximum(null.std(axis=0), 1e-9)
    largest = ((null - centre) / spread).max(axis=1)
    p_values = _p_values((observed - centre) / spread, largest)
    effects = np.sqrt(np.maximum(observed - centre, 0.0))
    least = Thresholds.default(len(names)) if thresholds is None else thresholds
    found = (np.sqrt(observed), effects, p_values, least.watch, least.act)
    columns = [
        _judge(name, *map(float, numbers))
        for name, numbers in zip(names, np.column_stack(found), strict=True)
    ]
    return sorted(columns, key=lambda column: -column.effect)


def _judge(
    name: str, distance: float, effect: float, p: float, watch_at: float, act_at: float
) -> ColumnDrift:
    return ColumnDrift(
        name=name,
        distance=distance,
        effect=effect,
        p_value=p,
        watch_at=watch_at,
        act_at=act_at,
        is_act=effect >= act_at and p <= ACT_LEVEL,
        is_watch=effect >= watch_at and p <= WATCH_LEVEL,
    )


def _sample(population: Population, rng: np.random.Generator, most: int) -> Population:
    if len(population.users) <= most:
        return population
    chosen = np.sort(rng.choice(len(population.users), most, replace=False))
    return Population(population.users[chosen], population.values[chosen])


def _observed(
    reference: Population, current: Population, bins: Sequence[Bins]
) -> NDArray[np.float64]:
    """Jensen-Shannon divergence of each column, over all users."""
    result = np.empty(len(bins))
    for column, each in enumerate(bins):
        shares = [
            np.bincount(each.codes(side.values[:, column]), minlength=each.count) / len(side.users)
            for side in (reference, current)
        ]
        result[column] = _divergence_terms(*shares).sum()
    return result


def _null(
    reference: Population, current: Population, bins: Sequence[Bins], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Divergences that random splits of the users give, [splits, columns].

    The divergence of two samples of one population falls as 1/n + 1/m, so that what was measured
    on a part of the users is scaled to all of them.
    """
    few = [_sample(side, rng, MAXIMUM_USERS) for side in (reference, current)]
    every = sum(1 / len(side.users) for side in (reference, current))
    part = sum(1 / len(side.users) for side in few)
    splits = _user_splits(few[0], few[1], rng)
    return _divergences(few[0], few[1], bins, splits) * (every / part)


def _user_splits(
    reference: Population, current: Population, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """[splits, rows of both sides]: who counts as reference.

    All rows of a user fall on one side, and the sides keep the sizes they really have.
    """
    users = np.concatenate([reference.users, current.users])
    _, user_of = np.unique(users, return_inverse=True)
    count = int(user_of.max()) + 1
    share = round(count * len(reference.users) / len(users))
    member = np.zeros((_SPLITS, len(users)), dtype=np.bool_)
    for split in member:
        chosen = np.zeros(count, dtype=np.bool_)
        chosen[rng.permutation(count)[:share]] = True
        split[:] = chosen[user_of]
    return member


def _divergences(
    reference: Population,
    current: Population,
    bins: Sequence[Bins],
    splits: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Jensen-Shannon divergences under random splits, [splits, columns]."""
    member = splits.astype(np.float32)
    sizes = member.sum(axis=1, keepdims=True), (1 - member).sum(axis=1, keepdims=True)
    result = np.empty((len(member), len(bins)))
    for start, stop in _chunks(bins):
        one_hot, columns = _one_hot(reference, current, bins, start, stop)
        first = member @ one_hot
        second = one_hot.sum(axis=0) - first
        cells = _divergence_terms(first / sizes[0], second / sizes[1])
        result[:, start:stop] = np.add.reduceat(cells, columns, axis=1)
    return result


def _chunks(bins: Sequence[Bins]) -> list[tuple[int, int]]:
    """Ranges of columns that together have at most about `_CELLS_AT_ONCE` bins."""
    ends = np.cumsum([each.count for each in bins])
    group = ends // _CELLS_AT_ONCE
    borders = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(bins)]
    return list(pairwise(borders))


def _one_hot(
    reference: Population, current: Population, bins: Sequence[Bins], start: int, stop: int
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Which bin each row is in, [rows, bins of the columns], and where each column begins."""
    begins = np.cumsum([0, *(each.count for each in bins[start:stop])])
    rows = len(reference.users) + len(current.users)
    one_hot = np.zeros((rows, int(begins[-1])), dtype=np.float32)
    for offset, column in zip(begins[:-1], range(start, stop), strict=True):
        values = np.concatenate([reference.values[:, column], current.values[:, column]])
        one_hot[np.arange(rows), offset + bins[column].codes(values)] = 1.0
    return one_hot, begins[:-1]


def _divergence_terms(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Each bin's share of the Jensen-Shannon divergence, in nats."""
    both = _entropy_terms((first + second) / 2) * 2
    terms: NDArray[np.floating] = (both - _entropy_terms(first) - _entropy_terms(second)) / 2
    return terms


def _entropy_terms(shares: NDArray[np.floating]) -> NDArray[np.floating]:
    terms: NDArray[np.floating] = -shares * np.log(np.where(shares > 0, shares, 1.0))
    return terms


def _p_values(statistics: NDArray[np.float64], largest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of splits whose largest statistic reaches each column's; the truth counts as one."""
    below = np.searchsorted(np.sort(largest), statistics, side="left")
    return (1 + len(largest) - below) / (1 + len(largest))
