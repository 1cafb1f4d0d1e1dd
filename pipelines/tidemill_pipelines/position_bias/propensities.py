"""How likely an item is looked at where it stands, relative to the first position.

The position-based model: P(click) = P(looked at | position) x P(interest | user and item). Within
a stratum the interest is the same everywhere, so its clicks fall on its positions in proportion to
showings times propensity: a conditional Poisson likelihood, in which the interest has cancelled
out. It uses every pair of positions at once, those of randomised swaps (Joachims, Swaminathan and
Schnabel 2017, "Unbiased Learning-to-Rank with Biased Feedback") and those that came about by
themselves (Agarwal et al. 2019, "Estimating Position Bias without Intrusive Interventions"), and
stays consistent where clicks are not Poisson (Wooldridge 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.position_bias.counts import Counts

Floats = NDArray[np.float64]

_PRIOR_CLICKS = 1.0
"""Strength of the prior that a position is as good as the first, in clicks: it keeps a position
without clicks finite, and is nothing beside the clicks that the gate asks for."""
_STEPS = 100
_LONGEST_STEP = 2.0
"""Of a logarithm, at a time: the likelihood is flat far from its maximum."""
_PRECISE = 1e-8


@dataclass(frozen=True)
class Propensities:
    """P(looked at | position) relative to position 1, for positions 1, 2, ..."""

    values: Floats
    """[positions]; the first is 1, none is larger than the one before."""
    covariance: Floats
    """[positions, positions], of the logarithms as they were estimated; 0 for the first."""
    swap_clicks: int
    """Clicks it rests on: those on what stood elsewhere than usual."""
    kept: float
    """How much of the estimated bias was kept, 0 for none of it and 1 for all."""


def estimate(counts: Counts) -> Propensities:
    """Propensities from what `counts` has been compared, smoothed.

    Estimated by conditional likelihood, made to fall with the position (isotonic regression), and
    shrunk toward "no bias" by as much as chance alone would explain: with z the Wald statistic of
    the estimate against no bias and d its degrees of freedom, max(0, 1 - d / z) of it is kept (in
    the manner of James and Stein 1961). Positions that were never compared get the one before.
    """
    clicks = counts.swap_clicks
    comparable = counts.comparable()
    last = int(comparable.positions.max(initial=1))
    raw, information = _fit(comparable, last)
    covariance = _inverse(information)
    logs = isotonic(raw, np.maximum(np.diag(information) - _PRIOR_CLICKS, 0))
    kept = _share_kept(raw, covariance, len(np.unique(comparable.positions)) - 1)
    values = np.exp(np.minimum(logs - logs[0], 0) * kept)
    return Propensities(values, covariance, clicks, kept)


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The nearest falling sequence, by weighted squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        block = (float(value), float(weight) + 1e-12, 1)
        while blocks and blocks[-1][0] <= block[0]:
            block = _pooled(blocks.pop(), block)
        blocks.append(block)
    return np.repeat([value for value, _, _ in blocks], [size for _, _, size in blocks])


def kish(weights: Floats) -> float:
    """How many equally weighted observations are worth as much (Kish 1965)."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def _fit(counts: Counts, last: int) -> tuple[Floats, Floats]:
    """Log propensities [last], the first 0, and their information matrix, by Newton's method."""
    logs = np.zeros(last)
    value, gradient, information = _likelihood(counts, logs)
    for _ in range(_STEPS):
        step = np.zeros(last)
        step[1:] = np.linalg.solve(information[1:, 1:], gradient[1:])
        size = min(1.0, _LONGEST_STEP / max(np.abs(step).max(), 1e-12))
        while (reached := _likelihood(counts, logs + size * step))[0] < value - 1e-12:
            size /= 2
        logs = logs + size * step
        value, gradient, information = reached
        if np.abs(size * step).max() < _PRECISE:
            break
    return logs, information


def _likelihood(counts: Counts, logs: Floats) -> tuple[float, Floats, Floats]:
    """Log likelihood with the prior, its gradient and its negated second derivative."""
    at, width = counts.positions - 1, len(logs)
    rate = counts.shown * np.exp(logs[at])
    total = np.bincount(counts.strata, rate)
    clicks: Floats = np.bincount(counts.strata, counts.clicked).astype(np.float64)
    share = rate / total[counts.strata]
    expected = np.bincount(at, clicks[counts.strata] * share, width)
    happened = np.bincount(at, counts.clicked, width)
    prior = _PRIOR_CLICKS * np.exp(logs)
    value = happened @ logs - clicks @ np.log(total) + (_PRIOR_CLICKS * logs - prior).sum()
    gradient = happened - expected + _PRIOR_CLICKS - prior
    information: Floats = np.diag(expected + prior)
    information -= _products(counts, share, clicks, width)
    return float(value), gradient, information


def _products(counts: Counts, share: Floats, clicks: Floats, width: int) -> Floats:
    """Sum over strata of clicks x share x share', [width, width]."""
    total = np.zeros((width, width))
    order = np.argsort(counts.strata, kind="stable")
    starts = np.searchsorted(counts.strata[order], np.arange(0, len(clicks) + _CHUNK, _CHUNK))
    for chunk, (start, end) in enumerate(pairwise(starts)):
        rows = order[start:end]
        block = clicks[chunk * _CHUNK : (chunk + 1) * _CHUNK]
        dense = np.zeros((len(block), width))
        dense[counts.strata[rows] - chunk * _CHUNK, counts.positions[rows] - 1] = share[rows]
        total += dense.T @ (dense * block[:, None])
    return total


_CHUNK = 100_000
"""Strata at a time: a dense block of them takes 40 MB."""


def _inverse(information: Floats) -> Floats:
    covariance = np.zeros_like(information)
    covariance[1:, 1:] = np.linalg.inv(information[1:, 1:])
    return covariance


def _share_kept(logs: Floats, covariance: Floats, freedom: int) -> float:
    if freedom < 1:
        return 0.0
    wald = float(logs[1:] @ np.linalg.solve(covariance[1:, 1:], logs[1:]))
    return max(0.0, 1 - freedom / wald) if wald > 0 else 0.0


def _pooled(a: tuple[float, float, int], b: tuple[float, float, int]) -> tuple[float, float, int]:
    weight = a[1] + b[1]
    return (a[0] * a[1] + b[0] * b[1]) / weight, weight, a[2] + b[2]
