"""Lists that were served against what was promised of them, once their horizon is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.histories import Outcomes
from tidemill.recommendation.ranking import ndcg_per_user
from tidemill_monitoring.choosing.answers import ShownList
from tidemill_monitoring.intervals import Estimate, judge_ratio
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict

LOSS_WATCH, LOSS_ACT = 0.05, 0.15
"""Share of the promised NDCG that must surely be lost."""
_DRAWS = 500
_LEAST_HITS = 20

Happened = Sequence[frozenset[str]]


def judge_lists(
    lists: Sequence[ShownList], happened: Happened, promised: RecommenderMetadata, seed: int = 0
) -> Verdict:
    """NDCG over the users who did anything, as it was measured in the test window."""
    measured = _ndcg(lists, happened, promised.count)
    measured = measured[~np.isnan(measured)]
    evidence = {"users": len(measured), "shown_to": len(lists), "model_version": lists[0].version}
    if len(measured) < MINIMUM_USERS:
        sentence = (
            f"{len(measured)} of {len(lists)} users did what the objective is about since; "
            f"{MINIMUM_USERS} are needed."
        )
        return Verdict(Concern.PERFORMANCE, Status.UNDECIDED, sentence, evidence)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(measured), (_DRAWS, len(measured)))
    ndcg = Estimate.of(float(measured.mean()), measured[picks].mean(axis=1))
    promise = promised.metrics["ndcg"]
    lost = 1 - ndcg.upper / promise if promise else 0.0
    status = _of_loss(lost)
    sentence = (
        f"NDCG@{promised.count} of the lists served to {len(measured)} users: {ndcg.observed:.3f} "
        f"({ndcg.lower:.3f} to {ndcg.upper:.3f}); promised {promise:.3f}."
    )
    if status is not Status.OK:
        sentence += f" At least {lost:.0%} of it is lost: retrain."
    evidence |= {"ndcg": {**asdict(ndcg), "promised": promise}}
    return Verdict(Concern.PERFORMANCE, status, sentence, evidence)


def judge_hits(
    lists: Sequence[ShownList], happened: Happened, *, is_offer: bool, seed: int = 0
) -> Verdict:
    """How many shown items were taken up, against the sum of their probabilities."""
    pairs = _pairs(lists, happened)
    hits = np.array([len(items.intersection(each.items)) for each, items in pairs])
    evidence: dict[str, Any] = {"users": len(lists), "hits": int(hits.sum())}
    if is_offer:
        sentence = "Offers are scored by value, so their number is not predicted."
        return Verdict(Concern.BASE_RATE, Status.UNDECIDED, sentence, evidence)
    predicted = np.array([sum(each.scores) for each in lists])
    evidence |= {"predicted": float(predicted.sum())}
    if len(lists) < MINIMUM_USERS or hits.sum() < _LEAST_HITS:
        sentence = (
            f"{int(hits.sum())} shown items were taken up by {len(lists)} users; {_LEAST_HITS} "
            f"and {MINIMUM_USERS} are needed."
        )
        return Verdict(Concern.BASE_RATE, Status.UNDECIDED, sentence, evidence)
    picks = np.random.default_rng(seed).integers(0, len(lists), (_DRAWS, len(lists)))
    drawn = predicted[picks].sum(axis=1) / np.maximum(hits[picks].sum(axis=1), 1)
    ratio = Estimate.of(float(predicted.sum() / hits.sum()), drawn)
    status = judge_ratio(ratio.lower, ratio.upper)
    sentence = (
        f"{int(hits.sum())} shown items were taken up, {predicted.sum():.0f} were predicted (ratio "
        f"{ratio.observed:.2f}, {ratio.lower:.2f} to {ratio.upper:.2f})."
    )
    if status is not Status.OK:
        sentence += " The order may still be right; the probabilities are not."
    return Verdict(Concern.BASE_RATE, status, sentence, {**evidence, "ratio": asdict(ratio)})


def _of_loss(lost: float) -> Status:
    if lost > LOSS_ACT:
        return Status.ACT
    return Status.WATCH if lost > LOSS_WATCH else Status.OK


def _pairs(
    lists: Sequence[ShownList], happened: Happened
) -> list[tuple[ShownList, frozenset[str]]]:
    return list(zip(lists, happened, strict=True))


def _ndcg(lists: Sequence[ShownList], happened: Happened, count: int) -> NDArray[np.float64]:
    """Of each list, NaN where nothing happened."""
    number: dict[str, int] = {}
    ranked = np.full((len(lists), count), -1, dtype=np.int64)
    sizes, items = [0], []
    for place, (each, did) in enumerate(_pairs(lists, happened)):
        shown = [number.setdefault(item, len(number)) for item in each.items[:count]]
        ranked[place, : len(shown)] = shown
        items += sorted(number.setdefault(item, len(number)) for item in did)
        sizes.append(len(did))
    outcomes = Outcomes(
        np.cumsum(sizes, dtype=np.int64),
        np.array(items, dtype=np.int32),
        np.full(len(items), np.nan, dtype=np.float32),
    )
    return ndcg_per_user(ranked, outcomes, count)
