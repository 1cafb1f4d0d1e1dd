"""Daily looks at a planned experiment: a group-sequential test by alpha spending.

The statistic of accumulating independent units, times the root of its share of the planned ones,
is a Brownian motion seen at the looks. Each look may spend a little of alpha; how much is settled
by the share alone (Lan and DeMets 1983, "Discrete Sequential Boundaries for Clinical Trials"), so
looks need no schedule. The critical values follow by recursive integration (Armitage, McPherson and
Rowe 1969; Jennison and Turnbull 2000, chapter 19). Little is spent early: the power at the planned
size is nearly that of a single look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri

from tidemill_monitoring.experiments.moments import Array

_FAR = 9.0
"""Standard deviations beyond which a motion is not followed."""
_LEAST = 1e-14
"""Alpha that is too little to be spent."""
_FINEST = 1000


@dataclass(frozen=True)
class _Inside:
    """Where a motion is that has not left the boundaries: masses at places."""

    at: float
    places: Array
    masses: Array


_START = _Inside(0.0, np.zeros(1), np.ones(1))


Spending = Callable[[Array, float], Array]
"""(shares [...] of the planned units, two-sided alpha) to the alpha spent by then."""


def obrien_fleming(shares: Array, alpha: float) -> Array:
    """Lan and DeMets' function that resembles O'Brien and Fleming 1979."""
    spent: Array = 4 * ndtr(ndtri(alpha / 4) / np.sqrt(np.clip(shares, 1e-12, 1)))
    return spent


def late(shares: Array, alpha: float) -> Array:
    """Of the power family of Kim and DeMets 1987: little before the end."""
    return alpha * np.clip(shares, 0, 1) ** 20


def critical_values(
    shares: Sequence[float], alpha: float, spending: Spending = obrien_fleming
) -> Array:
    """Critical values [looks] of |z| at strictly increasing `shares` of the planned units.

    The first look at the whole plan or beyond spends what is left, whatever the excess; later looks
    spend nothing, their critical values are infinite.
    """
    return np.array(_critical_values(tuple(shares), alpha, spending))


@lru_cache(maxsize=512)
def _critical_values(
    shares: tuple[float, ...], alpha: float, spending: Spending
) -> tuple[float, ...]:
    allowed = np.diff(spending(np.array(shares), alpha), prepend=0)
    inside, found = _START, []
    for at, allowance, step in zip(shares, allowed, _finest_steps(shares), strict=True):
        bound = _bound(inside, at, float(allowance))
        inside = _staying(inside, at, bound, 0.0, step)
        found.append(bound / np.sqrt(at))
    return tuple(found)


def crossing_probabilities(shares: Sequence[float], critical: Array, drift: float) -> Array:
    """[looks] probability that |z| has exceeded `critical` [looks] by then.

    `drift` is the statistic's mean at the planned size: the effect over its standard error there.
    """
    inside, left = _START, []
    steps = _finest_steps(shares)
    for at, value, step in zip(shares, critical, steps, strict=True):
        bound = float(value) * np.sqrt(at)
        left.append(_leaving(inside, at, bound, drift))
        inside = _staying(inside, at, bound, drift, step)
    return np.cumsum(left)


def _bound(inside: _Inside, at: float, allowance: float) -> float:
    """Where a motion leaves with probability `allowance`."""
    if allowance < _LEAST:
        return np.inf
    low, high = 0.0, -float(ndtri(allowance / 2)) * float(np.sqrt(at))
    for _ in range(32):
        middle = (low + high) / 2
        if _leaving(inside, at, middle, 0.0) > allowance:
            low = middle
        else:
            high = middle
    return high


def _leaving(inside: _Inside, at: float, bound: float, drift: float) -> float:
    spread = np.sqrt(at - inside.at)
    moved = inside.places + drift * (at - inside.at)
    beyond = ndtr((moved - bound) / spread) + ndtr((-bound - moved) / spread)
    return float(inside.masses @ beyond)


def _staying(inside: _Inside, at: float, bound: float, drift: float, finest: float) -> _Inside:
    """The motion at the next look, on Gauss-Legendre nodes closer together than any step."""
    limit = min(bound, _FAR * np.sqrt(at) + abs(drift) * at)
    nodes, weights = _legendre(int(np.clip(np.ceil(4 * limit / finest), 32, _FINEST)))
    spread = np.sqrt(at - inside.at)
    moved = inside.places + drift * (at - inside.at)
    places = limit * nodes
    density = np.exp(-0.5 * ((places[:, None] - moved) / spread) ** 2) @ inside.masses
    return _Inside(at, places, density * weights * limit / (spread * np.sqrt(2 * np.pi)))


def _finest_steps(shares: Sequence[float]) -> Iterator[float]:
    """For each look, the standard deviation of the smaller of the steps to it and from it."""
    steps = np.sqrt(np.diff(np.array(shares), prepend=0.0))
    yield from np.minimum(steps, np.append(steps[1:], np.inf))


@lru_cache(maxsize=128)
def _legendre(count: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights
