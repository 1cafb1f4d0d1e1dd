"""What each user contributes to a statistic, and from that how sure all statistics are at once.

The influence of a row is its first-order effect on a statistic: summed by user, its squares add up
to the variance, users being independent and their rows not. For the AUC these are the structural
components of DeLong et al. (1988), clustered as by Obuchowski (1997). One threshold for many
statistics is the quantile of the largest of them under Gaussian multipliers (Chernozhukov et al.
2013): it knows that features of one event fail together, which Bonferroni does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DRAWS = 2_000
_DRAWS_AT_ONCE = 200

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Statistic:
    """One number or several, [k], and the influence of each row on each, [rows, k]."""

    value: Floats
    influence: Floats

    def take(self, columns: NDArray[np.intp]) -> Statistic:
        return Statistic(self.value[columns], self.influence[:, columns])


@dataclass(frozen=True)
class Sides:
    """The same users at two times: how the rows of both sides belong to them."""

    users: int
    then: NDArray[np.intp]
    """User of each row of the earlier side."""
    now: NDArray[np.intp]

    @classmethod
    def of(cls, then: NDArray[np.str_], now: NDArray[np.str_]) -> Sides:
        _, user = np.unique(np.concatenate([then, now]), return_inverse=True)
        return cls(int(user.max(initial=-1)) + 1, user[: len(then)], user[len(then) :])

    def combine(self, then: Statistic, now: Statistic, weights: tuple[Floats, Floats]) -> Statistic:
        """`weights[0] * then + weights[1] * now`, its influence summed by user."""
        first, second = weights
        return Statistic(
            first * then.value + second * now.value,
            by_user(then.influence * first, self.then, self.users)
            + by_user(now.influence * second, self.now, self.users),
        )


def by_user(influence: Floats, user: NDArray[np.intp], users: int) -> Floats:
    """Sums of [rows, k] over the rows of each user, [users, k]."""
    sums = np.zeros((users, influence.shape[1]))
    np.add.at(sums, user, influence)
    return sums


def auc_of_columns(labels: NDArray[np.bool_], columns: NDArray[np.floating]) -> Statistic:
    """AUC of each column [rows, k] alone; a column without both outcomes has 0.5 and no influence.

    A missing value ranks highest, as it does in a model's report.
    """
    known = np.where(np.isnan(columns), np.inf, columns)
    found = [_auc(labels, column) for column in known.T]
    if not found:
        return Statistic(np.empty(0), np.empty((len(labels), 0)))
    return Statistic(
        np.asarray([value for value, _ in found]), np.column_stack([each for _, each in found])
    )


def _auc(labels: NDArray[np.bool_], values: NDArray[np.floating]) -> tuple[float, Floats]:
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return 0.5, np.zeros(len(labels))
    _, group = np.unique(values, return_inverse=True)
    hits = np.bincount(group, labels)
    misses = np.bincount(group, ~labels)
    below = (np.cumsum(misses) - misses / 2) / negatives
    above = 1 - (np.cumsum(hits) - hits / 2) / positives
    area = float(below[group][labels].mean())
    share = np.where(labels, (below[group] - area) / positives, (above[group] - area) / negatives)
    return area, share


def standard_errors(influence: Floats) -> Floats:
    """Of each statistic, from its influence by user [users, k]."""
    users = len(influence)
    errors: Floats = np.sqrt((influence**2).sum(axis=0) * (users / max(1, users - 1)))
    return errors


def joint_quantiles(influence: Floats, levels: Sequence[float], seed: int = 0) -> list[float]:
    """How many standard errors the largest of all statistics strays with each probability.

    `influence` is by user, [users, k]; statistics that cannot vary are left out.
    """
    errors = standard_errors(influence)
    standard = (influence[:, errors > 0] / errors[errors > 0]).astype(np.float32)
    if not standard.size:
        return [float("inf")] * len(levels)
    rng = np.random.default_rng(seed)
    largest = [
        np.abs(rng.standard_normal((_DRAWS_AT_ONCE, len(standard)), np.float32) @ standard).max(1)
        for _ in range(_DRAWS // _DRAWS_AT_ONCE)
    ]
    return [float(np.quantile(largest, 1 - level)) for level in levels]
