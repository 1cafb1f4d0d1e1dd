"""Whether the probabilities of the items shown are what comes true.

Judged by users drawn from all of them: those who did something are known only afterwards, and more
comes true of them than anybody could promise.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tidemill.evaluation import expected_calibration_error
from tidemill_pipelines.promises import Promise
from tidemill_pipelines.recommending.measuring import model_lists
from tidemill_pipelines.recommending.running import Lists, Ranker
from tidemill_pipelines.recommending.slices import shown_hits
from tidemill_pipelines.recommending.task import Task

_DRAWS = 1_000
_DOUBT = 10.0
"""Outcomes added to both sides of each draw: where hardly any was predicted, few say little."""


def promise_of(ranker: Ranker, task: Task, seed: int) -> tuple[Promise, float]:
    """How far what is shown to the users of a task comes true, and the calibration error.

    NaN where nothing is shown.
    """
    chances, hits = _shown(model_lists(ranker, task), task)
    is_shown = ~np.isnan(chances)
    error = expected_calibration_error(hits[is_shown], chances[is_shown])
    promise = _promise(np.nansum(chances, axis=1), hits.sum(axis=1), seed)
    return promise, error if is_shown.any() else math.nan


def _shown(lists: Lists, task: Task) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability of each place, NaN where none is known, and whether it came true; [n, k]."""
    worth = np.ones(len(task.table.ids)) if task.values is None else task.values
    is_known = (lists.items >= 0) & (worth[lists.items] > 0)
    chances = np.where(is_known, lists.scores / np.where(is_known, worth[lists.items], 1), np.nan)
    return chances, shown_hits(lists.items, task.window.outcomes, len(task.table.ids)) & is_known


def _promise(predicted: NDArray[np.float64], observed: NDArray[np.int64], seed: int) -> Promise:
    """Bootstrap over users: items of one list come true together."""
    if not predicted.sum():
        return Promise(math.nan, math.nan, math.nan)
    rng, users = np.random.default_rng(seed), len(predicted)
    draws = [rng.integers(0, users, users) for _ in range(_DRAWS)]
    sums = np.array([(observed[drawn].sum(), predicted[drawn].sum()) for drawn in draws])
    kept = (sums[:, 0] + _DOUBT) / (sums[:, 1] + _DOUBT)
    lower, upper = np.quantile(kept, (0.05, 0.95))
    return Promise(float(observed.sum() / predicted.sum()), float(lower), float(upper))
