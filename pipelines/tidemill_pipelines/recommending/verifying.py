"""What sampled metrics get wrong about a blend, from some users whose whole catalogue is ranked.

A blend is judged on cells, and what it ranks first may not be among them, while outcomes always
are: sampled metrics flatter, most of all a blend that is no good (Krichene & Rendle 2020). So the
recommender that would ship ranks everything for some users, and the sampled metrics of all users
only help as far as they agree with that (control variates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tidemill_pipelines.recommending.candidates.candidate import Scores
from tidemill_pipelines.recommending.panel import Cells, Judged, Panel, judge, narrowed, observe

_PRIOR = 10.0
"""Pseudo-outcomes that hold the level where a few users say little."""
_FARTHEST = 20.0
_HALVINGS = 30


@dataclass(frozen=True)
class Verified:
    """A blend judged on the whole catalogue."""

    judged: Judged
    """Of the whole panel, right on average."""
    shift: float
    """What to add to all log odds so that as much is taken up as was predicted. What is shown is
    what came out highest, and so too high."""


def verify(
    panel: Panel,
    judged: Judged,
    halves: Sequence[Scores],
    members: NDArray[np.bool_],
    *,
    repeats: bool,
    seed: int,
) -> Verified:
    """`halves` are the recommenders for the first and for the second half of the panel; with
    `repeats`, they may offer what is in the history."""
    found, shown = [], []
    for half, recommender in zip((panel.is_first_half, ~panel.is_first_half), halves, strict=True):
        part = members & half
        if not part.any():
            continue
        some = narrowed(panel, part)
        cells = observe(some, [recommender], seed)
        scores = np.where(cells.is_own & (not repeats), -np.inf, cells.scores[:, 0])
        found.append((part, judge(some, cells, scores)))
        shown.append(_shown(some, cells, scores))
    corrected = Judged(*(_corrected(judged, found, each.name) for each in fields(Judged)))
    odds, hits, weights = (np.concatenate(each) for each in zip(*shown, strict=True))
    return Verified(corrected, _shift(odds, hits, weights))


def _corrected(
    judged: Judged, found: Sequence[tuple[NDArray[np.bool_], Judged]], name: str
) -> NDArray[np.float64]:
    """What was sampled of the whole panel, moved and scaled towards what is exact."""
    sampled: NDArray[np.float64] = getattr(judged, name)
    guess = np.concatenate([sampled[part] for part, _ in found])
    exact = np.concatenate([getattr(each, name) for _, each in found])
    guess, exact = guess[~np.isnan(exact)], exact[~np.isnan(exact)]
    if not len(exact):
        return sampled
    spread = guess.var()
    trust = ((guess - guess.mean()) * exact).mean() / spread if spread else 0.0
    return np.asarray(exact.mean() + np.clip(trust, 0, 1) * (sampled - guess.mean()), np.float64)


def _shown(
    panel: Panel, cells: Cells, scores: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """Log odds of each user's first places, whether they were taken up, and the users' weights."""
    order = np.lexsort((-scores, cells.user))
    starts = np.searchsorted(cells.user, np.arange(len(panel.users)))
    first = order[np.arange(len(order)) - starts[cells.user[order]] < panel.count]
    first = first[np.isfinite(scores[first])]
    odds = scores[first].astype(np.float64)
    return odds, cells.label[first], panel.weights[cells.user[first]]


def _shift(
    odds: NDArray[np.float64], hits: NDArray[np.bool_], weights: NDArray[np.float64]
) -> float:
    """Where the slope of the log loss, with a little ridge, is zero: it falls all the way."""
    if not weights.any():
        return 0.0
    strength = weights / weights.mean()
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        slope = (strength * (hits - expit(odds + middle))).sum() - _PRIOR * middle
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2
