"""The cheap model of an assessment: the linear part of what a training would fit, without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.recommending.logistic import sigmoid

Matrix = NDArray[np.float32]
_PENALTY = 0.1
"""What a training takes where it has no window to choose on (`models.fit`)."""
_CLIP = 6.0
_CONSTANT = 1e-6
_STEPS = 60
_TOLERANCE = 1e-5


def model_inputs(train: Matrix, *others: Matrix) -> list[Matrix]:
    """Rows as the model's preprocessing shows them, fitted on `train`; it comes first.

    Missing is the largest value seen, then signed logarithm, standardised and clipped. Columns
    without variance are left out.
    """
    fill = np.max(np.where(np.isnan(train), -np.inf, train), axis=0, initial=-np.inf)
    fill = np.where(np.isfinite(fill), fill, 0.0).astype(np.float32)
    logged = _logged(train, fill)
    mean = logged.mean(axis=0, dtype=np.float64)
    spread = logged.std(axis=0, dtype=np.float64)
    kept = spread > _CONSTANT

    def scaled(rows: Matrix) -> Matrix:
        found = (rows[:, kept] - mean[kept]) / spread[kept]
        return np.asarray(np.clip(found, -_CLIP, _CLIP), dtype=np.float32)

    return [scaled(logged), *(scaled(_logged(rows, fill)) for rows in others)]


def fit_linear(inputs: Matrix, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights [d] and intercept of an L2-penalised logistic regression, by L-BFGS."""
    from scipy.optimize import minimize  # half a CPU second to import

    sign = np.where(labels, -1.0, 1.0)
    rate = np.clip(labels.mean(), 1e-6, 1 - 1e-6)
    start = np.append(np.zeros(inputs.shape[1]), np.log(rate / (1 - rate)))

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = linear_scores(inputs, beta)
        value = float(np.logaddexp(0, sign * odds).mean() + _PENALTY / 2 * beta[:-1] @ beta[:-1])
        chance = np.asarray(sigmoid(odds), dtype=np.float64)
        missed = ((chance - labels) / len(labels)).astype(np.float32)
        return value, np.append(inputs.T @ missed + _PENALTY * beta[:-1], missed.sum())

    options = {"maxiter": _STEPS, "gtol": _TOLERANCE}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x, dtype=np.float64)


def linear_scores(inputs: Matrix, beta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds, shape [n]."""
    weights = beta[:-1].astype(np.float32)
    odds: NDArray[np.float64] = np.asarray(inputs @ weights, dtype=np.float64) + beta[-1]
    return odds


def _logged(rows: Matrix, fill: Matrix) -> Matrix:
    known = np.where(np.isnan(rows), fill, rows)
    return np.asarray(np.sign(known) * np.log1p(np.abs(known)), dtype=np.float32)
