"""All candidates learn from the same histories; what predicts the next window best is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tidemill_features.histories import RecommendationSet
from tidemill_pipelines.recommending.blend import scaling_of, user_columns
from tidemill_pipelines.recommending.candidates.als import ImplicitAls
from tidemill_pipelines.recommending.candidates.candidate import Candidate, FactorScores, Scores
from tidemill_pipelines.recommending.candidates.ease import Ease, LowRankEase
from tidemill_pipelines.recommending.candidates.item_knn import ItemKnn
from tidemill_pipelines.recommending.candidates.markov import Markov
from tidemill_pipelines.recommending.candidates.own_frequency import OwnFrequency
from tidemill_pipelines.recommending.candidates.popularity import Popularity
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

ROSTER: tuple[Candidate, ...] = (
    Popularity(),
    OwnFrequency(),
    ImplicitAls(),
    LowRankEase(500),
    LowRankEase(2500),
    ItemKnn(),
    Markov(),
    Ease(500),
    Ease(2500),
)


@dataclass(frozen=True)
class CandidateResult:
    """How one candidate did on the earlier window."""

    name: str
    ndcg: float
    ndcg_new: float
    """Of items that were new to the user."""
    recall: float
    cpu_seconds: float
    note: str
    """Why it was left out, or what it was fitted to; empty if there is nothing to say."""


@dataclass(frozen=True)
class Fitted:
    """The recommender that won, fitted to the newest histories."""

    module: torch.nn.Module
    model: str
    is_factored: bool
    candidates: list[CandidateResult]


@dataclass(frozen=True)
class _Contestant:
    name: str
    parts: tuple[int, ...]
    judged: Judged


def fit(
    data: RecommendationSet, *, repeats: bool, count: int, seed: int, say: Callable[[str], None]
) -> Fitted:
    window, items = data.earlier, data.items
    results: list[CandidateResult] = []
    fitted: list[tuple[Candidate, Scores, float]] = []
    for candidate in ROSTER:
        start = time.process_time()
        scores = candidate.fit(window.histories, items, seed)
        fitted.append((candidate, scores, time.process_time() - start))
        say(f"{candidate.name}: {fitted[-1][2]:.1f} CPU seconds")
    panel = panel_of(window, len(items.ids), count, seed)
    start = time.process_time()
    judged, cells = observe(panel, [scores for _, scores, _ in fitted], seed)
    say(f"observed: {time.process_time() - start:.1f} CPU seconds")
    for (candidate, _, cpu), each in zip(fitted, judged, strict=True):
        results.append(_result(candidate.name, each, cpu))
    evidence = evidence_of(panel, cells, item_statistics(window.histories, len(items.ids)))
    sets = _sets([scores for _, scores, _ in fitted])
    contestants = []
    for name, parts in sets:
        start = time.process_time()
        found = judge_blend(evidence, parts, repeats, seed)
        contestants.append(_Contestant(name, parts, found))
        results.append(_result(name, found, time.process_time() - start))
        say(str(results[-1]))
    best = _choose(contestants)
    final = [ROSTER[part].fit(data.later.histories, items, seed) for part in best.parts]
    everybody = np.ones(len(panel.users), np.bool_)
    weights = fit_blend(evidence, best.parts, everybody, seed)
    again = None
    if repeats:
        blended = blend_odds(evidence, best.parts, weights)
        again = fit_again(evidence, blended, everybody, seed, is_final=True)
        again.statistics = item_statistics(data.later.histories, len(items.ids))
    module = hybrid_of(final, part_of(evidence.scaling, best.parts), weights, again)
    return Fitted(module.eval(), best.name, isinstance(module, FactorScores), results)


def _sets(scores: Sequence[Scores]) -> list[tuple[str, tuple[int, ...]]]:
    factored = [i for i, each in enumerate(scores) if isinstance(each, FactorScores)]
    return [
        ("popularity", (0,)),
        *((f"popularity + {ROSTER[i].name}", (0, i)) for i in factored[1:]),
        ("factored", tuple(factored)),
        ("all", tuple(i for i in range(len(scores)) if i != 1)),
    ]


def _choose(contestants: Sequence[_Contestant]) -> _Contestant:
    merit = [np.nan_to_num(c.judged.ndcg) + np.nan_to_num(c.judged.ndcg_new) for c in contestants]
    best = max(merit, key=lambda each: float(each.mean()))
    for contestant, each in zip(contestants, merit, strict=True):
        gap = best - each
        if gap.mean() <= gap.std() / np.sqrt(len(gap)):
            return contestant
    raise AssertionError("the best is within its own error")


def _result(name: str, judged: Judged, cpu: float, note: str = "") -> CandidateResult:
    means = (float(np.nanmean(each)) for each in (judged.ndcg, judged.ndcg_new, judged.recall))
    return CandidateResult(name, *means, cpu, note)
