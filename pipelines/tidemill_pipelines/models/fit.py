"""Chooses the penalty and the deep share on the newest training window, then fits on all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill_pipelines.models.preprocess import Preprocess
from tidemill_pipelines.models.wide_deep import WideDeep, fit_deep, fit_wide, score

PENALTIES = (0.01, 0.03, 0.1, 0.3)
DEEP_SHARES = (0.0, 0.25, 0.5, 0.75)
_NETWORKS = 3
_DEFAULT = (0.03, 0.5)


@dataclass(frozen=True)
class TrainingSet:
    """Rows of the training windows."""

    rows: NDArray[np.float32]
    """[n, features], NaN where a value does not exist."""
    labels: NDArray[np.bool_]
    cutoffs: NDArray[np.int64]
    """When each row was looked at, microseconds since 1970."""
    horizon: int
    """Length of the label window, microseconds."""

    def where(self, chosen: NDArray[np.bool_]) -> TrainingSet:
        return TrainingSet(
            self.rows[chosen], self.labels[chosen], self.cutoffs[chosen], self.horizon
        )


@dataclass(frozen=True)
class Choice:
    """What the selection picked, and how it was judged."""

    penalty: float
    deep_share: float
    validation_log_loss: float | None
    """None where there was only one training window, and the defaults were taken."""


def fit(training: TrainingSet, seed: int) -> tuple[WideDeep, Choice]:
    """The model of all training windows. Deterministic for a seed, data and thread count."""
    choice = _choose(training, seed)
    model = _fit_parts(training, (choice.penalty,), seed, deep=choice.deep_share > 0)
    return model.blend(choice.penalty, choice.deep_share), choice


def _choose(training: TrainingSet, seed: int) -> Choice:
    """Hold out the newest training window; fit on those whose labels had closed before it."""
    newest = training.cutoffs.max()
    held = training.where(training.cutoffs == newest)
    earlier = training.where(training.cutoffs + training.horizon <= newest)
    if not _both_classes(earlier.labels) or not _both_classes(held.labels):
        return Choice(*_DEFAULT, None)
    parts = _fit_parts(earlier, PENALTIES, seed, deep=True)
    losses = {
        (penalty, share): _log_loss(held.labels, score(parts.blend(penalty, share), held.rows))
        for penalty in PENALTIES
        for share in DEEP_SHARES
    }
    (penalty, share), loss = min(losses.items(), key=lambda item: item[1])
    return Choice(penalty, share, loss)


@dataclass(frozen=True)
class _Parts:
    preprocess: Preprocess
    wide: dict[float, torch.nn.Linear]
    deep: tuple[torch.nn.Module, ...]

    def blend(self, penalty: float, deep_share: float) -> WideDeep:
        return WideDeep(self.preprocess, self.wide[penalty], self.deep, deep_share)


def _fit_parts(
    training: TrainingSet, penalties: tuple[float, ...], seed: int, deep: bool
) -> _Parts:
    preprocess = Preprocess(training.rows)
    inputs = preprocess(torch.from_numpy(training.rows))
    labels = torch.from_numpy(training.labels.astype(np.float32))
    wide = {penalty: fit_wide(inputs, labels, penalty) for penalty in penalties}
    networks = range(_NETWORKS) if deep else ()
    return _Parts(preprocess, wide, tuple(fit_deep(inputs, labels, seed + n) for n in networks))


def _both_classes(labels: NDArray[np.bool_]) -> bool:
    return bool(labels.any() and not labels.all())


def _log_loss(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    likelihood = np.where(labels, scores, 1 - scores)
    return float(-np.log(np.maximum(likelihood, 1e-12)).mean())
