"""The steps of the training pipeline for objectives that choose items.

As those of tidemill_pipelines.steps, with other files: the training set is a folder of arrays.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_pipelines.recommending.declared import choice_of
from tidemill_pipelines.saying import say, say_warnings

if TYPE_CHECKING:
    from tidemill.recommendation.interests import InterestDefinition
    from tidemill_pipelines.recommending.judging import ChoiceEvaluation

KIND = "recommendation"
"""Of an evaluation, in its file."""


def validate(
    home: Home, objective: Objective, instant: datetime, readiness_path: Path
) -> dict[str, float]:
    """Raises NotReadyError with the number that falls short."""
    from tidemill.events import EventLog
    from tidemill_pipelines.assessing.assess import require_sound
    from tidemill_pipelines.assessing.kinds import of_choice
    from tidemill_pipelines.recommending.readiness import check_choice_readiness

    with EventLog(home.events).connect() as con:
        readiness = check_choice_readiness(con, objective, instant)
        asked = of_choice(objective, readiness)
        say_warnings(require_sound(con, objective, instant, asked))
    earlier, later = readiness.counts
    plan = {
        "at": instant.isoformat(),
        "train": [readiness.windows.earlier.isoformat()],
        "test": readiness.windows.later.isoformat(),
        "counts": [asdict(count) for count in readiness.counts],
    }
    readiness_path.write_text(json.dumps(plan, indent=1))
    say(
        f"ready: {readiness.items:,} items; models are chosen by {earlier.outcomes:,} outcomes of "
        f"{earlier.users:,} users from {earlier.cutoff[:10]}, and judged by {later.outcomes:,} of "
        f"{later.users:,} users from {later.cutoff[:10]}"
    )
    return {
        "items": readiness.items,
        "training_users": earlier.users,
        "training_outcomes": earlier.outcomes,
        "test_users": later.users,
        "test_outcomes": later.outcomes,
    }


def build_training_set(
    home: Home, objective: Objective, readiness_path: Path, dataset: Path
) -> dict[str, float]:
    """Histories as known at both cutoffs, and what came of them, as arrays in a folder."""
    from tidemill_features.recommendation_set import build_recommendation_set
    from tidemill_pipelines.recommending.bundling import DEFINITION_FILE

    plan = json.loads(readiness_path.read_text())
    earlier, later = datetime.fromisoformat(plan["train"][0]), datetime.fromisoformat(plan["test"])
    definition = _definition(home, objective, later)
    data = build_recommendation_set(home, objective, definition, earlier, later, dataset)
    (dataset / DEFINITION_FILE).write_text(definition.model_dump_json())
    users, pairs = len(data.later.histories), len(data.later.histories.items)
    say(
        f"training set: {users:,} users, {len(data.items.ids):,} items, {pairs:,} pairs of a user "
        "and an item of their history"
    )
    return {"users": users, "items": len(data.items.ids), "pairs": pairs}


def train(objective: Objective, dataset: Path, model: Path) -> dict[str, float]:
    """Let the candidates compete, export the winner as ONNX, check that both say the same."""
    from tidemill_features.recommendation_set import load_recommendation_set
    from tidemill_pipelines.recommending.competition import fit
    from tidemill_pipelines.recommending.graph import export_recommender
    from tidemill_pipelines.recommending.notes import TrainingNotes, write_notes
    from tidemill_pipelines.recommending.parity import Recommender, largest_difference

    choice, data = choice_of(objective), load_recommendation_set(dataset)
    seed = objective.spec.training.seed
    fitted = fit(data, repeats=choice.repeats, count=choice.count, seed=seed, say=say)
    values = data.items.values if objective.spec.next_best_offer is not None else None
    export_recommender(
        fitted.module,
        items=len(data.items.ids),
        values=values,
        repeats=choice.repeats,
        is_factored=fitted.is_factored,
        path=model,
    )
    exported = Recommender(
        fitted.module, len(data.items.ids), len(data.items.contexts), values, choice.repeats
    )
    difference = largest_difference(exported, model, seed)
    candidates = [asdict(candidate) for candidate in fitted.candidates]
    write_notes(model, TrainingNotes(fitted.model, fitted.is_factored, candidates))
    say(f"model: {fitted.model}; ONNX differs from torch by {difference:.1e} at most")
    return {
        "onnx_difference": difference,
        "candidates": len(candidates),
        "cpu_seconds": sum(candidate["cpu_seconds"] for candidate in candidates),
    }


def evaluate(
    home: Home, objective: Objective, dataset: Path, model: Path, evaluation_path: Path
) -> dict[str, float]:
    """Judge the exported model on the test window, beside the simple rule and the champion."""
    from tidemill_pipelines.recommending.judging import judge_recommender

    evaluation = judge_recommender(home, objective, dataset, model)
    evaluation_path.write_text(json.dumps({"kind": KIND, **asdict(evaluation)}))
    say(_in_words(evaluation, choice_of(objective).count))
    return evaluation.metrics


def _definition(home: Home, objective: Objective, until: datetime) -> InterestDefinition:
    """What counts as interest, with weights of positions where enough is known to estimate them."""
    from tidemill.events import EventLog
    from tidemill.recommendation.interests import interests_of
    from tidemill.recommendation.shown import read_shown
    from tidemill_pipelines.position_bias.weights import position_weights

    if choice_of(objective).exposures is None:
        return interests_of(objective)
    shown = read_shown(home.predictions(objective.name))
    with EventLog(home.events).connect() as con:
        weights, reason = position_weights(con, objective, until, shown)
    say(reason)
    return interests_of(objective, weights)


def _in_words(evaluation: ChoiceEvaluation, count: int) -> str:
    m = evaluation.metrics
    said = (
        f"test window: NDCG@{count} {m['ndcg']:.3f} ({evaluation.baseline}: "
        f"{m['baseline_ndcg']:.3f}), recall {m['recall']:.3f}"
    )
    if "ndcg_new" in m:
        said += f"; of items new to the user {m['ndcg_new']:.3f} ({m['baseline_ndcg_new']:.3f})"
    if "predicted_over_observed" in m:
        said += f"; {m['predicted_over_observed']:.2f} predicted for each item taken up"
    return f"{said}; {m['coverage']:.0%} of the items are shown"
