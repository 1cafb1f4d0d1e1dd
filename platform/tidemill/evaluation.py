"""How good a set of scores is, and whether one set is better than another.

Numpy only, because the gate, the monitors and the benchmarks must mean the same by a number.
Labels are bool [n], scores float [n] where higher means more likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.bool_]
Scores = NDArray[np.floating]


def roc_auc(labels: Labels, scores: Scores, weights: NDArray[np.floating] | None = None) -> float:
    """Probability that a positive outranks a negative, ties counting half; NaN without both.

    Equals the Mann-Whitney statistic (Hanley & McNeil 1982). `weights` count each row that often.
    """
    ranking = _Ranking.of(labels, scores)
    return ranking.auc(np.ones(len(labels)) if weights is None else weights)


def average_precision(labels: Labels, scores: Scores) -> float:
    """Area under the precision-recall steps, ties as one step; NaN without positives."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order])
    if not len(hits) or hits[-1] == 0:
        return float("nan")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, shown = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float(np.sum(gained * hits / shown))


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar score."""

    rows: int
    predicted: float
    observed: float


def calibration_curve(labels: Labels, scores: Scores, bins: int = 10) -> list[CalibrationBin]:
    """Equal-count bins by score, lowest first."""
    order = np.argsort(scores, kind="stable")
    return [
        CalibrationBin(len(part), float(scores[part].mean()), float(labels[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def expected_calibration_error(labels: Labels, scores: Scores, bins: int = 10) -> float:
    """Mean distance of predicted and observed rate over equal-count bins (Naeini et al. 2015)."""
    curve = calibration_curve(labels, scores, bins)
    return sum(b.rows * abs(b.predicted - b.observed) for b in curve) / max(1, len(labels))


@dataclass(frozen=True)
class GradeOutcome:
    """What happened to the users of one grade."""

    grade: str
    users: int
    rate: float
    lift: float
    """Rate over the rate of everybody."""


def grade_outcomes(labels: Labels, grades: Sequence[str] | NDArray[np.str_]) -> list[GradeOutcome]:
    """Conversion and lift per grade, A first; grades nobody has are left out."""
    letters = np.asarray(grades)
    base = float(labels.mean()) if len(labels) else float("nan")
    outcomes = []
    for letter in np.unique(letters):
        member = letters == letter
        rate = float(labels[member].mean())
        outcomes.append(
            GradeOutcome(
                str(letter), int(member.sum()), rate, rate / base if base else float("nan")
            )
        )
    return outcomes


@dataclass(frozen=True)
class PairedDifference:
    """AUC of one model minus AUC of another on the same rows."""

    difference: float
    lower: float
    """5% quantile of the bootstrap: above 0 means better with 95% confidence."""
    upper: float
    """95% quantile."""

    def at_least(self, level: float) -> float:
        """What the difference exceeds but for a chance of `level`, one-sided.

        The bootstrap's own 5% quantile, moved by the ratio of normal quantiles: some hundred draws
        cannot show a quantile of one in a thousand.
        """
        return self.difference - (self.difference - self.lower) * _widened(level)

    def at_most(self, level: float) -> float:
        """What the difference stays below but for a chance of `level`, one-sided."""
        return self.difference + (self.upper - self.difference) * _widened(level)


def _widened(level: float) -> float:
    """How many times as far as its 5% quantile that of `level` lies from the middle."""
    return NormalDist().inv_cdf(1 - level) / NormalDist().inv_cdf(0.95)


def paired_bootstrap(
    labels: Labels,
    challenger: Scores,
    incumbent: Scores,
    entities: NDArray[np.str_],
    draws: int = 500,
    seed: int = 0,
) -> PairedDifference:
    """Resample entities (users), not rows, and score both models on every draw.

    Rows of one user are not independent, and both models see the same users: an unpaired or a
    row-wise comparison would be too wide or too narrow (Efron & Tibshirani 1993, ch. 8).
    """
    rng = np.random.default_rng(seed)
    _, entity = np.unique(entities, return_inverse=True)
    count = int(entity.max()) + 1
    first, second = _Ranking.of(labels, challenger), _Ranking.of(labels, incumbent)
    draws_of_difference = np.empty(draws)
    for draw in range(draws):
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        weights = drawn.astype(np.float64)[entity]
        draws_of_difference[draw] = first.auc(weights) - second.auc(weights)
    observed = roc_auc(labels, challenger) - roc_auc(labels, incumbent)
    lower, upper = np.nanquantile(draws_of_difference, (0.05, 0.95))
    return PairedDifference(float(observed), float(lower), float(upper))


@dataclass(frozen=True)
class _Ranking:
    """Rows sorted by score once, so that each weighted AUC costs one pass."""

    order: NDArray[np.intp]
    positive: Labels
    """In sorted order."""
    tie: NDArray[np.intp]
    """Number of the group of equal scores, in sorted order."""

    @classmethod
    def of(cls, labels: Labels, scores: Scores) -> _Ranking:
        order = np.argsort(scores, kind="stable")
        tie = np.cumsum(np.diff(scores[order], prepend=scores[order][:1]) != 0)
        return cls(order, np.asarray(labels, dtype=np.bool_)[order], tie)

    def auc(self, weights: NDArray[np.floating]) -> float:
        weight = weights[self.order]
        positives = np.bincount(self.tie, weight * self.positive)
        negatives = np.bincount(self.tie, weight * ~self.positive)
        pairs = positives.sum() * negatives.sum()
        if not pairs:
            return float("nan")
        below = np.cumsum(negatives) - negatives
        return float(np.sum(positives * (below + negatives / 2)) / pairs)
