"""Logistic regression of few columns by Newton's method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64] | NDArray[np.float32]
_STEPS = 15
_HALVINGS = 8
_TOLERANCE = 1e-5


def fit_logistic(
    columns: Floats, labels: NDArray[np.bool_], weights: Floats, penalty: float = 1.0
) -> tuple[NDArray[np.float64], float]:
    """Coefficients [d] and intercept that minimise log loss. Columns should be standardised.

    Without a success (or a failure) the intercept ends near the rate that half a success in all
    would give, and the coefficients near 0: nothing is claimed that was not seen.
    """
    if not len(labels):
        return np.zeros(columns.shape[1]), 0.0
    share = (float(weights[labels].sum()) + 0.5) / (float(weights.sum()) + 1)
    design = np.column_stack([columns, np.ones(len(labels))]).astype(np.float32)
    start = np.append(np.zeros(columns.shape[1]), np.log(share / (1 - share)))
    ridge = np.append(np.full(columns.shape[1], penalty), 0.5)

    sign = 1 - 2 * labels.astype(np.float32)

    def loss(beta: NDArray[np.float64]) -> float:
        odds = np.asarray(design @ beta.astype(np.float32))
        missed = np.logaddexp(0, odds * sign)
        return float(weights @ missed + 0.5 * ridge @ (beta - start) ** 2)

    beta, best = start, loss(start)
    for _ in range(_STEPS):
        step = _newton_step(design, labels, weights, ridge, beta, start)
        taken, found = _downhill(loss, beta, step, best)
        gain, beta, best = best - found, taken, found
        if gain <= _TOLERANCE * best:
            break
    return beta[:-1], float(beta[-1])


def sigmoid(values: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values))


def _newton_step(
    design: NDArray[np.float32],
    labels: NDArray[np.bool_],
    weights: Floats,
    ridge: NDArray[np.float64],
    beta: NDArray[np.float64],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    chance = sigmoid(design @ beta.astype(np.float32))
    slope = design.T @ (weights * (labels - chance)) - ridge * (beta - start)
    bend = (weights * chance * (1 - chance)).astype(np.float32)
    return np.asarray(np.linalg.solve((design * bend[:, None]).T @ design + np.diag(ridge), slope))


def _downhill(
    loss: Callable[[NDArray[np.float64]], float],
    beta: NDArray[np.float64],
    step: NDArray[np.float64],
    best: float,
) -> tuple[NDArray[np.float64], float]:
    """The whole step, or as much of it as makes the loss smaller."""
    for _ in range(_HALVINGS):
        found = loss(beta + step)
        if found < best:
            return beta + step, found
        step = step / 2
    return beta, best
