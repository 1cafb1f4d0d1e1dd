"""Series for `benchmarks/alerts.py`: clean ones of several shapes, whose noise is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Factors = Callable[[np.random.Generator, int], Numbers]
"""(random numbers, days) to factors of the level, [days]."""


def weekly(rng: np.random.Generator, days: int) -> Numbers:
    """The busiest weekday has several times the quietest."""
    of_week: Numbers = np.exp(rng.normal(0, 0.4, 7))
    rhythm: Numbers = of_week[np.arange(days) % 7]
    return rhythm


def closed_sundays(_: np.random.Generator, days: int) -> Numbers:
    """Nothing at all on one day of the week."""
    return np.where(np.arange(days) % 7 == 6, 0.0, 1.0)


def trend(rng: np.random.Generator, days: int) -> Numbers:
    """Up to 18% growth, or loss, in four weeks."""
    growth: Numbers = np.exp(rng.uniform(-0.006, 0.006) * (np.arange(days) - days))
    return growth


def year(rng: np.random.Generator, days: int) -> Numbers:
    """A season of +-40% from summer to winter."""
    return np.exp(0.4 * np.sin(2 * np.pi * (np.arange(days) / 365 + rng.random())))


def noise(spread: float) -> Factors:
    """Days vary by so much beyond Poisson."""
    return lambda rng, days: np.exp(rng.normal(0, spread, days))


def heavy(rng: np.random.Generator, days: int) -> Numbers:
    """Laplace noise: a typical day is within 4%, one in a hundred is off by 30%."""
    return np.exp(rng.laplace(0, 0.06, days))


def persistent(rng: np.random.Generator, days: int) -> Numbers:
    """Good and bad weeks: an autoregression with 0.8 from day to day and a spread of 10%."""
    level = np.zeros(days)
    for day in range(1, days):
        level[day] = 0.8 * level[day - 1] + rng.normal(0, 0.06)
    return np.exp(level)


def drifting(rng: np.random.Generator, days: int) -> Numbers:
    """The level walks by 2% a day."""
    return np.exp(np.cumsum(rng.normal(0, 0.02, days)))


def promotions(rng: np.random.Generator, days: int) -> Numbers:
    """Three days of +80%, once a month on average, for all events alike."""
    begins = rng.random(days) < 1 / 30
    return np.where(np.convolve(begins, np.ones(3))[:days] > 0, 1.8, 1.0)


@dataclass(frozen=True)
class Shape:
    """How a series is made."""

    level: float
    """Events a day."""
    factors: tuple[Factors, ...]
    spread: float = 0.0
    """Of single days around what the past can tell, beyond Poisson: what an oracle has to allow."""

    def draw(self, rng: np.random.Generator, days: int) -> Numbers:
        """Counts [days]."""
        rate = np.full(days, self.level)
        for factor in self.factors:
            rate = rate * factor(rng, days)
        return rng.poisson(rate).astype(np.float64)


SHAPES: Mapping[str, Shape] = {
    "stationary": Shape(1000, ()),
    "weekly": Shape(1000, (weekly,)),
    "weekly, trending": Shape(1000, (weekly, trend)),
    "weekly, yearly season": Shape(1000, (weekly, year)),
    "closed one day a week": Shape(1000, (closed_sundays,)),
    "weekly, noise 5%": Shape(1000, (weekly, noise(0.05)), 0.05),
    "weekly, noise 10%": Shape(1000, (weekly, noise(0.1)), 0.1),
    "weekly, noise 20%": Shape(1000, (weekly, noise(0.2)), 0.2),
    "weekly, heavy tails": Shape(1000, (weekly, heavy), 0.085),
    "good and bad weeks": Shape(1000, (weekly, persistent), 0.06),
    "drifting": Shape(1000, (weekly, drifting), 0.02),
    "promotions": Shape(1000, (weekly, noise(0.05), promotions), 0.05),
    "weekly, 200 a day": Shape(200, (weekly,)),
    "weekly, 100 a day": Shape(100, (weekly,)),
    "weekly, 30 a day": Shape(30, (weekly,)),
    "weekly, 3 a day": Shape(3, (weekly,)),
}
