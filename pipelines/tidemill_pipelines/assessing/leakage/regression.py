"""Ridge and logistic regression out of fold: what some columns say about others of new users."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from tidemill_pipelines.assessing.linear import fit_linear, linear_scores, model_inputs
from tidemill_pipelines.recommending.logistic import sigmoid

Values = NDArray[np.float64]
Folds = NDArray[np.int64]
_FOLDS = 3
_PENALTIES = (1e-6, 1e-3, 1e-1)
"""Of the rows; beside them, that nothing can be said at all."""
_CLIP = 30.0
"""Standard deviations. An outlier may not decide, and a sum must stay the sum of its parts."""
_CONSTANT = 1e-9
_QUARTERS = (-0.5, 0.0, 0.5)
"""Of ranks from -1 to 1. Classes such as tiers are steps, which no straight line follows."""


def folds_of(users: NDArray[np.str_]) -> Folds:
    """One of three for each row; rows of one user stay together."""
    unique, of = np.unique(users, return_inverse=True)
    return np.asarray([zlib.crc32(user.encode()) % _FOLDS for user in unique], dtype=np.int64)[of]


def widened(values: Values) -> Values:
    """Columns as they are, as logarithms, as ranks bent at quarters, and whether they are missing.

    Standardised, without constant ones; [n, d] to [n, at most 7 d].
    """
    missing = np.isnan(values)
    largest = np.max(np.where(missing, -np.inf, values), axis=0, initial=-np.inf)
    filled = np.where(missing, np.where(np.isfinite(largest), largest, 0.0), values)
    logged = np.sign(filled) * np.log1p(np.abs(filled))
    ranks = np.column_stack([_ranks(column) for column in filled.T])
    bent = [np.maximum(ranks - knot, 0.0) for knot in _QUARTERS]
    return standardised(np.column_stack([filled, logged, ranks, *bent, missing.astype(np.float64)]))


def _ranks(values: Values) -> Values:
    """Mean ranks from -1 to 1, ties sharing one."""
    _, of, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2
    return np.asarray(2 * middle[of] / len(values) - 1)


def standardised(values: Values) -> Values:
    """Without constant columns; [n, d] to [n, at most d]."""
    spread = values.std(axis=0)
    kept = spread > _CONSTANT * (1 + np.abs(values).max(axis=0, initial=0))
    found = (values[:, kept] - values[:, kept].mean(axis=0)) / spread[kept]
    return np.asarray(np.clip(found, -_CLIP, _CLIP))


def residuals(inputs: Values, targets: Values, folds: Folds) -> Values:
    """What ridge regressions on `inputs` [n, d] leave of `targets` [n, k], out of fold.

    Each target has the penalty that leaves least: a sum of inputs is met exactly, and where nothing
    can be said of new users nothing is. Otherwise two columns share the noise of one
    regression, and look related.
    """
    design = np.column_stack([inputs, np.ones(len(inputs))])
    left = np.array([targets - targets.mean(axis=0)] * (len(_PENALTIES) + 1))
    for fold in np.unique(folds):
        held = folds == fold
        known = design[~held]
        if not len(known):
            continue
        strengths, axes = np.linalg.eigh(known.T @ known)
        along, asked = axes.T @ (known.T @ targets[~held]), design[held] @ axes
        for index, penalty in enumerate(_PENALTIES):
            shrunk = along / (np.maximum(strengths, 0) + penalty * len(known))[:, None]
            left[index, held] = targets[held] - asked @ shrunk
    best = np.argmin((left**2).sum(axis=1), axis=0)
    return np.asarray(left[best, :, np.arange(targets.shape[1])].T)


def explained(targets: Values, left: Values) -> Values:
    """Share of each column's variance that is not left, at least 0; shape [k]."""
    whole = np.maximum(((targets - targets.mean(axis=0)) ** 2).sum(axis=0), _CONSTANT)
    return np.asarray(np.maximum(0.0, 1 - (left**2).sum(axis=0) / whole))


def correlations(first: Values, second: Values) -> Values:
    """Of each column of `first` [n, k] with each of `second` [n, m]; 0 for constants; [k, m]."""
    scaled = []
    for values in (first, second):
        centred = values - values.mean(axis=0)
        norm = np.sqrt((centred**2).sum(axis=0))
        scaled.append(np.divide(centred, norm, out=np.zeros_like(centred), where=norm > _CONSTANT))
    return np.asarray(scaled[0].T @ scaled[1])


def probabilities(values: Values, labels: NDArray[np.bool_], folds: Folds) -> Values:
    """Out-of-fold probabilities of the cheap linear model on columns [n, d], shape [n]."""
    rows = np.clip(values, -3e38, 3e38).astype(np.float32)
    found = np.full(len(labels), labels.mean() if len(labels) else np.nan)
    for fold in np.unique(folds):
        held = folds == fold
        if 0 < labels[~held].sum() < (~held).sum():
            inputs, asked = model_inputs(rows[~held], rows[held])
            found[held] = sigmoid(linear_scores(asked, fit_linear(inputs, labels[~held])))
    return found
