"""Performance, once outcomes are known: what was promised against what happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from tidemill_monitoring.intervals import Estimate, judge_ratio, share_ratio, wilson_interval
from tidemill_monitoring.resampling import DRAWS, Resampled, resample
from tidemill_monitoring.verdicts import (
    MINIMUM_OUTCOMES,
    MINIMUM_USERS,
    Concern,
    Status,
    Verdict,
    join_names,
)

AUC_LOSS = 0.02
"""A smaller loss of AUC is not worth a retraining."""
LIFT_WATCH, LIFT_ACT = 0.8, 0.5
"""Share of grade A's promised lift that must lie within its interval."""
_CHANCE_LEVEL = 0.99
_LOSS_LEVEL = 0.99
"""Of the interval of the loss: in calm weeks, too, the AUCs of two windows differ by AUC_LOSS."""
_ACT_ERRORS = 3.3
"""Standard errors, one chance in a thousand, by which the loss must exceed AUC_LOSS to call for a
retraining: a promise that luck made too high is compared with every window that follows."""
_URGENCY = (Status.OK, Status.WATCH, Status.ACT)


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
    labels, scores = outcomes.labels, outcomes.scores
    drawn = resample(labels, scores, rng, grades=outcomes.grades)
    auc = Estimate.of(roc_auc(labels, scores), drawn.auc)
    ap = Estimate.of(average_precision(labels, scores), drawn.average_precision)
    ratio = Estimate.of(float(scores.sum() / labels.sum()), drawn.predicted_over_observed)
    promised = resample(promise.labels, promise.scores, rng, users=promise.users)
    losses = promised.auc - drawn.auc
    loss = Estimate.of(roc_auc(promise.labels, promise.scores) - auc.observed, losses, _LOSS_LEVEL)
    change = _change(ratio, drawn, promise, promised)
    ece = expected_calibration_error(labels, scores)
    by_chance = _ece_by_chance(scores, rng)
    grades = _grade_table(outcomes, drawn.lift, promise.grade_lift)
    evidence = {
        **_sizes(outcomes),
        "model_version": promise.model_version,
        "auc": {**asdict(auc), "promised": promise.metrics.get("auc")},
        "average_precision": {**asdict(ap), "promised": promise.metrics.get("average_precision")},
        "ece": {"observed": ece, "by_chance": by_chance, "promised": promise.metrics.get("ece")},
        "auc_loss": {**asdict(loss), "error": float(np.nanstd(losses))},
        "predicted_over_observed": {**asdict(ratio), "since_promised": asdict(change)},
        "mean_predicted": float(scores.mean()),
        "observed_rate": float(labels.mean()),
        "calibration": _calibration(outcomes),
        "grades": grades,
    }
    findings = [
        _judge_ranking(loss, float(np.nanstd(losses)), auc, promise),
        _judge_ratio(ratio, change, outcomes),
        _judge_shape(ece, by_chance, promise),
        _judge_grades(grades, promise),
    ]
    return _combine([finding for finding in findings if finding], auc, outcomes, promise, evidence)


def outcomes_unknown(
    due: datetime | None, concern: Concern, gone_versions: Sequence[str] = ()
) -> Verdict:
    """No prediction's horizon has closed; `due` is when the first one will.

    `gone_versions` answered too, and cannot be judged without their bundles.
    """
    if due is None and gone_versions:
        sentence = (
            f"Every answer is of a version whose bundle is gone ({join_names(gone_versions)}); "
            "serve predictions of the live one, or restore those bundles."
        )
    elif due is None:
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
    if min(positives, users - positives) < MINIMUM_OUTCOMES:
        return (
            f"{positives} of {users} users had the outcome; a verdict needs at least "
            f"{MINIMUM_OUTCOMES} with and {MINIMUM_OUTCOMES} without."
        )
    return None


def _change(ratio: Estimate, drawn: Resampled, promise: Promise, promised: Resampled) -> Estimate:
    """Predicted over observed, over what that was in the test window."""
    then = float(promise.scores.sum() / promise.labels.sum())
    return Estimate.of(
        ratio.observed / then, drawn.predicted_over_observed / promised.predicted_over_observed
    )


def _ece_by_chance(scores: NDArray[np.float64], rng: np.random.Generator) -> float:
    """ECE that a perfectly calibrated model stays below in 99 of 100 windows of this size.

    Outcomes of a bin are drawn at its mean score, which is right or a little too wide.
    """
    parts = [part for part in np.array_split(np.sort(scores), 10) if len(part)]
    rows = np.asarray([len(part) for part in parts])
    predicted = np.clip([part.mean() for part in parts], 0, 1)
    observed = rng.binomial(rows, predicted, size=(DRAWS, len(parts))) / rows
    errors = (np.abs(observed - predicted) * rows).sum(axis=1) / rows.sum()
    return float(np.quantile(errors, _CHANCE_LEVEL))


def _calibration(outcomes: Outcomes) -> list[dict[str, float]]:
    rows = []
    for cell in calibration_curve(outcomes.labels, outcomes.scores):
        lower, upper = wilson_interval(round(cell.observed * cell.rows), cell.rows)
        rows.append({**asdict(cell), "lower": lower, "upper": upper})
    return rows


def _grade_table(
    outcomes: Outcomes, draws: Mapping[str, NDArray[np.float64]], promised: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Rate and lift of each grade that somebody got, A first."""
    table = []
    for letter in GRADES:
        member = outcomes.grades == letter
        if not member.any():
            continue
        rate = float(outcomes.labels[member].mean())
        lift = Estimate.of(rate / float(outcomes.labels.mean()), draws[letter])
        table.append(
            {
                "grade": letter,
                "users": int(member.sum()),
                "positives": int(outcomes.labels[member].sum()),
                "rate": rate,
                "lift": lift.observed,
                "lower": lift.lower,
                "upper": lift.upper,
                "promised": promised.get(letter),
            }
        )
    return table


Finding = tuple[Status, str]


def _judge_ranking(loss: Estimate, error: float, auc: Estimate, promise: Promise) -> Finding | None:
    if not loss.lower > AUC_LOSS / 2:
        return None
    promised = promise.metrics.get("auc", auc.observed + loss.observed)
    text = f"the ranking got worse: AUC {auc.observed:.3f} where {promised:.3f} was promised"
    is_sure = loss.observed - _ACT_ERRORS * error > AUC_LOSS
    return (Status.ACT if is_sure else Status.WATCH), text


def _judge_ratio(ratio: Estimate, change: Estimate, outcomes: Outcomes) -> Finding | None:
    """Off, and further off than it was when the model was found good: the milder of the two."""
    found = [judge_ratio(each.lower, each.upper) for each in (ratio, change)]
    status = min(found, key=_URGENCY.index)
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


def _judge_grades(grades: list[dict[str, Any]], promise: Promise) -> Finding | None:
    """Grade A must keep most of its promised lift, which was itself measured with some error."""
    best = grades[0]
    if best["grade"] != GRADES[0] or not best["promised"]:
        return None
    base, users = float(promise.labels.mean()), len(np.unique(promise.users))
    now = sum(each["positives"] for each in grades) / sum(each["users"] for each in grades)
    tested = round(users * best["users"] / sum(each["users"] for each in grades))
    hits = min(best["promised"] * base, 1.0) * tested
    kept = share_ratio(best["positives"], best["users"], hits, tested).upper * base / now
    if kept >= LIFT_WATCH:
        return None
    text = f"grade A lifts x{best['lift']:.1f} where x{best['promised']:.1f} was promised"
    return (Status.ACT if kept < LIFT_ACT else Status.WATCH), text


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
