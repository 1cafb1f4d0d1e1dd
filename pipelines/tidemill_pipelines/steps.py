"""The steps of the training pipeline: plain functions, paths and scalars in, files out.

They never import kfp; components.py wraps them. Heavy imports stay inside the step that needs
them, because every step is a process of its own. An objective travels as its JSON.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tidemill.home import Home
from tidemill.objective import Objective, keep_objective
from tidemill.objective.duration import format_duration
from tidemill_pipelines.gating import rival_tag, verdict_of
from tidemill_pipelines.outcomes import record
from tidemill_pipelines.recommending import steps as choosing
from tidemill_pipelines.saying import say, say_warnings
from tidemill_pipelines.segmenting import steps as segmenting
from tidemill_pipelines.valuing import steps as valuing


def validate(home_root: str, objective: str, at: str, readiness_path: str) -> dict[str, float]:
    """Assess whether the objective can be trained and plan the windows.

    `at` is an ISO 8601 instant, empty for now; the steps that follow read it from the plan. The
    home knows the objective by its name from here on.
    Raises NotReadyError with the number that falls short.
    """
    from tidemill.events import EventLog
    from tidemill_pipelines.assessing.assess import require_ready

    home, declared = Home(Path(home_root)), Objective.model_validate_json(objective)
    keep_objective(home, declared)
    _settle_shadow(home, declared)
    instant = datetime.fromisoformat(at) if at else datetime.now(UTC)
    if declared.choice is not None:
        return choosing.validate(home, declared, instant, Path(readiness_path))
    if declared.spec.lifetime_value is not None:
        return valuing.validate(home, declared, instant, Path(readiness_path))
    if declared.spec.segmentation is not None:
        return segmenting.validate(home, declared, instant, Path(readiness_path))
    with EventLog(home.events).connect() as con:
        readiness, assessment = require_ready(home, con, declared, instant)
    plan = {
        "at": instant.isoformat(),
        "train": [cutoff.isoformat() for cutoff in readiness.windows.train],
        "test": readiness.windows.test.isoformat(),
        "counts": [asdict(count) for count in readiness.counts],
        "assessment": assessment.to_json(),
    }
    Path(readiness_path).write_text(json.dumps(plan, indent=1))
    *train, test = readiness.counts
    say(
        f"{assessment.verdict}: {len(train)} training windows with "
        f"{sum(c.positives for c in train)} positives of "
        f"{sum(c.users for c in train)} rows; test window from {test.cutoff[:10]} with "
        f"{test.positives} positives of {test.users} users"
    )
    say_warnings(assessment)
    return {
        "training_rows": sum(c.users for c in train),
        "training_positives": sum(c.positives for c in train),
        "test_rows": test.users,
        "test_positives": test.positives,
    }


def build_training_set(
    home_root: str, objective: str, readiness_path: str, dataset_path: str
) -> dict[str, float]:
    """Features as known at each cutoff through Feast, labels from after it, one Parquet file."""
    from tidemill_pipelines.training_set import build  # imports feast

    home, declared = Home(Path(home_root)), Objective.model_validate_json(objective)
    if declared.choice is not None:
        return choosing.build_training_set(home, declared, Path(readiness_path), Path(dataset_path))
    if declared.spec.lifetime_value is not None:
        return valuing.build_training_set(home, declared, Path(readiness_path), Path(dataset_path))
    if declared.spec.segmentation is not None:
        return segmenting.build_training_set(
            home, declared, Path(readiness_path), Path(dataset_path)
        )
    plan = json.loads(Path(readiness_path).read_text())
    dataset = build(
        home,
        declared,
        train=[datetime.fromisoformat(cutoff) for cutoff in plan["train"]],
        test=datetime.fromisoformat(plan["test"]),
        at=datetime.fromisoformat(plan["at"]),
        path=Path(dataset_path),
    )
    say(f"training set: {dataset.rows:,} rows of {dataset.features} features")
    return {"rows": dataset.rows, "features": dataset.features}


def train(objective: str, dataset_path: str, model_path: str) -> dict[str, float]:
    """Fit the torch model, export it as ONNX and check that both give the same numbers."""
    from tidemill_pipelines.dataset import TRAIN, read_split
    from tidemill_pipelines.export import export, largest_difference
    from tidemill_pipelines.models.fit import TrainingSet, fit

    declared = Objective.model_validate_json(objective)
    if declared.choice is not None:
        return choosing.train(declared, Path(dataset_path), Path(model_path))
    if declared.spec.lifetime_value is not None:
        return valuing.train(declared, Path(dataset_path), Path(model_path))
    if declared.spec.segmentation is not None:
        return segmenting.train(declared, Path(dataset_path), Path(model_path))
    rows = read_split(Path(dataset_path), TRAIN)
    horizon = int(declared.target.within.total_seconds() * 1_000_000)
    model, choice = fit(
        TrainingSet(rows.vectors, rows.labels, rows.cutoffs, horizon), declared.spec.training.seed
    )
    export(model, len(rows.features), Path(model_path))
    difference = largest_difference(model, Path(model_path), rows.vectors[:10_000])
    say(
        f"model: penalty {choice.penalty}, share of the deep part {choice.deep_share:.0%}; "
        f"ONNX differs from torch by {difference:.1e} at most"
    )
    return {
        "penalty": choice.penalty,
        "deep_share": choice.deep_share,
        "onnx_difference": difference,
    }


def evaluate(
    home_root: str, objective: str, dataset_path: str, model_path: str, evaluation_path: str
) -> dict[str, float]:
    """Judge the exported model on the test window, beside the simple rule and the champion."""
    from tidemill_pipelines.judgement import judge

    home, declared = Home(Path(home_root)), Objective.model_validate_json(objective)
    dataset, model = Path(dataset_path), Path(model_path)
    if declared.choice is not None:
        return choosing.evaluate(home, declared, dataset, model, Path(evaluation_path))
    if declared.spec.lifetime_value is not None:
        return valuing.evaluate(home, declared, dataset, model, Path(evaluation_path))
    if declared.spec.segmentation is not None:
        return segmenting.evaluate(home, declared, dataset, model, Path(evaluation_path))
    evaluation = judge(home, declared, dataset, model)
    Path(evaluation_path).write_text(json.dumps(evaluation.to_json()))
    m = evaluation.metrics
    say(
        f"test window: AUC {m['auc']:.3f} (recency alone {m['baseline_auc']:.3f}), average "
        f"precision {m['average_precision']:.3f}, calibration error {m['ece']:.3f}"
    )
    return m


def gate(home_root: str, objective: str, version: str, evaluation_path: str) -> bool:
    """Whether the challenger, registered as `version`, may go live. A refusal is recorded."""
    declared = Objective.model_validate_json(objective)
    verdict = verdict_of(declared, Path(evaluation_path))
    say(f"gate: {'promote' if verdict.promote else 'refuse'}: {verdict.reason}")
    if not verdict.promote:
        record(home_root, declared.name, "refused", verdict.reason, version)
    return verdict.promote


def register(
    home_root: str,
    objective: str,
    dataset_path: str,
    model_path: str,
    evaluation_path: str,
    reason: str,
) -> str:
    """Put the bundle, promoted or not, into the registry; returns its version."""
    from tidemill.registry import Registry

    home, declared = Home(Path(home_root)), Objective.model_validate_json(objective)
    folder = Path(model_path).with_name("bundle")
    shutil.rmtree(folder, ignore_errors=True)
    parameters, metrics = _bundle(
        declared, Path(dataset_path), Path(model_path), Path(evaluation_path), folder
    )
    verdict = verdict_of(declared, Path(evaluation_path))
    registry = Registry(home)
    registry.finish_promotion(declared.name)
    registered = registry.register(
        declared.name,
        folder,
        parameters=parameters,
        metrics=metrics,
        tags={
            "tidemill.reason": reason,
            "tidemill.gate": verdict.reason,
            **rival_tag(Path(evaluation_path)),
        },
    )
    say(f"registered {declared.name} version {registered.version}")
    return registered.version


def promote(
    home_root: str, objective: str, version: str, readiness_path: str, evaluation_path: str
) -> None:
    """Make the version the champion and serve it, with all it reads in the online store.

    One that met a champion goes into its shadow first, or has to win an experiment, or both, if the
    objective asks for that.
    """
    from tidemill_pipelines.going_live import go_into_shadow, go_live
    from tidemill_pipelines.launching import is_launched

    home, declared = Home(Path(home_root)), Objective.model_validate_json(objective)
    at = datetime.fromisoformat(json.loads(Path(readiness_path).read_text())["at"])
    name, reason = declared.name, verdict_of(declared, Path(evaluation_path)).reason
    is_probability = declared.spec.propensity is not None or declared.spec.churn is not None
    period = declared.spec.serving.shadow if is_probability else None
    has_rival = bool(rival_tag(Path(evaluation_path)))
    if period is not None and has_rival:
        go_into_shadow(home, name, version, at)
        record(home_root, name, "shadowed", reason, version)
        say(f"{name} version {version} is in the champion's shadow for {format_duration(period)}")
        return
    if is_launched(declared) and has_rival:
        _launch(home, declared, version, at)
        return
    go_live(home, name, version, reason, at)
    record(home_root, name, "promoted", reason, version)
    say(f"{name} version {version} is the champion")


def _launch(home: Home, objective: Objective, version: str, at: datetime) -> None:
    from tidemill_pipelines.launching import launch, refusal_of

    refusal = refusal_of(home, objective, version)
    if refusal is not None:
        say(f"{objective.name} version {version} has no arm: {refusal}")
        record(str(home.root), objective.name, "refused", refusal, version)
        return
    begun = launch(home, objective, version, at)
    said = f"version {version} has to win experiment {begun.name}"
    record(str(home.root), objective.name, "launched", said, version)
    say(f"{objective.name} {said}")


def _settle_shadow(home: Home, objective: Objective) -> None:
    """Before anything is compared with a champion that may have to go."""
    from tidemill_pipelines.settling import settle  # imports mlflow

    if objective.spec.serving.shadow is None:
        return
    verdict = settle(home, objective, datetime.now(UTC))
    if verdict is not None:
        say(f"challenger in the shadow: {verdict.decision}: {verdict.reason}")


def _bundle(
    objective: Objective, dataset: Path, model: Path, evaluation: Path, folder: Path
) -> tuple[dict[str, str], dict[str, float]]:
    """Fill `folder` with the bundle; parameters and metrics of its run."""
    from tidemill_pipelines.bundling import make_bundle, run_parameters
    from tidemill_pipelines.recommending.bundling import (
        make_recommender_bundle,
        recommender_parameters,
    )
    from tidemill_pipelines.segmenting.bundling import make_segment_bundle, segment_parameters
    from tidemill_pipelines.valuing.bundling import make_value_bundle

    if objective.choice is not None:
        chosen = make_recommender_bundle(objective, dataset, model, evaluation, folder)
        return recommender_parameters(chosen), chosen.metrics
    if objective.spec.segmentation is not None:
        divided = make_segment_bundle(objective, dataset, model, evaluation, folder)
        return segment_parameters(divided), divided.metrics
    make = make_bundle if objective.spec.lifetime_value is None else make_value_bundle
    metadata = make(objective, dataset, model, evaluation, folder)
    return run_parameters(metadata), metadata.metrics
