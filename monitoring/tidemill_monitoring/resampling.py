"""The bootstrap over users, at the price of one matrix product whatever their number.

Users are put into at most a thousand random groups and the groups are resampled: sums over groups
of independent users are as independent as the users. All metrics are functions of such sums, over
equal-count bins of the score. A user with several rows stays in one group with all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import average_precision, roc_auc

DRAWS = 600
_GROUPS = 1_000
_BINS = 200

_Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """Each metric in resampled windows, [draws]; NaN where a draw cannot have it."""

    auc: _Numbers
    average_precision: _Numbers
    predicted_over_observed: _Numbers
    lift: Mapping[str, _Numbers]
    """Of each grade that somebody got."""


def resample(
    labels: NDArray[np.bool_],
    scores: _Numbers,
    rng: np.random.Generator,
    users: NDArray[np.str_] | None = None,
    grades: NDArray[np.str_] | None = None,
) -> Resampled:
    """Metrics of `DRAWS` resampled windows; every row is a user of its own without `users`."""
    group = _group(len(labels), users, rng)
    count = int(group.max()) + 1
    weights = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)
    positives, negatives = (_fold(scores, group, count, labels == hit) for hit in (True, False))
    drawn = weights @ positives, weights @ negatives
    hits, rows = drawn[0].sum(axis=1), drawn[0].sum(axis=1) + drawn[1].sum(axis=1)
    lift = {}
    for letter in [] if grades is None else np.unique(grades).tolist():
        member = grades == letter
        in_grade = weights @ np.bincount(group[member], minlength=count)
        hits_in_grade = weights @ np.bincount(group[member & labels], minlength=count)
        lift[letter] = _over(_over(hits_in_grade, in_grade), _over(hits, rows))
    # Bins tie what the exact metric tells apart; that difference is nearly the same in all draws.
    all_users = positives.sum(axis=0)[None], negatives.sum(axis=0)[None]
    return Resampled(
        _auc(*drawn) + roc_auc(labels, scores) - _auc(*all_users),
        _precision(*drawn) + average_precision(labels, scores) - _precision(*all_users),
        _over(weights @ np.bincount(group, scores, minlength=count), hits),
        lift,
    )


def _group(rows: int, users: NDArray[np.str_] | None, rng: np.random.Generator) -> NDArray[np.intp]:
    """Group of each row; groups differ by at most one user."""
    user_of = np.arange(rows) if users is None else np.unique(users, return_inverse=True)[1]
    count = int(user_of.max()) + 1
    groups: NDArray[np.intp] = (rng.permutation(count) % min(count, _GROUPS))[user_of]
    return groups


def _fold(
    scores: _Numbers, group: NDArray[np.intp], count: int, member: NDArray[np.bool_]
) -> _Numbers:
    """Members per group and bin of the score, [groups, bins]; low scores first."""
    edges = np.unique(np.quantile(scores, np.arange(1, _BINS) / _BINS, method="lower"))
    cells = len(edges) + 1
    cell = group[member] * cells + np.searchsorted(edges, scores[member], side="left")
    return np.bincount(cell, minlength=count * cells).reshape(count, cells).astype(np.float64)


def _auc(positives: _Numbers, negatives: _Numbers) -> _Numbers:
    """Of counts [draws, bins], ties counting half."""
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return _over((positives * below).sum(axis=1), positives.sum(axis=1) * negatives.sum(axis=1))


def _precision(positives: _Numbers, negatives: _Numbers) -> _Numbers:
    """Average precision of counts [draws, bins], a bin as one step."""
    hits = np.cumsum(positives[:, ::-1], axis=1)
    shown = hits + np.cumsum(negatives[:, ::-1], axis=1)
    gained = positives[:, ::-1] * _over(hits, shown, empty=0.0)
    return _over(gained.sum(axis=1), positives.sum(axis=1))


def _over(upper: _Numbers, lower: _Numbers, empty: float = float("nan")) -> _Numbers:
    ratio: _Numbers = np.divide(upper, lower, out=np.full(upper.shape, empty), where=lower != 0)
    return ratio
