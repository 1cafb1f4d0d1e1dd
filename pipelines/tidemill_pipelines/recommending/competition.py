"""All candidates learn from the same histories; what predicts the next window best is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.histories import RecommendationSet
from tidemill_pipelines.recommending.candidates.attributes import Alike
from tidemill_pipelines.recommending.candidates.candidate import Candidate, FactorScores, Scores
from tidemill_pipelines.recommending.candidates.cold_items import describe_cold_items
from tidemill_pipelines.recommending.candidates.roster import NETWORKS, ROSTER
from tidemill_pipelines.recommending.contest import (
    Evidence,
    evidence_of,
    fit_again,
    fit_blend,
    halves_again,
    halves_blended,
    judge_blend,
    own_odds,
    part_of,
    rescaled,
)
from tidemill_pipelines.recommending.hybrid import hybrid_of
from tidemill_pipelines.recommending.memory import check_memory
from tidemill_pipelines.recommending.panel import (
    Cells,
    Judged,
    Panel,
    judge,
    observe,
    panel_of,
    some_users,
)
from tidemill_pipelines.recommending.repeat import Repeat, item_statistics
from tidemill_pipelines.recommending.verifying import Verified, verify

_HOPELESS = "not blended: a cheaper model is better"


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
    """Why it was not tried or not blended, or what it learned from if not from everybody."""


@dataclass(frozen=True)
class Fitted:
    """The recommender that won, fitted to the newest histories."""

    module: Scores
    """From history, facts, activity and context to log odds [n, items]."""
    model: str
    is_factored: bool
    """Whether the module has `query`, `item_vectors` and `repeat`."""
    candidates: list[CandidateResult]


@dataclass(frozen=True)
class _Tried:
    candidate: Candidate
    scores: Scores
    result: CandidateResult
    is_blended: bool


@dataclass(frozen=True)
class _Blended:
    parts: tuple[int, ...]
    is_factored: bool
    verified: Verified
    result: CandidateResult


@dataclass(frozen=True)
class _Ground:
    """What all blends are judged on."""

    evidence: Evidence
    candidates: list[Scores]
    again: tuple[Repeat, Repeat] | None
    """For each half of the panel; None where nothing is offered again."""
    own: NDArray[np.float32]
    """[cells], log odds of the history's items."""
    members: NDArray[np.bool_]
    """[m], users whose whole catalogue is ranked."""
    seed: int


def fit(
    data: RecommendationSet, *, repeats: bool, count: int, seed: int, say: Callable[[str], None]
) -> Fitted:
    """Choose on the earlier window, then learn from the later histories; its outcomes stay unread.

    Blends are fitted to one half of the users and judged on the other. The best mean of NDCG over
    all items and over new ones wins; one that is no inner product, and so takes a pass over all
    items for each answer, has to win by more than a standard error. Deterministic for a seed, data
    and thread count. Raises NotReadyError where memory would not suffice.
    """
    check_memory(len(data.later.histories), len(data.later.histories.items), len(data.items.ids))
    trained, refused = _train(data, seed, say)
    panel = panel_of(data.earlier, len(data.items.ids), count, seed)
    cells = observe(panel, [scores for _, scores, _ in trained], seed)
    tried = _without_hopeless(
        [_judged(panel, cells, place, *each) for place, each in enumerate(trained)]
    )
    for each in tried:
        say(_line(each.result, count))
    evidence = evidence_of(
        panel, cells, item_statistics(data.earlier.histories, len(data.items.ids))
    )
    ground = _ground(evidence, [each.scores for each in tried], repeats, seed)
    blends = []
    for name, parts in _line_up(tried, repeats):
        is_factored = all(isinstance(tried[part].scores, FactorScores) for part in parts)
        blends.append(_blended(ground, name, parts, is_factored))
        say(_line(blends[-1].result, count))
    best = _choose(blends)
    module = _final(data, evidence, tried, best, repeats, seed)
    results = [*(each.result for each in tried), *refused, *(each.result for each in blends)]
    return Fitted(module, best.result.name, isinstance(module, FactorScores), results)


def _train(
    data: RecommendationSet, seed: int, say: Callable[[str], None]
) -> tuple[list[tuple[Candidate, Scores, float]], list[CandidateResult]]:
    """All candidates that are for this data with their CPU seconds, and those that are not."""
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
        trained.append((candidate, scores, time.process_time() - start))
    learned = [scores for _, scores, _ in trained]
    describe_cold_items(learned, _alike(learned), histories)
    return trained, refused


def _alike(scores: Sequence[Scores]) -> Alike | None:
    return next((each for each in scores if isinstance(each, Alike)), None)


def _judged(
    panel: Panel, cells: Cells, place: int, candidate: Candidate, scores: Scores, cpu: float
) -> _Tried:
    judged = judge(panel, cells, cells.scores[:, place])
    result = _result(candidate.name, judged, cpu, scores.note)
    return _Tried(candidate, scores, result, candidate.is_for_new)


