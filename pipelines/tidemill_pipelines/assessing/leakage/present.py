"""Columns that look different now than at any training cutoff: what is not known yet is empty.

A column that changes is no leak: seasons and campaigns change many. So a change counts when it is
large, larger than any between two training cutoffs, and larger than all that the log's own columns,
which cannot leak, went through at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import roc_auc
from tidemill_pipelines.assessing.leakage.regression import folds_of, probabilities

Values = NDArray[np.float64]
Bools = NDArray[np.bool_]
LARGE = 0.3
"""Kolmogorov-Smirnov distance, the largest difference of two distribution functions."""
_TIMES = 2.0
"""The largest distance between two neighbouring cutoffs."""
_BEYOND = 0.1
"""The largest distance of the log's own columns."""
_FEWEST = 100
"""Rows of a cutoff that is compared."""


@dataclass(frozen=True)
class Change:
    """One column that is different now."""

    column: str
    now: float
    """Distance of its distribution now from that at the newest training cutoff."""
    before: float
    """The largest between neighbouring training cutoffs, 0 if there is but one."""


@dataclass(frozen=True)
class Cutoffs:
    """Rows of the cutoffs with rows enough, oldest first, and of now."""

    before: list[Bools]
    now: Bools


def comparable(cutoffs: NDArray[np.int64], labelled: Bools) -> Cutoffs | None:
    """None without enough rows of now, or of any labelled cutoff before them."""
    if (~labelled).sum() < _FEWEST or labelled.sum() < _FEWEST:
        return None
    masks = [labelled & (cutoffs == at) for at in np.unique(cutoffs[labelled])]
    before = [mask for mask in masks if mask.sum() >= _FEWEST]
    return Cutoffs(before, ~labelled) if before else None


def changed(columns: dict[str, Values], own: Values, rows: Cutoffs) -> list[Change]:
    """Columns that changed as none of `own` [n, d], the log's, did."""
    usual = max((_changes(values, rows)[0] for values in own.T), default=0.0)
    found = []
    for name, values in columns.items():
        now, before = _changes(values, rows)
        if now >= max(LARGE, _TIMES * before, usual + _BEYOND):
            found.append(Change(name, now, before))
    return found


def told_apart(matrix: Values, users: NDArray[np.str_], rows: Cutoffs) -> tuple[float, float]:
    """AUC of a classifier that tells rows of now from the newest labelled ones, and the largest
    that tells two neighbouring labelled cutoffs apart; NaN without two."""
    pairs = [*zip(rows.before[:-1], rows.before[1:], strict=True), (rows.before[-1], rows.now)]
    found = [_told_apart(matrix, users, *pair) for pair in pairs]
    return found[-1], max(found[:-1], default=float("nan"))


def _told_apart(matrix: Values, users: NDArray[np.str_], older: Bools, newer: Bools) -> float:
    either = older | newer
    is_newer = newer[either]
    return roc_auc(is_newer, probabilities(matrix[either], is_newer, folds_of(users[either])))


def _changes(values: Values, rows: Cutoffs) -> tuple[float, float]:
    before = [
        _distance(values[older], values[newer])
        for older, newer in zip(rows.before[:-1], rows.before[1:], strict=True)
    ]
    return _distance(values[rows.before[-1]], values[rows.now]), max(before, default=0.0)


def _distance(first: Values, second: Values) -> float:
    """Kolmogorov-Smirnov, missing being less than everything."""
    first, second = (
        np.sort(np.where(np.isnan(v), np.finfo(np.float64).min, v)) for v in (first, second)
    )
    every = np.concatenate([first, second])
    shares = [np.searchsorted(v, every, side="right") / len(v) for v in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())
