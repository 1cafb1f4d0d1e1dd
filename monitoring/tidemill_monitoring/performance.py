"""Performance, once outcomes are known: what was promised against what happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill.bundle import GRADES
from tidemill.evaluation import (
    average_precision,
    calibration_curve,
    expected_calibration_error,
    roc_auc,
)
from tidemill_monitoring.intervals import Estimate, judge_ratio, wilson_interval
from tidemill_monitoring.verdicts import MINIMUM_USERS, Concern, Status, Verdict

MINIMUM_POSITIVES = 20
"""Fewer outcomes (or non-outcomes) leave the AUC uncertain by more than 0.06."""
AUC_LOSS = 0.02
"""A smaller loss of AUC is not worth a retraining."""
LIFT_WATCH, LIFT_ACT = 0.8, 0.5
"""Share of grade A's promised lift that must be within its interval."""
_DRAWS = 300
_CHANCE_LEVEL = 0.99


@dataclass(frozen=True)
class Outcomes:
    """What was predicted for each user and what happened; one row per user."""

    scores: NDArray[np.float64]
    grades: NDArray[np.str_]
    labels: NDArray[np.bool_]


@dataclass(frozen=True)
class Promise:
    """What the model that made the predictions showed in its test windows."""

    model_version: str
    metrics: Mapping[str, float]
    grade_lift: Mapping[str, float]
    base_rate: float
    users: NDArray[np.str_]
    """Of the test rows; a user may have several."""
    scores: NDArray[np.float64]
    labels: NDArray[np.bool_]


def judge_performance(outcomes: Outcomes, promise: Promise, seed: int = 0) -> Verdict:
    """Ranking, calibration and grades of predictions whose outcomes are all known."""
    missing = _too_little(outcomes)
    if missing:
        return Verdict(Concern.PERFORMANCE, Status.UNDECIDED, missing, _sizes(outcomes))
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(outcomes.labels), (_DRAWS, len(outcomes.labels)))
    draws = [Outcomes(outcomes.scores[p], outcomes.grades[p], outcomes.labels[p]) for p in picks]
    auc_draws = np.asarray([roc_auc(draw.labels, draw.scores) for draw in draws])
    auc = Estimate.of(roc_auc(outcomes.labels, outcomes.scores), auc_draws)
    ap = Estimate.of(
        average_precision(outcomes.labels, outcomes.scores),
        np.asarray([average_precision(draw.labels, draw.scores) for draw in draws]),
    )
    ratio = Estimate.of(_ratio(outcomes), np.asarray([_ratio(draw) for draw in draws]))
    loss = _auc_loss(auc.observed, auc_draws, promise, rng)
    ece = expected_calibration_error(outcomes.labels, outcomes.scores)
    by_chance = _ece_by_chance(outcomes.scores, rng)
    grades = _grade_table(outcomes, draws, promise.grade_lift)
    evidence = {
        **_sizes(outcomes),
        "model_version": promise.model_version,
        "auc": {**asdict(auc), "promised": promise.metrics.get("auc")},
        "average_precision": {**asdict(ap), "promised": promise.metrics.get("average_precision")},
        "ece": {"observed": ece, "by_chance": by_chance, "promised": promise.metrics.get("ece")},
        "auc_loss": asdict(loss),
        "predicted_over_observed": asdict(ratio),
        "mean_predicted": float(outcomes.scores.mean()),
        "observed_rate": float(outcomes.labels.mean()),
        "calibration": _calibration(outcomes),
        "grades": grades,
    }
    findings = [
        _judge_ranking(loss, auc, promise),
        _judge_ratio(ratio, outcomes),
        _judge_shape(ece, by_chance, promise),
        _judge_grades(grades),
    ]
    return _combine([finding for finding in findings if finding], auc, outcomes, promise, evidence)


def outcomes_unknown(due: datetime | None, concern: Concern) -> Verdict:
    """No prediction's horizon has closed; `due` is when the first one will."""
    if due is None:
        sentence = "Nothing was predicted yet; serve predictions first."
    else:
        sentence = f"No outcome is known yet: the first horizon closes on {due:%Y-%m-%d %H:%M} UTC."
    evidence = {"outcomes_known_at": None if due is None else due.isoformat()}
    return Verdict(concern, Status.UNDECIDED, sentence, evidence)


def _sizes(outcomes: Outcomes) -> dict[str, Any]:
    return {"users": len(outcomes.labels), "positives": int(outcomes.labels.sum())}


def _too_little(outcomes: Outcomes) -> str | None:
    users, positives = len(outcomes.labels), int(outcomes.labels.sum())
    if users < MINIMUM_USERS:
        return f"Outcomes of only {users} users are known; {MINIMUM_USERS} are needed."
    if min(positives, users - positives) < MINIMUM_POSITIVES:
        return (
            f"{positives} of {users} users had the outcome; a verdict needs at least "
            f"{MINIMUM_POSITIVES} with and {MINIMUM_POSITIVES} without."
        )
    return None


def _ratio(outcomes: Outcomes) -> float:
    hits = outcomes.labels.sum()
    return float(outcomes.scores.sum() / hits) if hits else float("nan")


