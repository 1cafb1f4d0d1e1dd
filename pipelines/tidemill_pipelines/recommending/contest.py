"""Blends of some candidates, judged on users they were not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.recommendation.histories import Histories, Outcomes, Window
from tidemill_pipelines.recommending.blend import (
    Scaling,
    Weights,
    fit_weights,
    log_odds,
    scaling_of,
    user_columns,
)
from tidemill_pipelines.recommending.candidates.candidate import Scores
from tidemill_pipelines.recommending.panel import (
    Cells,
    Judged,
    Panel,
    judge,
    narrowed,
    observe,
    panel_of,
    some_users,
)
from tidemill_pipelines.recommending.repeat import Repeat, RepeatRows, columns_of, fit_repeat

_MOST_ROWS = 80_000


@dataclass(frozen=True)
class Evidence:
    """Everything a blend is fitted to."""

    panel: Panel
    cells: Cells
    activity: NDArray[np.float32]
    """[m, ACTIVITY] of the panel's users."""
    statistics: torch.Tensor
    """[items, 3], see `item_statistics`."""
    scaling: Scaling
    """Of all candidates."""


def evidence_of(panel: Panel, cells: Cells, statistics: torch.Tensor) -> Evidence:
    activity = _activity(panel)
    return Evidence(panel, cells, activity, statistics, _scaling(panel, cells, activity))


def _activity(panel: Panel) -> NDArray[np.float32]:
    return np.array(panel.window.histories.activity[panel.users])


def _scaling(panel: Panel, cells: Cells, activity: NDArray[np.float32]) -> Scaling:
    """Over all pairs of a user and a new item."""
    new = ~cells.is_own
    weights = (cells.weight * panel.weights[cells.user])[new]
    users = user_columns(torch.from_numpy(activity)).numpy()[cells.user[new]]
    return scaling_of(cells.scores[new], users, weights)


def rescaled(
    scaling: Scaling, parts: Sequence[Scores], histories: Histories, count: int, seed: int
) -> Scaling:
    """The same users, but scores as these candidates, which learned anew, spread theirs.

    The logits of a network, for one, mean nothing beside those of its last training.
    """
    nothing = Outcomes(
        np.zeros(len(histories) + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)
    )
    panel = panel_of(Window(histories, nothing), parts[0].items, count, seed)
    panel = narrowed(panel, some_users(panel, parts[0].items, seed))
    found = _scaling(panel, observe(panel, parts, seed), _activity(panel))
    return replace(scaling, mean=found.mean, scale=found.scale)


def fit_blend(
    evidence: Evidence, parts: Sequence[int], members: NDArray[np.bool_], seed: int
) -> Weights:
    """Weights of some candidates, positions in `Cells.scores`, from some of the panel's users."""
    cells = evidence.cells
    rows = _sample(~cells.is_own & members[cells.user], seed)
    return fit_weights(
        cells.scores[rows][:, parts],
        _user_columns(evidence, rows),
        cells.label[rows],
        cells.weight[rows] * evidence.panel.weights[cells.user[rows]],
        part_of(evidence.scaling, parts),
    )


def blend_odds(
    evidence: Evidence, parts: Sequence[int], weights: Weights, rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """[rows]."""
    users, scaling = _user_columns(evidence, rows), part_of(evidence.scaling, parts)
    return log_odds(evidence.cells.scores[rows][:, parts], users, scaling, weights)


def fit_again(evidence: Evidence, members: NDArray[np.bool_], seed: int, is_final: bool) -> Repeat:
    """The repeat model of some of the panel's users; only the final one with hidden units."""
    cells = evidence.cells
    chosen = cells.is_own & members[cells.user]
    rows = np.flatnonzero(chosen) if is_final else _sample(chosen, seed)
    return fit_repeat(_rows(evidence, rows), evidence.statistics, seed, deep=is_final)


def halves_again(evidence: Evidence, seed: int) -> tuple[Repeat, Repeat]:
    """The repeat models for the first and the second half, each fitted to the other one."""
    is_first = evidence.panel.is_first_half
    first, second = (fit_again(evidence, ~half, seed, is_final=False) for half in _halves(is_first))
    return first, second


def own_odds(evidence: Evidence, again: tuple[Repeat, Repeat]) -> NDArray[np.float32]:
    """[cells] log odds that a user comes back, by the model of each half; -inf for new items."""
    cells = evidence.cells
    odds = np.full(len(cells.user), -np.inf, np.float32)
    for half, model in zip(_halves(evidence.panel.is_first_half), again, strict=True):
        rows = np.flatnonzero(half[cells.user] & cells.is_own)
        with torch.no_grad():
            odds[rows] = model.odds(columns_of(model, _rows(evidence, rows))).numpy()
    return odds


def halves_blended(evidence: Evidence, parts: Sequence[int], seed: int) -> tuple[Weights, Weights]:
    """Weights for the first and the second half, each fitted to the other one."""
    is_first = evidence.panel.is_first_half
    first, second = (fit_blend(evidence, parts, ~half, seed) for half in _halves(is_first))
    return first, second


def judge_blend(
    evidence: Evidence,
    parts: Sequence[int],
    weights: tuple[Weights, Weights],
    own: NDArray[np.float32],
) -> Judged:
    """Each half of the panel by the blend that was fitted to the other half, beside the log odds
    [cells] of own items."""
    cells, odds = evidence.cells, own.copy()
    for half, fitted in zip(_halves(evidence.panel.is_first_half), weights, strict=True):
        rows = np.flatnonzero(half[cells.user] & ~cells.is_own)
        odds[rows] = blend_odds(evidence, parts, fitted, rows)
    return judge(evidence.panel, cells, odds)


def _halves(is_first: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return is_first, ~is_first


def part_of(scaling: Scaling, parts: Sequence[int]) -> Scaling:
    chosen = list(parts)
    return Scaling(
        scaling.mean[chosen], scaling.scale[chosen], scaling.user_mean, scaling.user_scale
    )


def _user_columns(evidence: Evidence, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    found = user_columns(torch.from_numpy(evidence.activity)).numpy()
    return np.asarray(found[evidence.cells.user[rows]], np.float32)


def _rows(evidence: Evidence, rows: NDArray[np.int64]) -> RepeatRows:
    cells = evidence.cells
    return RepeatRows(
        cells.item[rows],
        cells.facts[rows],
        evidence.activity[cells.user[rows]],
        cells.label[rows],
        evidence.panel.weights[cells.user[rows]],
    )


def _sample(chosen: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    rows = np.flatnonzero(chosen)
    if len(rows) <= _MOST_ROWS:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS, replace=False))
