"""All candidates learn from the same histories; what predicts the next window best is taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tidemill.errors import NotReadyError
from tidemill.recommendation.histories import RecommendationSet
from tidemill_pipelines.recommending.candidates.candidate import Candidate, FactorScores, Scores
from tidemill_pipelines.recommending.candidates.roster import NETWORKS, ROSTER
from tidemill_pipelines.recommending.contest import (
    Evidence,
    blend_odds,
    evidence_of,
    fit_again,
    fit_blend,
    judge_blend,
    part_of,
)
from tidemill_pipelines.recommending.hybrid import hybrid_of
from tidemill_pipelines.recommending.panel import Judged, observe, panel_of
from tidemill_pipelines.recommending.repeat import item_statistics

_BYTES_OF_AN_ITEM = 12_000
"""Vectors and neighbours of all candidates, twice."""
_BYTES_OF_A_PAIR = 40
_MOST_PAIRS = 10_000_000
_BYTES_OF_A_USER = 200
_BYTES_AT_LEAST = 1_500_000_000


@dataclass(frozen=True)
class CandidateResult:
    """How one candidate did on the earlier window."""

    name: str
    ndcg: float
    """Over all items; NaN where it was not tried, as the rest."""
    ndcg_new: float
    """Over items that were new to the user."""
    recall: float
    cpu_seconds: float
    note: str
    """Why it was not tried; empty if it was."""


@dataclass(frozen=True)
class Fitted:
    """The recommender that won, fitted to the newest histories."""

    module: torch.nn.Module
    """From history, facts, activity and context to log odds [n, items]."""
    model: str
    is_factored: bool
    """Whether the module has `query`, `item_vectors` and `repeat`."""
    candidates: list[CandidateResult]


@dataclass(frozen=True)
class _Trained:
    candidate: Candidate
    scores: Scores
    cpu_seconds: float


@dataclass(frozen=True)
class _Blended:
    name: str
    parts: tuple[int, ...]
    judged: Judged
    cpu_seconds: float


def fit(
    data: RecommendationSet, *, repeats: bool, count: int, seed: int, say: Callable[[str], None]
) -> Fitted:
    """Choose on the earlier window, then learn from the later histories; its outcomes stay unread.

    Blends are fitted to one half of the users and judged on the other. The best mean of NDCG over
    all items and over new ones wins, unless a simpler blend is within one standard error of it
    (Breiman et al. 1984). Deterministic for a seed, data and thread count. Raises NotReadyError
    where memory would not suffice.
    """
    _check_memory(data)
    trained, results = _train(data, seed, say)
    panel = panel_of(data.earlier, len(data.items.ids), count, seed)
    judged, cells = observe(panel, [each.scores for each in trained], seed)
    results = [
        *(
            _result(t.candidate.name, j, t.cpu_seconds)
            for t, j in zip(trained, judged, strict=True)
        ),
        *results,
    ]
    statistics = item_statistics(data.earlier.histories, len(data.items.ids))
    evidence = evidence_of(panel, cells, statistics)
    blends = []
    for name, parts in _line_up(trained, judged):
        blends.append(_blended(evidence, name, parts, repeats, seed))
        say(f"{name}: NDCG {_mean(blends[-1].judged.ndcg):.4f}")
    best = _choose(blends)
    module = _final(data, evidence, [trained[part] for part in best.parts], best, repeats, seed)
    results += [_result(each.name, each.judged, each.cpu_seconds) for each in blends]
    return Fitted(module, best.name, isinstance(module, FactorScores), results)


def _train(
    data: RecommendationSet, seed: int, say: Callable[[str], None]
) -> tuple[list[_Trained], list[CandidateResult]]:
    """All candidates that are for this data, and those that are not."""
    histories, trained, refused = data.earlier.histories, [], []
    for candidate in ROSTER:
        note = candidate.refusal(histories, data.items)
        if note is not None:
            nothing = float("nan")
            refused.append(CandidateResult(candidate.name, nothing, nothing, nothing, 0.0, note))
            say(f"{candidate.name}: {note}")
            continue
        start = time.process_time()
        scores = candidate.fit(histories, data.items, seed).eval()
        trained.append(_Trained(candidate, scores, time.process_time() - start))
        say(f"{candidate.name}: learned in {trained[-1].cpu_seconds:.1f} CPU seconds")
    return trained, refused


def _line_up(
    trained: Sequence[_Trained], judged: Sequence[Judged]
) -> list[tuple[str, tuple[int, ...]]]:
    """Blends worth judging, simplest first; popularity comes first in each."""
    learned = [i for i, t in enumerate(trained) if i > 0 and t.candidate.is_for_new]
    factored = [i for i in learned if isinstance(trained[i].scores, FactorScores)]
    merit = [_mean(each.ndcg_new) for each in judged]
    blends: dict[tuple[int, ...], str] = {(0,): "popularity"}
    cheap = [i for i in factored if trained[i].candidate not in NETWORKS]
    for group, name in ((cheap, "factors"), (factored, "factors and networks"), (learned, "all")):
        if group:
            best = max(group, key=lambda i: merit[i])
            blends.setdefault((0, best), f"popularity and {trained[best].candidate.name}")
            blends.setdefault((0, *group), f"blend of {name}")
    return [(name, parts) for parts, name in blends.items()]


def _blended(
    evidence: Evidence, name: str, parts: tuple[int, ...], repeats: bool, seed: int
) -> _Blended:
    start = time.process_time()
    judged = judge_blend(evidence, parts, repeats, seed)
    return _Blended(name, parts, judged, time.process_time() - start)


def _choose(blends: Sequence[_Blended]) -> _Blended:
    merits = [_merit(each.judged) for each in blends]
    best = max(merits, key=lambda merit: float(merit.mean()))
    gaps = [best - merit for merit in merits]
    errors = [gap.std() / np.sqrt(max(len(gap), 1)) for gap in gaps]
    return next(
        blend for blend, gap, e in zip(blends, gaps, errors, strict=True) if gap.mean() <= e
    )


def _merit(judged: Judged) -> NDArray[np.float64]:
    """[users with an outcome]; who came to nothing new counts 0 there in every blend alike."""
    has_outcome = ~np.isnan(judged.ndcg)
    if not has_outcome.any():
        return np.zeros(1)
    return (judged.ndcg + np.nan_to_num(judged.ndcg_new))[has_outcome] / 2


def _final(
    data: RecommendationSet,
    evidence: Evidence,
    chosen: Sequence[_Trained],
    best: _Blended,
    repeats: bool,
    seed: int,
) -> torch.nn.Module:
    """The chosen candidates learn anew from the later histories; the blend is from all users."""
    histories, items = data.later.histories, len(data.items.ids)
    parts = [each.candidate.fit(histories, data.items, seed) for each in chosen]
    everybody = np.ones(len(evidence.panel.users), np.bool_)
    weights = fit_blend(evidence, best.parts, everybody, seed)
    again = None
    if repeats:
        blended = blend_odds(evidence, best.parts, weights)
        again = fit_again(evidence, blended, everybody, seed, is_final=True)
        again.statistics = item_statistics(histories, items)
    scaling = part_of(evidence.scaling, best.parts)
    return hybrid_of(parts, scaling, weights, again).eval().requires_grad_(False)


def _check_memory(data: RecommendationSet) -> None:
    histories, items = data.later.histories, len(data.items.ids)
    pairs = min(len(histories.items), _MOST_PAIRS)
    needed = _BYTES_AT_LEAST + items * _BYTES_OF_AN_ITEM + pairs * _BYTES_OF_A_PAIR
    needed += len(histories) * _BYTES_OF_A_USER
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > free:
        raise NotReadyError(
            f"learning from {len(histories):,} users and {items:,} items takes about "
            f"{needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free",
            hint="raise items.minimum_users, or train where there is more memory",
        )


def _result(name: str, judged: Judged, cpu: float) -> CandidateResult:
    ndcg, new, recall = map(_mean, (judged.ndcg, judged.ndcg_new, judged.recall))
    return CandidateResult(name, ndcg, new, recall, cpu, "")


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