def _without_hopeless(tried: Sequence[_Tried]) -> list[_Tried]:
    """Networks, which cost most to learn anew, are blended only if alone they beat all cheaper
    models; of the rest also weak ones may add to a blend."""
    cheap = [each.result.ndcg_new for each in tried if each.candidate not in NETWORKS]
    bar = max(np.nan_to_num(cheap))
    return [
        replace(each, is_blended=False, result=replace(each.result, note=_HOPELESS))
        if each.candidate in NETWORKS and not each.result.ndcg_new > bar
        else each
        for each in tried
    ]


def _line_up(tried: Sequence[_Tried], repeats: bool) -> list[tuple[str, tuple[int, ...]]]:
    """Blends worth judging, simplest first; popularity comes first in each."""
    first = "own history" if repeats else "popularity"
    learned = [i for i, each in enumerate(tried) if i > 0 and each.is_blended]
    factored = [i for i in learned if isinstance(tried[i].scores, FactorScores)]
    cheap = [i for i in factored if tried[i].candidate not in NETWORKS]
    alone = "own history with popularity" if repeats else "popularity alone"
    blends: dict[tuple[int, ...], str] = {(0,): alone}
    groups = (
        (cheap, "several factorisations"),
        (factored, "factorisations and networks"),
        (learned, "all models"),
    )
    for group, name in groups:
        if group:
            best = max(group, key=lambda i: np.nan_to_num(tried[i].result.ndcg_new))
            blends.setdefault((0, best), f"{first} with {tried[best].candidate.name}")
            blends.setdefault((0, *group), f"{first} with {name}")
    return [(name, parts) for parts, name in blends.items()]


def _ground(evidence: Evidence, candidates: list[Scores], repeats: bool, seed: int) -> _Ground:
    cells = evidence.cells
    again = halves_again(evidence, seed) if repeats else None
    nothing = np.full(len(cells.user), -np.inf, np.float32)
    own = nothing if again is None else own_odds(evidence, again)
    members = some_users(evidence.panel, candidates[0].items, seed)
    return _Ground(evidence, candidates, again, own, members, seed)


def _blended(ground: _Ground, name: str, parts: tuple[int, ...], is_factored: bool) -> _Blended:
    start = time.process_time()
    evidence, again = ground.evidence, ground.again
    weights = halves_blended(evidence, parts, ground.seed)
    chosen, scaling = [ground.candidates[i] for i in parts], part_of(evidence.scaling, parts)
    models = zip(weights, again or (None, None), strict=True)
    verified = verify(
        evidence.panel,
        judge_blend(evidence, parts, weights, ground.own),
        [hybrid_of(chosen, scaling, fitted, model) for fitted, model in models],
        ground.members,
        repeats=again is not None,
        seed=ground.seed,
    )
    result = _result(name, verified.judged, time.process_time() - start, "")
    return _Blended(parts, is_factored, verified, result)


def _choose(blends: Sequence[_Blended]) -> _Blended:
    factored = [each for each in blends if each.is_factored]
    best, rival = (
        max(group, key=lambda each: float(_merit(each.verified.judged).mean()))
        for group in (factored, blends)
    )
    gain = _merit(rival.verified.judged) - _merit(best.verified.judged)
    return rival if gain.mean() > gain.std() / np.sqrt(len(gain)) else best


def _merit(judged: Judged) -> NDArray[np.float64]:
    """[users with an outcome]; who came to nothing new counts 0 there in every blend alike."""
    has_outcome = ~np.isnan(judged.ndcg)
    if not has_outcome.any():
        return np.zeros(1)
    return (judged.ndcg + np.nan_to_num(judged.ndcg_new))[has_outcome] / 2


def _final(
    data: RecommendationSet,
    evidence: Evidence,
    tried: Sequence[_Tried],
    best: _Blended,
    repeats: bool,
    seed: int,
) -> Scores:
    """The chosen candidates learn anew from the later histories; the blend is from all users."""
    histories = data.later.histories
    parts = [tried[part].candidate.fit(histories, data.items, seed) for part in best.parts]
    describe_cold_items(parts, _alike([each.scores for each in tried]), histories)
    everybody = np.ones(len(evidence.panel.users), np.bool_)
    weights, shift = fit_blend(evidence, best.parts, everybody, seed), best.verified.shift
    weights = replace(weights, intercept=weights.intercept + shift)
    again = None
    if repeats:
        again = fit_again(evidence, everybody, seed, is_final=True).shifted(shift)
        again.statistics = item_statistics(histories, len(data.items.ids))
    scaling = part_of(evidence.scaling, best.parts)
    scaling = rescaled(scaling, parts, histories, evidence.panel.count, seed)
    return hybrid_of(parts, scaling, weights, again).eval().requires_grad_(False)


def _result(name: str, judged: Judged, cpu: float, note: str) -> CandidateResult:
    ndcg, new, recall = map(_mean, (judged.ndcg, judged.ndcg_new, judged.recall))
    return CandidateResult(name, ndcg, new, recall, cpu, note)


def _line(result: CandidateResult, count: int) -> str:
    note = f"; {result.note}" if result.note else ""
    return (
        f"{result.name}: NDCG@{count} {_shown(result.ndcg)}, of new items "
        f"{_shown(result.ndcg_new)}, {result.cpu_seconds:.1f} CPU seconds{note}"
    )


def _shown(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.3f}"


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
