"""What a model draws from some of its features: the AUC it loses when they are shuffled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill_monitoring.decay.influence import Sides, Statistic, auc_of_columns, standard_errors
from tidemill_monitoring.decay.known import KnownRows

_SHUFFLES = 5

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Scores of raw feature vectors [rows, features]."""


@dataclass(frozen=True)
class Worth:
    """AUC that a model owes to some features."""

    then: float
    now: float
    lost: float
    error: float
    """Standard error of what was lost, both sides' users being a sample."""


def measure_worth(
    then: KnownRows, now: KnownRows, columns: NDArray[np.intp], score: Score, seed: int = 0
) -> Worth:
    """Of `columns` together, in the test window and now."""
    rng = np.random.default_rng(seed)
    before, after = (_owed(side, columns, score, rng) for side in (then, now))
    one = np.ones(1)
    lost = Sides.of(then.users, now.users).combine(before, after, (one, -one))
    error = standard_errors(lost.influence)
    return Worth(
        float(before.value[0]), float(after.value[0]), float(lost.value[0]), float(error[0])
    )


def _owed(
    side: KnownRows, columns: NDArray[np.intp], score: Score, rng: np.random.Generator
) -> Statistic:
    """AUC as scored less the mean AUC with the columns of each row taken from another row."""
    scores = [side.scores, *(score(_shuffled(side, columns, rng)) for _ in range(_SHUFFLES))]
    areas = auc_of_columns(side.labels, np.column_stack(scores))
    weights = np.full((1 + _SHUFFLES, 1), -1 / _SHUFFLES)
    weights[0] = 1.0
    return Statistic(areas.value @ weights, areas.influence @ weights)


def _shuffled(
    side: KnownRows, columns: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.float32]:
    vectors = side.vectors.copy()
    vectors[:, columns] = side.vectors[rng.permutation(len(vectors))][:, columns]
    return vectors
