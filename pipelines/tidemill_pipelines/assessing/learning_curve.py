"""How the AUC grows with users, measured on nested subsamples and carried on to twice as many.

An inverse power law, a - b n^-c, is pessimistic beyond the data (it has a ceiling), a logarithm,
a + b ln n, optimistic (it has none); the truth mostly lies between. After Figueroa et al. 2012
(Predicting sample size required for classification performance) and Viering & Loog 2021 (The
Shape of Learning Curves).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc
from tidemill_pipelines.assessing.linear import Matrix, fit_linear, linear_scores
from tidemill_pipelines.dataset import Rows

SIZES, SEEDS = 6, 5
_SMALLEST = 1 / 8
_FEWEST = 20
"""Rows of either class in the smallest subsample: with fewer, a point of the curve is noise."""
_RATES = np.geomspace(0.1, 2.0, 40)
"""Exponents c that are tried."""
_SURE = 1.645
"""Standard errors on either side of an extrapolation: 90% of the seeds' spread."""


@dataclass(frozen=True)
class Curve:
    """AUC on the test window by how many users were learnt from."""

    users: NDArray[np.float64]
    """[sizes], the smallest first; the last is everybody."""
    auc: NDArray[np.float64]
    """[seeds, sizes]; the last column is the same model for every seed."""


@dataclass(frozen=True)
class Gain:
    """What more users would add to the AUC."""

    times: float
    """How many times the users there are."""
    expected: float
    """By the inverse power law."""
    lower: float
    upper: float
    """Between the two laws, and the spread of seeds around them."""


def measure(
    train: Rows, test: Rows, inputs: Matrix, test_inputs: Matrix, seed: int
) -> Curve | None:
    """None where the rarer class has too few rows for the smallest subsample.

    `inputs` [rows, columns] of `train` and of `test`, as the model sees them. Subsamples of one
    seed are nested: each holds the users of the smaller ones.
    """
    rarer = int(min(train.labels.sum(), (~train.labels).sum()))
    smallest = max(_SMALLEST, _FEWEST / max(1, rarer))
    if smallest > 1 / 2:
        return None
    names, user_of = np.unique(train.users, return_inverse=True)
    sizes = np.unique(np.geomspace(smallest * len(names), len(names), SIZES).astype(np.int64))
    everybody = _auc_of(inputs, train.labels, test_inputs, test.labels)
    auc = np.full((SEEDS, len(sizes)), everybody)
    for number in range(SEEDS):
        rank = np.random.default_rng([seed, number]).permutation(len(names))[user_of]
        for position, size in enumerate(sizes[:-1]):
            chosen = rank < size
            auc[number, position] = _auc_of(
                inputs[chosen], train.labels[chosen], test_inputs, test.labels
            )
    return Curve(sizes.astype(np.float64), auc)


def extrapolate(curve: Curve, times: float = 2.0) -> Gain:
    """What `times` the users would add."""
    means = curve.auc.mean(axis=0)
    found = [
        (_power_gain(curve.users, auc, times), _logarithm_gain(curve.users, auc, times))
        for auc in (means, *curve.auc)
    ]
    power, log = found[0]
    spread = _SURE * np.std(found[1:], axis=0, ddof=1) / np.sqrt(len(curve.auc))
    return Gain(
        times=times,
        expected=power,
        lower=float(min(power - spread[0], log - spread[1])),
        upper=float(max(power + spread[0], log + spread[1])),
    )


def _auc_of(
    inputs: Matrix,
    labels: NDArray[np.bool_],
    test_inputs: Matrix,
    test_labels: NDArray[np.bool_],
) -> float:
    if labels.all() or not labels.any():
        return 0.5
    return roc_auc(test_labels, linear_scores(test_inputs, fit_linear(inputs, labels)))


def _power_gain(users: NDArray[np.float64], auc: NDArray[np.float64], times: float) -> float:
    """Of a - b n^-c by least squares with b >= 0; c is looked for on a grid."""
    least, gain = np.inf, 0.0
    for rate in _RATES:
        shrunk = (users / users[-1]) ** -rate
        slope = min(0.0, _slope(shrunk, auc))
        error = float(np.var(auc - slope * shrunk))
        if error < least:
            least, gain = error, slope * (times**-rate - 1)
    return float(gain)


def _logarithm_gain(users: NDArray[np.float64], auc: NDArray[np.float64], times: float) -> float:
    return max(0.0, _slope(np.log(users), auc)) * float(np.log(times))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    away = x - x.mean()
    return float(away @ y / (away @ away))
