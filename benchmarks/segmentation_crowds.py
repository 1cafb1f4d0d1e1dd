"""Simulated users of whom it is known whether there are kinds of them, and which.

Points are as the clustering sees them. Tables are as features hold them: counts, values and days
since the last event over 112 days of simulated events, in two periods of the same users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.objective.segmenting import Measure
from tidemill_pipelines.segmenting.factors import FactorColumn
from tidemill_pipelines.segmenting.scaling import FARTHEST, Scaling

Numbers = NDArray[np.float64]
DAYS = 112


@dataclass(frozen=True)
class Crowd:
    """Users to look for segments among."""

    points: NDArray[np.float32]
    older: NDArray[np.float32] | None
    kinds: NDArray[np.int64] | None
    """The truth; None where there are no kinds."""
    best: NDArray[np.int64] | None
    """The division of the Bayes rule, which knows the kinds; None where it is not known."""


Maker = Callable[[int, int, np.random.Generator], Crowd]
"""From a number of users, a number of factors and a source of chance."""


def noise(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    return _single(rng.normal(size=(users, factors)))


def uniform(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    return _single(rng.random((users, factors)))


def correlated(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    mixing = rng.normal(size=(factors, factors))
    return _single(rng.normal(size=(users, factors)) @ mixing)


def long(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    """From light to heavy users, without a gap."""
    activity = rng.normal(size=(users, 1))
    return _single(activity + 0.3 * rng.normal(size=(users, factors)))


def skewed(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    activity = rng.normal(size=(users, 1))
    return _single(np.exp(0.8 * activity + 0.4 * rng.normal(size=(users, factors))))


def heavy_tailed(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    return _single(rng.standard_t(3, size=(users, factors)))


def bow(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    """Half a ring, with noise around it."""
    angle = np.pi * rng.random(users)
    points = 0.2 * rng.normal(size=(users, factors))
    points[:, 0] += np.cos(angle)
    points[:, 1] += np.sin(angle)
    return _single(points)


def alike(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    """Everybody buys at the same rates, and not often: many have never bought."""
    return _table(np.full((users, _events(factors)), 2.0), factors, rng)


def active(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    """Rates are spread continuously, and those of different events go together."""
    activity = rng.gamma(1.5, 4.0, size=(users, 1))
    return _table(activity * rng.gamma(4, 0.25, size=(users, _events(factors))), factors, rng)


def rare(users: int, factors: int, rng: np.random.Generator) -> Crowd:
    """Most never buy; those who do are no other people."""
    return _table(rng.gamma(0.5, 1.0, size=(users, _events(factors))), factors, rng)


def buyers(kinds: int) -> Maker:
    """Each kind buys some things often and others rarely, in a pattern of its own."""

    def make(users: int, factors: int, rng: np.random.Generator) -> Crowd:
        events = _events(factors)
        patterns = np.array([[number >> bit & 1 for bit in range(events)] for number in range(8)])
        usual = np.where(patterns[rng.permutation(2**events)[:kinds]], 40.0, 4.0)
        kind = rng.integers(kinds, size=users)
        rates = usual[kind] * rng.gamma(16, 1 / 16, size=(users, events))
        return _table(rates, factors, rng, kind)

    return make


def _single(points: Numbers) -> Crowd:
    return Crowd(standardised(points, points.std(axis=0)), None, None, None)


def standardised(points: Numbers, scale: Numbers) -> NDArray[np.float32]:
    """As training does it: `scale` [factors] are standard deviations."""
    scaled = (points - points.mean(axis=0)) / scale
    return np.clip(scaled, -FARTHEST, FARTHEST).astype(np.float32)


def _events(factors: int) -> int:
    """Three events; one factor each, or three of each."""
    return max(1, min(3, factors))


def _table(
    rates: Numbers,
    factors: int,
    rng: np.random.Generator,
    kinds: NDArray[np.int64] | None = None,
) -> Crowd:
    measures: list[Measure] = ["count", "value", "recency"]
    columns = [
        FactorColumn(f"{measures[at // 3]} {at % 3}", measures[at // 3], str(at % 3), "", "")
        for at in range(factors)
    ]
    periods = [_measured(rates, columns, rng) for _ in range(2)]
    (now, counts), (before, _) = periods
    scaling = Scaling.fit(now, counts, columns, rng)
    return Crowd(
        scaling.spread(now, columns, rng), scaling.spread(before, columns, rng), kinds, None
    )


def _measured(
    rates: Numbers, columns: list[FactorColumn], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factors and the counts behind them, [users, factors] each."""
    count = rng.poisson(rates)
    price = np.exp(rng.normal(2, 0.7, size=count.shape) / np.sqrt(np.maximum(count, 1)))
    last = DAYS * (1 - rng.random(count.shape) ** (1 / np.maximum(count, 1)))
    by_measure = {
        "count": count.astype(np.float64),
        "value": count * price,
        "recency": np.where(count > 0, last, np.nan),
    }
    raw = [by_measure[each.measure][:, at % 3] for at, each in enumerate(columns)]
    behind = [count[:, at % 3] for at in range(len(columns))]
    return np.column_stack(raw).astype(np.float32), np.column_stack(behind).astype(np.float32)
