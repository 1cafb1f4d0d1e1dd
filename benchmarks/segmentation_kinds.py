"""Simulated users of several kinds, as near to each other as a case says, and the best division.

Each kind is a normal crowd. How far two are apart is measured along the direction in which they
are told apart best, in standard deviations (Mahalanobis, by the mean of both covariances).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from segmentation_crowds import Crowd, Maker, Numbers, standardised

Shape = Literal["round", "long", "own"]
"""Round; or three times as long as wide, slanted: all alike, or each kind in its own way."""
_LEAST_SHARE = 0.05
_CLOSE = 0.5
_THIN = 1 / 3


class _Kinds(NamedTuple):
    centres: Numbers
    """[kinds, factors]."""
    spread: Numbers
    """[kinds, factors, factors], covariances."""
    shares: Numbers


def planted(
    kinds: int, shape: Shape = "round", *, uneven: bool = False, apart: float = 5.0
) -> Maker:
    """The two nearest kinds are little more than `apart` standard deviations from each other."""

    def make(users: int, factors: int, rng: np.random.Generator) -> Crowd:
        truth = _kinds(kinds, factors, shape, uneven, apart, rng)
        kind = rng.choice(kinds, users, p=truth.shares)
        roots = np.linalg.cholesky(truth.spread)[kind]
        now, before = (
            truth.centres[kind] + np.einsum("nij,nj->ni", roots, rng.normal(size=(users, factors)))
            for _ in range(2)
        )
        scale = now.std(axis=0)
        return Crowd(
            standardised(now, scale), standardised(before, scale), kind, _bayes(now, truth)
        )

    return make


def _kinds(
    kinds: int, factors: int, shape: Shape, uneven: bool, apart: float, rng: np.random.Generator
) -> _Kinds:
    shared = _covariance(factors, shape, rng)
    spread = np.stack(
        [_covariance(factors, shape, rng) if shape == "own" else shared for _ in range(kinds)]
    )
    shares = rng.dirichlet(np.full(kinds, 4.0)) if uneven else np.full(kinds, 1 / kinds)
    shares = np.maximum(shares, _LEAST_SHARE)
    width = _CLOSE
    while True:
        centres = rng.normal(size=(kinds, factors)) * width
        if _nearest(centres, spread) >= apart:
            return _Kinds(centres, spread, shares / shares.sum())
        width *= 1.02


def _covariance(factors: int, shape: Shape, rng: np.random.Generator) -> Numbers:
    if shape == "round":
        return np.eye(factors)
    axes, _ = np.linalg.qr(rng.normal(size=(factors, factors)))
    lengths = np.exp(rng.uniform(np.log(_THIN), 0, size=factors))
    lengths[0], lengths[-1] = 1, _THIN
    return np.asarray((axes * lengths**2) @ axes.T)


def _nearest(centres: Numbers, spread: Numbers) -> float:
    """How far the two nearest kinds are apart."""
    found = []
    for first in range(len(centres)):
        for second in range(first):
            line = centres[first] - centres[second]
            between = np.linalg.solve((spread[first] + spread[second]) / 2, line)
            found.append(float(np.sqrt(line @ between)))
    return min(found)


def _bayes(points: Numbers, truth: _Kinds) -> NDArray[np.int64]:
    """The likeliest kind of each user: who knows the kinds can do no better."""
    scores = []
    for centre, spread, share in zip(*truth, strict=True):
        away = points - centre
        squares = np.einsum("ni,ni->n", away @ np.linalg.inv(spread), away)
        scores.append(np.log(share) - (np.linalg.slogdet(spread)[1] + squares) / 2)
    return np.asarray(np.stack(scores).argmax(axis=0))
