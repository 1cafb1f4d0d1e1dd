"""What Tidemill tests by itself of the rubric's section on model development."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tidemill.bundle import EVALUATION_FILE, MODEL_FILE
from tidemill.report.history import MonitorRun
from tidemill.score.evidence import (
    bundle_file,
    decided,
    judged_versions,
    monitored,
    verdict_evidence,
    won_experiment,
)
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import Evidence, Finding, better, failing, full, half, nothing

_AGES = 3
"""Outcomes of one version at so many ages make a curve."""
_NOTHING_LIVE = "Nothing is live."


def hyperparameters_tuned(facts: ScoreFacts) -> Finding:
    """Half a point: some are chosen anew at every training, others are constants of the code."""
    if facts.live is None:
        return nothing(_NOTHING_LIVE)
    if "candidates" in facts.evaluation:
        count = len(facts.evaluation["candidates"])
        evidence = Evidence(bundle_file(facts, EVALUATION_FILE), "", f"{count} candidates")
        return half("Candidates compete at every training; their own settings are fixed.", evidence)
    metadata = facts.live.metadata
    cutoffs = [datetime.fromisoformat(each) for each in metadata.training_cutoffs]
    if not cutoffs or max(cutoffs) - min(cutoffs) < timedelta(days=metadata.horizon_days):
        return nothing("There were too few training windows to choose on; defaults were taken.")
    evidence = Evidence(bundle_file(facts, MODEL_FILE), "", f"{len(cutoffs)} training windows")
    return half(
        "The penalty and the share of the deep part are chosen on the newest training windows at "
        "every training; widths and learning rates are fixed.",
        evidence,
    )


def staleness_known(facts: ScoreFacts) -> Finding:
    """Full when outcomes show one version at three ages or more."""
    measured: dict[str, list[tuple[MonitorRun, float]]] = {}
    runs = decided(facts, "performance")
    for run, verdict in runs:
        quality = measured_quality(verdict.evidence)
        if quality is not None:
            version = str(verdict.evidence.get("model_version", run.model_version))
            measured.setdefault(version, []).append((run, quality))
    if not measured or not facts.is_fresh(runs[0][0]):
        return nothing("No outcomes of the last two windows show how the model ages.")
    version, ages = max(measured.items(), key=lambda item: len(item[1]))
    (newest, now), (oldest, then) = ages[0], ages[-1]
    words = f"version {version}: {then:.3f} to {now:.3f} since {oldest.at:%Y-%m-%d}"
    evidence = Evidence(f"monitoring/{facts.objective.name}", f"{newest.at:%Y-%m-%d}", words)
    if len(ages) < _AGES:
        return half(f"Outcomes show the model at {len(ages)} of {_AGES} ages so far.", evidence)
    return full(f"Outcomes show the model at {len(ages)} ages.", evidence)


def measured_quality(evidence: Mapping[str, Any]) -> float | None:
    """The AUC or the NDCG that happened, whichever a verdict carries."""
    found = evidence.get("auc") or evidence.get("ndcg") or {}
    value = found.get("observed")
    return None if value is None else float(value)


def simpler_is_not_better(facts: ScoreFacts) -> Finding:
    """Full when every training compares with the simple rule, and the live version beats it."""
    gain = facts.evaluation.get("over_baseline")
    if facts.live is None or gain is None:
        return nothing(f"{_NOTHING_LIVE[:-1]}, so nothing was compared with the simple rule.")
    words = f"{gain['difference']:+.3f}, 90% interval {gain['lower']:+.3f} to {gain['upper']:+.3f}"
    until = f"{facts.live.data_until:%Y-%m-%d}"
    evidence = Evidence(bundle_file(facts, EVALUATION_FILE), until, words)
    if not gain["lower"] > 0:
        return failing(
            "The live version is not better than the simple rule beyond doubt.", evidence
        )
    judged = judged_versions(facts)
    if judged < 2:
        return half("The live version beats the simple rule; one training was judged.", evidence)
    return full(f"Each of {judged} trainings was compared with the simple rule.", evidence)


def slices_sufficient(facts: ScoreFacts) -> Finding:
    """Full when the monitor judges segments; half for slices that training alone measured."""
    return better(monitored(facts, "segments"), _trained_slices(facts))


def _trained_slices(facts: ScoreFacts) -> Finding:
    measured = [found for each in (facts.evaluation.get("slices") or {}).values() for found in each]
    count = len(measured) + len(facts.evaluation.get("guarded") or ())
    if not count:
        return nothing("No slice of the users was measured.")
    evidence = Evidence(bundle_file(facts, EVALUATION_FILE), "", f"{count} slices")
    return half("Slices are measured when a model is trained, and not judged since.", evidence)


def offline_metrics_hold(facts: ScoreFacts) -> Finding:
    """Full when a version that was better offline has won an experiment about what counts; half
    where the same metric is measured after serving."""
    found = [pair for pair in decided(facts, "performance") if _both(pair[1].evidence)]
    is_fresh = bool(found) and facts.is_fresh(found[0][0])
    won = won_experiment(facts)
    if won is not None and not (is_fresh and found[0][1].status == "act"):
        return full("The live version was better offline, and won by what users then did.", won)
    if not is_fresh:
        return nothing("What was promised offline was not compared with outcomes lately.")
    run, verdict = found[0]
    evidence = verdict_evidence(facts, run, verdict)
    if verdict.status == "act":
        return failing("What was promised offline did not happen.", evidence)
    return half(
        f"The offline metric is compared with served outcomes ({len(found)} times); its effect on "
        "what the business counts is not.",
        evidence,
    )


def _both(evidence: Mapping[str, Any]) -> bool:
    quality = evidence.get("auc") or evidence.get("ndcg") or {}
    return quality.get("observed") is not None and quality.get("promised") is not None
