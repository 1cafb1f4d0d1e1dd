"""Known outcomes against the promise: ranking, calibration and grades."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tidemill.evaluation import average_precision, grade_outcomes, roc_auc
from tidemill.grading import grade, grade_thresholds
from tidemill_monitoring.performance import (
    Outcomes,
    Promise,
    judge_performance,
    outcomes_unknown,
)
from tidemill_monitoring.verdicts import Concern, Status

USERS = 2_000


def outcomes(seed: int, users: int = USERS, factor: float = 1.0, noise: float = 0.0) -> Outcomes:
    """True probabilities; reported `factor` times too high, or with noise in the ranking."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1, 5, users)
    labels = rng.random(users) < truth
    mixed = np.where(rng.random(users) < noise, rng.permutation(truth), truth)
    scores = np.minimum(mixed * factor, 1.0)
    grades = grade(scores, grade_thresholds(scores, (0.1, 0.2, 0.3)))
    return Outcomes(scores, grades, labels)


def promise() -> Promise:
    test = outcomes(seed=999)
    return Promise(
        model_version="3",
        metrics={
            "auc": roc_auc(test.labels, test.scores),
            "average_precision": average_precision(test.labels, test.scores),
            "ece": 0.01,
        },
        grade_lift={g.grade: g.lift for g in grade_outcomes(test.labels, test.grades)},
        base_rate=float(test.labels.mean()),
        users=np.arange(USERS).astype(str),
        scores=test.scores,
        labels=test.labels,
    )


def test_a_model_that_keeps_its_promise_is_never_called_bad() -> None:
    """Twenty windows of calibrated scores: no act, and at most two watches."""
    found = [judge_performance(outcomes(seed, 1_000), promise()).status for seed in range(20)]
    assert Status.ACT not in found
    assert found.count(Status.WATCH) <= 2


def test_scores_that_are_too_high_are_flagged() -> None:
    """Predicting half as many again is an alarm that says the factor."""
    verdict = judge_performance(outcomes(0, factor=1.6), promise())
    assert verdict.status is Status.ACT
    assert "too high" in verdict.sentence
    assert verdict.evidence["predicted_over_observed"]["observed"] == pytest.approx(1.6, rel=0.1)


def test_scores_that_are_too_low_are_flagged() -> None:
    """The other direction is told apart."""
    assert "too low" in judge_performance(outcomes(0, factor=0.5), promise()).sentence


def test_a_lost_ranking_is_flagged_with_both_numbers() -> None:
    """Half of the scores shuffled: AUC is far below the promise."""
    verdict = judge_performance(outcomes(0, noise=0.7), promise())
    assert verdict.status is Status.ACT
    assert "ranking got worse" in verdict.sentence
    assert verdict.evidence["auc_loss"]["lower"] > 0.02


def test_the_evidence_holds_what_a_report_plots() -> None:
    """Calibration bins, and grades A to D with lift, interval and promise."""
    evidence = judge_performance(outcomes(0), promise()).evidence
    assert sum(cell["rows"] for cell in evidence["calibration"]) == USERS
    assert [row["grade"] for row in evidence["grades"]] == ["A", "B", "C", "D"]
    for row in evidence["grades"]:
        assert row["lower"] <= row["lift"] <= row["upper"]
        assert row["promised"] > 0


@pytest.mark.parametrize("users", [50, 199])
def test_too_few_outcomes_are_undecided(users: int) -> None:
    """Nothing is decided on fewer than 200 users."""
    verdict = judge_performance(outcomes(0, users=users), promise())
    assert verdict.status is Status.UNDECIDED
    assert str(users) in verdict.sentence


def test_too_few_positives_are_undecided() -> None:
    """Three positives cannot place an AUC."""
    few = outcomes(0)
    few.labels[np.flatnonzero(few.labels)[3:]] = False
    assert "3 of 2000 users" in judge_performance(few, promise()).sentence


def test_open_horizons_say_when_they_close() -> None:
    """Undecided with the date."""
    verdict = outcomes_unknown(datetime(2018, 1, 5, tzinfo=UTC), Concern.PERFORMANCE)
    assert verdict.status is Status.UNDECIDED
    assert "2018-01-05" in verdict.sentence