def _auc_loss(
    observed: float, draws: NDArray[np.float64], promise: Promise, rng: np.random.Generator
) -> Estimate:
    """Promised minus observed; both sides have sampling error, so both are resampled."""
    _, user_of = np.unique(promise.users, return_inverse=True)
    count = int(user_of.max()) + 1
    promised = np.empty(len(draws))
    for index in range(len(draws)):
        weights = rng.multinomial(count, np.full(count, 1 / count))[user_of].astype(np.float64)
        promised[index] = roc_auc(promise.labels, promise.scores, weights)
    return Estimate.of(roc_auc(promise.labels, promise.scores) - observed, promised - draws)


def _ece_by_chance(scores: NDArray[np.float64], rng: np.random.Generator) -> float:
    """ECE that a perfectly calibrated model stays below in 99 of 100 windows of this size."""
    simulated = (rng.random(len(scores)) < scores for _ in range(_DRAWS))
    errors = [expected_calibration_error(labels, scores) for labels in simulated]
    return float(np.quantile(errors, _CHANCE_LEVEL))


def _calibration(outcomes: Outcomes) -> list[dict[str, float]]:
    rows = []
    for cell in calibration_curve(outcomes.labels, outcomes.scores):
        lower, upper = wilson_interval(round(cell.observed * cell.rows), cell.rows)
        rows.append({**asdict(cell), "lower": lower, "upper": upper})
    return rows


def _grade_table(
    outcomes: Outcomes, draws: list[Outcomes], promised: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Rate and lift of each grade that somebody got, A first."""
    table = []
    for letter in GRADES:
        member = outcomes.grades == letter
        if not member.any():
            continue
        lift = Estimate.of(_lift(outcomes, letter), np.asarray([_lift(d, letter) for d in draws]))
        table.append(
            {
                "grade": letter,
                "users": int(member.sum()),
                "positives": int(outcomes.labels[member].sum()),
                "rate": float(outcomes.labels[member].mean()),
                "lift": lift.observed,
                "lower": lift.lower,
                "upper": lift.upper,
                "promised": promised.get(letter),
            }
        )
    return table


def _lift(outcomes: Outcomes, letter: str) -> float:
    member = outcomes.grades == letter
    base = outcomes.labels.mean()
    return float(outcomes.labels[member].mean() / base) if member.any() and base else float("nan")


Finding = tuple[Status, str]


def _judge_ranking(loss: Estimate, auc: Estimate, promise: Promise) -> Finding | None:
    if not loss.lower > AUC_LOSS / 2:
        return None
    promised = promise.metrics.get("auc", auc.observed + loss.observed)
    text = f"the ranking got worse: AUC {auc.observed:.3f} where {promised:.3f} was promised"
    return (Status.ACT if loss.lower > AUC_LOSS else Status.WATCH), text


def _judge_ratio(ratio: Estimate, outcomes: Outcomes) -> Finding | None:
    status = judge_ratio(ratio.lower, ratio.upper)
    if status is Status.OK:
        return None
    side = "high" if ratio.observed > 1 else "low"
    text = (
        f"scores are too {side}: {outcomes.scores.sum():.0f} outcomes predicted, "
        f"{outcomes.labels.sum()} happened (x{ratio.observed:.2f}, {ratio.lower:.2f} to "
        f"{ratio.upper:.2f})"
    )
    return status, text


def _judge_shape(ece: float, by_chance: float, promise: Promise) -> Finding | None:
    if ece <= by_chance + promise.metrics.get("ece", 0.0):
        return None
    text = f"calibration error {ece:.3f} is more than chance explains ({by_chance:.3f})"
    return Status.WATCH, text


def _judge_grades(grades: list[dict[str, Any]]) -> Finding | None:
    """Grade A must keep most of its promised lift, which was itself measured with some error."""
    best = grades[0]
    if best["grade"] != GRADES[0] or best["promised"] is None or np.isnan(best["upper"]):
        return None
    if best["upper"] >= LIFT_WATCH * best["promised"]:
        return None
    text = f"grade A lifts x{best['lift']:.1f} where x{best['promised']:.1f} was promised"
    lost = best["upper"] < LIFT_ACT * best["promised"]
    return (Status.ACT if lost else Status.WATCH), text


def _combine(
    findings: list[Finding],
    auc: Estimate,
    outcomes: Outcomes,
    promise: Promise,
    evidence: dict[str, Any],
) -> Verdict:
    if findings:
        statuses = [status for status, _ in findings]
        status = Status.ACT if Status.ACT in statuses else Status.WATCH
        text = "; ".join(text for _, text in findings)
        sentence = text[0].upper() + text[1:] + "."
        return Verdict(Concern.PERFORMANCE, status, sentence, evidence)
    promised = promise.metrics.get("auc", float("nan"))
    sentence = (
        f"As promised: AUC {auc.observed:.3f} ({auc.lower:.3f} to {auc.upper:.3f}; promised "
        f"{promised:.3f}), {outcomes.scores.sum():.0f} outcomes predicted, "
        f"{outcomes.labels.sum()} happened among {len(outcomes.labels)} users."
    )
    return Verdict(Concern.PERFORMANCE, Status.OK, sentence, evidence)
