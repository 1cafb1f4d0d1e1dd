"""Simulated experiments as their daily sums: thousands at once, unit by unit where tails matter.

A population is a table of units that are drawn with replacement, so its truth is known exactly:
skewed, heavy-tailed and correlated with the past as real units are. Units with nothing but zeros
are only counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.experiments.moments import Array, Moments
from tidemill_monitoring.experiments.winsorising import winsorised, winsorising_cap

POPULATION = 200_000
WEEK = np.array([1.1, 1.1, 1.1, 1.1, 1.1, 0.8, 0.7])
"""Weekdays are busier than weekends."""
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Population:
    """Units of one arm."""

    rows: Array
    """[units, columns] those with any value other than zero."""
    share: float = 1.0
    """Of all units."""

    @property
    def moments(self) -> Moments:
        """Of a million units, exactly as expected."""
        size, scale = 1e6, 1e6 * self.share / len(self.rows)
        found = Moments.of(self.rows)
        return Moments(
            np.asarray(size),
            found.active * scale,
            found.sums * scale,
            found.products * scale,
            found.fourths * scale,
        )


Stream = Callable[[float], Population]
"""Relative lift to the population that has it."""


def conversion(share: float) -> Stream:
    """A share of units converts; a lift makes it more of them."""
    return lambda lift: Population(np.ones((1, 1)), share * (1 + lift))


def revenue(share: float, sigma: float, quantile: float | None) -> Stream:
    """Log-normal orders of a share of units, winsorised; a lift makes it more of them."""
    rng = np.random.default_rng(1)
    orders = rng.lognormal(3, sigma, (POPULATION, 1))
    if quantile is not None:
        orders = winsorised(orders, winsorising_cap(orders, quantile))
    return lambda lift: Population(orders, share * (1 + lift))


def ratio() -> Stream:
    """Clicks per view: from one to fifty views of users with different tastes for clicking."""
    rng = np.random.default_rng(2)
    views = 1 + rng.negative_binomial(1, 0.2, POPULATION)
    taste = rng.beta(2, 18, POPULATION)

    def with_lift(lift: float) -> Population:
        clicks = np.random.default_rng(3).binomial(views, np.minimum(1, taste * (1 + lift)))
        return Population(np.column_stack([clicks, views]).astype(np.float64))

    return with_lift


def habit(mean: float, rho: float) -> Stream:
    """Counts of events, and the same before: users differ, gamma distributed, and stay so."""
    rng = np.random.default_rng(4)
    scale = rho / (1 - rho)
    rates = rng.gamma(mean / scale, scale, POPULATION)
    before = rng.poisson(rates)

    def with_lift(lift: float) -> Population:
        counts = np.random.default_rng(5).poisson(rates * (1 + lift))
        return Population(np.column_stack([counts, before]).astype(np.float64))

    return with_lift


def arrivals(a_day: float, days: int) -> NDArray[np.int64]:
    """[days] units exposed on each day."""
    return np.round(a_day * WEEK[np.arange(days) % 7]).astype(np.int64)


def simulate(rng: np.random.Generator, population: Population, units: NDArray[np.int64]) -> Moments:
    """Sums of each cell of `units` [experiments, days], not cumulated."""
    active = rng.binomial(units, population.share)
    columns = population.rows.shape[1]
    if len(population.rows) == 1:
        sums = active[..., None] * population.rows[0]
        once = active * 1.0
        return Moments(units * 1.0, once, sums, sums[..., None] * population.rows[0], once)
    upper = np.triu_indices(columns)
    table = np.hstack(
        [population.rows, population.rows[:, upper[0]] * population.rows[:, upper[1]]]
    )
    first = population.rows[:, :1]
    drawn = _drawn_sums(rng, np.hstack([table, first**4, first != 0]), active)
    products = np.empty((*units.shape, columns, columns))
    products[..., upper[0], upper[1]] = drawn[..., columns:-2]
    products[..., upper[1], upper[0]] = drawn[..., columns:-2]
    sums, fourths = drawn[..., :columns], drawn[..., -2]
    return Moments(units * 1.0, drawn[..., -1], sums, products, fourths)


def _drawn_sums(rng: np.random.Generator, table: Array, counts: NDArray[np.int64]) -> Array:
    """Sums [..., columns] of as many rows of the table, drawn with replacement, as counted."""
    flat = counts.ravel()
    found = np.zeros((len(flat), table.shape[1]))
    ends = np.cumsum(flat)
    start = 0
    while start < len(flat):
        drawn_before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, drawn_before + _CHUNK)))
        some = flat[start:stop]
        rows = rng.integers(0, len(table), int(some.sum()))
        firsts = np.cumsum(some) - some
        filled = some > 0
        for column in range(table.shape[1] if len(rows) else 0):
            values = table[:, column].copy()[rows]
            found[start:stop][filled, column] = np.add.reduceat(values, firsts[filled])
        start = stop
    return found.reshape(*counts.shape, -1)
