"""What volume to expect: a regression on level, trend and weekday that outliers cannot move.

Quasi-Poisson regression with a log link, fitted to all rows at once. Days are weighted by
Tukey's biweight of their residual, so that a holiday or an outage has no say, and by age, so that
the level follows the last weeks. Weak priors keep trend and weekdays of rare events near nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.float64]

_HALF_LIFE = 28.0
"""Days after which a day counts half."""
_MONTH = 28.0
_TREND = 0.2
"""Growth of 20% in four weeks, or a loss, is ordinary; more needs evidence."""
_WEEKDAY = 1.5
"""Log units: a weekday may well have a fifth, or five times, of the usual volume."""
_HUBER, _BIWEIGHT = 1.5, 4.685
_GENTLE_STEPS, _STEPS = 4, 12
_FURTHEST = 6.0
"""Log units: a weekday with less than 1/400 of the level is one without business."""
_FLOOR = 0.02
"""Events a day; less is as good as none, and a logarithm needs something."""


def expect(counts: Counts, known: NDArray[np.bool_], ahead: int) -> Counts:
    """[names, ahead]: expected counts of the days that follow `counts`.

    `counts` [names, days], `known` the days that say something. A name without a known day is
    expected to have next to nothing.
    """
    days = counts.shape[1]
    past, future = _design(np.arange(-days, 0)), _design(np.arange(ahead))
    age = known * 0.5 ** (np.arange(days, 0, -1) / _HALF_LIFE)
    coefficients = _start(counts, known)
    for step in range(_STEPS):
        mean = _mean(coefficients, past)
        residual = (counts - mean) / np.sqrt(mean)
        spread = _spread(residual, known)
        outlying = np.abs(residual) / spread[:, None]
        trust = _huber(outlying) if step < _GENTLE_STEPS else _biweight(outlying)
        coefficients = _improve(coefficients, past, counts, mean, age * trust, spread)
    return _mean(coefficients, future)


def _design(day: NDArray[np.int64]) -> NDArray[np.float64]:
    """[days, 9]: level, trend in months, and the seven weekdays, which a prior centres."""
    weekdays = np.eye(7)[day % 7]
    return np.column_stack([np.ones(len(day)), day / _MONTH, weekdays])


_PRECISION = np.array([1e-6, 1 / _TREND**2, *[1 / _WEEKDAY**2] * 7])


def _start(counts: Counts, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The last weeks' median; for events of few days the mean, because the median is nothing."""
    recent, seen = counts[:, -28:], known[:, -28:]
    total = np.maximum(seen.sum(axis=1), 1)
    means = (recent * seen).sum(axis=1) / total
    # A row without a known day sorts to infinity; its mean, zero, is taken instead.
    ranked = np.sort(np.where(seen, recent, np.inf), axis=1)
    medians = np.take_along_axis(ranked, (total // 2)[:, None], axis=1)[:, 0]
    level = np.where((medians >= 3) & np.isfinite(medians), medians, means)
    coefficients = np.zeros((len(counts), 9))
    coefficients[:, 0] = np.log(np.maximum(level, _FLOOR))
    coefficients[:, 2:] = _weekdays(recent, seen, level)
    return coefficients


def _weekdays(
    recent: Counts, seen: NDArray[np.bool_], level: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[names, 7]: from the median of each weekday, and nothing where it was not seen.

    A weekday without business would be taken for an outlier for good if it began at the level.
    """
    day = np.arange(-recent.shape[1], 0) % 7
    found = np.zeros((len(recent), 7))
    for weekday in range(7):
        chosen = day == weekday
        counted = seen[:, chosen].sum(axis=1)
        ranked = np.sort(np.where(seen[:, chosen], recent[:, chosen], np.inf), axis=1)
        middle = np.maximum(counted - 1, 0)[:, None] // 2
        medians = np.take_along_axis(ranked, middle, axis=1)[:, 0] if chosen.any() else level
        logs = np.log((np.where(counted > 0, medians, level) + 0.5) / (level + 0.5))
        found[:, weekday] = np.where(counted > 0, np.clip(logs, -_FURTHEST, _FURTHEST), 0.0)
    return found


def _mean(coefficients: NDArray[np.float64], design: NDArray[np.float64]) -> Counts:
    mean: Counts = np.maximum(np.exp(np.clip(coefficients @ design.T, -20, 30)), _FLOOR)
    return mean


def _spread(residual: Counts, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """[names]: robust standard deviation of Pearson residuals, at least Poisson's 1."""
    distances = np.sort(np.where(known, np.abs(residual), np.inf), axis=1)
    middle = np.maximum(known.sum(axis=1) - 1, 0) // 2
    medians = np.take_along_axis(distances, middle[:, None], axis=1)[:, 0]
    return np.maximum(1.0, 1.4826 * np.where(np.isfinite(medians), medians, 0.0))


def _huber(distance: Counts) -> Counts:
    weight: Counts = np.minimum(1.0, _HUBER / np.maximum(distance, 1e-9))
    return weight


def _biweight(distance: Counts) -> Counts:
    weight: Counts = np.square(np.maximum(0.0, 1 - np.square(distance / _BIWEIGHT)))
    return weight


def _improve(
    coefficients: NDArray[np.float64],
    design: NDArray[np.float64],
    counts: Counts,
    mean: Counts,
    weight: Counts,
    spread: NDArray[np.float64],
) -> NDArray[np.float64]:
    """One Fisher scoring step of the penalised quasi-likelihood, never longer than a factor e."""
    scaled = weight / np.square(spread)[:, None]
    gradient = (scaled * (counts - mean)) @ design - _PRECISION * coefficients
    products = np.einsum("ti,tj->tij", design, design).reshape(len(design), -1)
    size = design.shape[1]
    information = ((scaled * mean) @ products).reshape(-1, size, size) + np.diag(_PRECISION)
    step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
    longest = np.abs(step).max(axis=1, keepdims=True)
    moved: NDArray[np.float64] = coefficients + step / np.maximum(1.0, longest)
    return moved
