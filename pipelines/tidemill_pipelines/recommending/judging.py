"""Judges an exported recommender on what the users of the test window then did."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tidemill.bundle import MODEL_FILE
from tidemill.errors import BundleError
from tidemill.evaluation import PairedDifference
from tidemill.home import Home
from tidemill.live_model import served_bundle
from tidemill.objective import Objective
from tidemill.recommendation.bundle import RecommenderMetadata, read_any_metadata
from tidemill.recommendation.ranking import PerUser, paired_mean_difference
from tidemill.registry import Registry
from tidemill_features.instants import in_microseconds
from tidemill_features.recommendation_set import load_recommendation_set
from tidemill_pipelines.gate import GuardedSlice
from tidemill_pipelines.guarding import Judged, guarded_slices
from tidemill_pipelines.onnx_file import open_session
from tidemill_pipelines.promises import Promise, Promises
from tidemill_pipelines.recommending.judged import random_part
from tidemill_pipelines.recommending.measuring import (
    accuracy,
    character,
    model_lists,
    ndcg,
    rule_lists,
)
from tidemill_pipelines.recommending.neighbours import describe_items
from tidemill_pipelines.recommending.notes import read_notes
from tidemill_pipelines.recommending.promises import promise_of
from tidemill_pipelines.recommending.running import Lists, Ranker
from tidemill_pipelines.recommending.simple_rule import OWN_THEN_POPULAR, POPULAR
from tidemill_pipelines.recommending.slices import item_slices, user_slices
from tidemill_pipelines.recommending.task import Task


@dataclass(frozen=True)
class ChoiceEvaluation:
    """Everything a person or the gate wants to know about one recommender."""

    metrics: dict[str, float]
    baseline: str
    """The simple rule, in words."""
    over_baseline: PairedDifference
    """Of NDCG."""
    over_champion: PairedDifference | None
    champion_version: str | None
    model: str
    promises: Promises
    """What came true of probabilities, of anybody's lists."""
    candidates: list[dict[str, Any]]
    slices: dict[str, list[dict[str, Any]]]
    """`users` and `items`."""
    neighbours: list[dict[str, Any]]
    map: dict[str, Any]
    guarded: list[GuardedSlice]
    """Against the champion, slices with users enough."""
    earlier_challengers: int
    """That the same champion has met before."""


@dataclass(frozen=True)
class _Champion:
    version: str
    ranker: Ranker

    def ndcg(self, task: Task) -> PerUser:
        return ndcg(model_lists(self.ranker, task), task)

    def promise(self, task: Task, seed: int) -> Promise:
        return promise_of(self.ranker, task, seed)[0]


def judge_recommender(
    home: Home, objective: Objective, dataset: Path, model: Path
) -> ChoiceEvaluation:
    """Evaluate the ONNX file `model`: what is judged is what ships.

    Raises NotReadyError when nobody in the test window can be judged by.
    """
    data = load_recommendation_set(dataset)
    task, notes = Task.of(objective, data), read_notes(model)
    ranker = Ranker(open_session(model), data.items, data.items.ids, data.items.contexts)
    lists, rule = model_lists(ranker, task), rule_lists(task)
    own, simple = ndcg(lists, task), ndcg(rule, task)
    champion = _champion(home, task)
    incumbent = None if champion is None else champion.ndcg(task)
    seed = objective.spec.training.seed
    anybody = replace(task, window=random_part(data.later, seed))
    promise, error = promise_of(ranker, anybody, seed)
    return ChoiceEvaluation(
        metrics=_metrics(task, ranker, lists, rule) | _finite(_honesty(promise, error)),
        baseline=OWN_THEN_POPULAR if task.choice.repeats else POPULAR,
        over_baseline=_difference(own, simple, seed),
        over_champion=None if incumbent is None else _difference(own, incumbent, seed),
        champion_version=None if champion is None else champion.version,
        promises=Promises(promise, None if champion is None else champion.promise(anybody, seed)),
        model=notes.model,
        candidates=notes.candidates,
        slices={
            "users": user_slices(task.window, task.table, own, simple),
            "items": item_slices(task.window, task.table, lists.items, task.known_to),
        },
        **describe_items(data.later.histories, task.table, task.popular, seed),
        guarded=[] if incumbent is None else _guarded(home, task, own, incumbent),
        earlier_challengers=(
            0 if champion is None else Registry(home).challengers(objective.name, champion.version)
        ),
    )


def _guarded(home: Home, task: Task, own: PerUser, incumbent: PerUser) -> list[GuardedSlice]:
    histories, spec = task.window.histories, task.objective.spec
    judged = Judged(
        histories.users.tolist(),
        in_microseconds(histories.cutoff),
        np.ones(len(histories), dtype=np.bool_),
        lambda rows: _difference(own[rows], incumbent[rows], spec.training.seed),
    )
    return guarded_slices(home, spec.monitoring.retrain.guard, judged)


def _metrics(task: Task, ranker: Ranker, lists: Lists, rule: Lists) -> dict[str, float]:
    """Those that have a value: not every log has new items, or attributes."""
    new, new_by_rule = model_lists(ranker, task, only_new=True), rule_lists(task, only_new=True)
    strangers = ndcg(model_lists(ranker, task, as_strangers=True), task)
    lengths = np.diff(task.window.histories.offsets)
    found = {
        **accuracy(lists, new, task),
        **{f"baseline_{name}": value for name, value in accuracy(rule, new_by_rule, task).items()},
        **character(lists, task),
        "ndcg_of_strangers": float(np.nanmean(strangers)),
        "users": float(len(lengths)),
        "cold_share": float((lengths == 0).mean()),
    }
    return _finite(found)


def _honesty(promise: Promise, error: float) -> dict[str, float]:
    predicted = 1 / promise.kept if promise.kept > 0 else math.nan
    return {"ece": error, "predicted_over_observed": predicted}


def _finite(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _champion(home: Home, task: Task) -> _Champion | None:
    """What is live; None when nothing is, or it was asked something else."""
    try:
        bundle = served_bundle(home, task.objective.name)
    except BundleError:
        return None
    session = open_session(bundle / MODEL_FILE)
    metadata = read_any_metadata(session.get_modelmeta().custom_metadata_map, str(bundle))
    is_same = metadata.objective_hash == task.objective.hash
    if not isinstance(metadata, RecommenderMetadata) or not is_same:
        return None
    ranker = Ranker(session, task.table, metadata.items, metadata.contexts)
    return _Champion(bundle.name, ranker)


def _difference(challenger: PerUser, incumbent: PerUser, seed: int) -> PairedDifference:
    found = paired_mean_difference(challenger, incumbent, seed)
    return PairedDifference(found.difference, found.lower, found.upper)
