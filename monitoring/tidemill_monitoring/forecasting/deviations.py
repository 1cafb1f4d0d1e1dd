"""How far a count is from its expectation, in probabilities that hold for small counts too.

A count is taken as negative binomial: Poisson around a rate that itself varies by a spread, which
is measured on past forecasts. The tail is then read from Student's t, because that spread is known
from a limited number of days only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri, stdtr, stdtrit

Numbers = NDArray[np.float64]

LEAST_SPREAD = 0.05
"""+-5% is ordinary business, however regular the past was."""
_QUANTILE, _NORMAL = 0.8, 1.2815515655446004
"""A spread is read off the 80% quantile: a fifth of the past may be holidays and outages."""
_UPPER_QUANTILE, _UPPER_NORMAL = 0.95, 1.6448536269514722
_LARGEST_SPREAD = 5.0
_UNKNOWN_SPREAD = 0.3
"""Until a forecast was ever compared with what came."""


def spread_of(observed: Numbers, expected: Numbers, usable: NDArray[np.bool_]) -> Numbers:
    """[names]: spread of the rate around its forecast, from past pairs [names, pairs].

    What Poisson noise explains is not counted. NaN where nothing is usable.
    """
    return _solve(_scaled(observed, expected), expected, usable, _QUANTILE, _NORMAL)


def upper_spread_of(observed: Numbers, expected: Numbers, usable: NDArray[np.bool_]) -> Numbers:
    """The same for rises: campaigns and batches make high days more usual than low ones."""
    rises = np.maximum(_scaled(observed, expected), 0.0)
    return _solve(rises, expected, usable, _UPPER_QUANTILE, _UPPER_NORMAL)


def lower_spread_of(observed: Numbers, expected: Numbers, usable: NDArray[np.bool_]) -> Numbers:
    """As `upper_spread_of`, for falls."""
    falls = np.minimum(_scaled(observed, expected), 0.0)
    return _solve(falls, expected, usable, _UPPER_QUANTILE, _UPPER_NORMAL)


def pool(own: Numbers, own_days: Numbers | float, pooled_days: Numbers | float) -> Numbers:
    """[names]: few days tell a spread badly: a variance below the typical one moves up towards it.

    `own_days` and `pooled_days` say what a name's own spread and the typical one are worth.
    """
    if np.isnan(own).all():
        return np.full(len(own), _UNKNOWN_SPREAD)
    typical = float(np.nanmedian(own))
    own = np.where(np.isnan(own), typical, own)
    total = own_days * np.square(own) + pooled_days * typical**2
    pooled: Numbers = np.sqrt(total / (own_days + pooled_days))
    return np.maximum(own, pooled)


def lower_tail(observed: Numbers, expected: Numbers, spread: Numbers, freedom: Numbers) -> Numbers:
    """Probability of a count as low as this, or lower."""
    p: Numbers = stdtr(freedom, _normal_of(_cdf(observed, expected, spread)))
    return p


def upper_tail(observed: Numbers, expected: Numbers, spread: Numbers, freedom: Numbers) -> Numbers:
    """Probability of a count as high as this, or higher."""
    above = 1.0 - _cdf(observed - 1.0, expected, spread)
    # Rates that jump have a longer upper tail than the negative binomial: that of a lognormal.
    jump = np.log((observed + 0.5) / (expected + 0.5)) / np.hypot(spread, 1 / np.sqrt(expected))
    p: Numbers = stdtr(freedom, np.maximum(_normal_of(above), -np.maximum(jump, 0.0)))
    return p


def usual_range(
    expected: Numbers, spread: Numbers, upper_spread: Numbers, freedom: Numbers, share: float
) -> tuple[Numbers, Numbers]:
    """Lower and upper counts between which `share` of days lie."""
    reach = stdtrit(freedom, 0.5 + share / 2)
    root = 2 * np.sqrt(expected + 0.375)
    low = root - reach * np.sqrt(1 + np.square(spread) * expected)
    high = root + reach * np.sqrt(1 + np.square(upper_spread) * expected)
    return (
        np.maximum(0.0, np.square(np.maximum(low, 0) / 2) - 0.375),
        np.square(high / 2) - 0.375,
    )


def _scaled(observed: Numbers, expected: Numbers) -> Numbers:
    """Anscombe's square root: standard deviation 1 under Poisson."""
    return 2 * (np.sqrt(observed + 0.375) - np.sqrt(expected + 0.375))


def _cdf(observed: Numbers, expected: Numbers, spread: Numbers) -> Numbers:
    shape = 1 / np.square(spread)
    inside = betainc(shape, np.maximum(observed, 0) + 1, shape / (shape + expected))
    return np.where(observed < 0, 0.0, inside)


def _normal_of(probability: Numbers) -> Numbers:
    z: Numbers = ndtri(np.clip(probability, 1e-300, 1 - 1e-16))
    return z


def _solve(
    deviation: Numbers,
    expected: Numbers,
    usable: NDArray[np.bool_],
    quantile: float,
    normal: float,
) -> Numbers:
    """The spread at which the quantile of |deviation| is the normal one, by bisection."""
    size = np.abs(deviation)
    low = np.zeros(len(size))
    high = np.full(len(size), _LARGEST_SPREAD)
    rank = np.maximum(np.ceil(quantile * usable.sum(axis=1)).astype(np.int64) - 1, 0)[:, None]
    for _ in range(20):
        middle = (low + high) / 2
        scaled = size / np.sqrt(1 + np.square(middle)[:, None] * expected)
        ordered = np.sort(np.where(usable, scaled, np.inf), axis=1)
        too_small = np.take_along_axis(ordered, rank, axis=1)[:, 0] > normal
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return np.where(usable.any(axis=1), np.maximum(high, LEAST_SPREAD), np.nan)
