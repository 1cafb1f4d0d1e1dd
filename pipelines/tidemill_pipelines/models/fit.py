"""Chooses the penalty and the deep share on the newest training windows, then fits on all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill_pipelines.models.preprocess import Preprocess
from tidemill_pipelines.models.wide_deep import WideDeep, fit_deep, fit_wide, score

PENALTIES = (0.3, 0.1, 0.03, 0.01)
"""Strongest first: each solution is a good start for the next."""
DEEP_SHARES = (0.0, 0.25, 0.5, 0.75)
_NETWORKS = 3
_FOLDS = 2
_DEFAULT_PENALTY = 0.1


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
    """None where there were too few training windows, and the defaults were taken."""


def fit(training: TrainingSet, seed: int) -> tuple[WideDeep, Choice]:
    """The model of all training windows. Deterministic for a seed, data and thread count."""
    choice = choose(training, seed)
    parts = _fit_parts(training, (choice.penalty,), seed, deep=choice.deep_share > 0)
    return parts.blend(choice.penalty, choice.deep_share), choice


def choose(training: TrainingSet, seed: int) -> Choice:
    """Judge every combination on the newest windows, each fitted on what had closed before it.

    The penalty with the smallest log loss wins; the deep part is taken in only where it is better
    by more than one standard error (the rule of Breiman et al. 1984), because with few positives
    the smallest loss alone is mostly luck.
    """
    losses = _validation_losses(training, seed)
    if losses is None:
        return Choice(_DEFAULT_PENALTY, 0.0, None)
    penalty = min(PENALTIES, key=lambda penalty: losses[penalty, 0.0].mean())
    wide = losses[penalty, 0.0]
    share = min(DEEP_SHARES, key=lambda share: losses[penalty, share].mean())
    gain = wide - losses[penalty, share]
    if gain.mean() <= gain.std() / np.sqrt(len(gain)):
        share = 0.0
    return Choice(penalty, share, float(losses[penalty, share].mean()))


_Losses = dict[tuple[float, float], NDArray[np.float64]]


def _validation_losses(training: TrainingSet, seed: int) -> _Losses | None:
    """Log loss per held-out row for every (penalty, deep share); None without a usable window."""
    folds: list[_Losses] = []
    for cutoff in np.unique(training.cutoffs)[::-1][:_FOLDS]:
        held = training.where(training.cutoffs == cutoff)
        earlier = training.where(training.cutoffs + training.horizon <= cutoff)
        if _both_classes(earlier.labels) and _both_classes(held.labels):
            parts = _fit_parts(earlier, PENALTIES, seed, deep=True)
            folds.append(_losses(parts, held))
    if not folds:
        return None
    return {key: np.concatenate([fold[key] for fold in folds]) for key in folds[0]}


def _losses(parts: _Parts, held: TrainingSet) -> _Losses:
    return {
        (penalty, share): _log_loss(held.labels, score(parts.blend(penalty, share), held.rows))
        for penalty in PENALTIES
        for share in DEEP_SHARES
    }


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
    wide: dict[float, torch.nn.Linear] = {}
    for penalty in penalties:
        start = next(reversed(wide.values()), None)
        wide[penalty] = fit_wide(inputs, labels, penalty, start)
    networks = range(_NETWORKS) if deep else ()
    return _Parts(preprocess, wide, tuple(fit_deep(inputs, labels, seed + n) for n in networks))


def _both_classes(labels: NDArray[np.bool_]) -> bool:
    return bool(labels.any() and not labels.all())


def _log_loss(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(np.where(labels, scores, 1 - scores), 1e-12))
