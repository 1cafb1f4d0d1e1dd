"""What to expect before outcomes are known: right for calibrated scores, and labelled as such."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from windows_kit import two_windows

from tidemill_monitoring.decay.estimate import (
    ScoredUsers,
    backtest_of,
    expect,
    expected_auc,
    judge_estimate,
)
from tidemill_monitoring.verdicts import Status, Verdict


def grades_of(scores: NDArray[np.float64]) -> NDArray[np.str_]:
    return np.where(scores >= np.quantile(scores, 0.9), "A", "D")


def judge(
    then: NDArray[np.float64], now: NDArray[np.float64], backtest: dict[str, Any] | None = None
) -> Verdict:
    sides = [ScoredUsers(np.arange(len(s)).astype(np.str_), s) for s in (then, now)]
    return judge_estimate(*sides, grades_of(now), 0.8, backtest)


def test_two_scores_have_a_known_expectation() -> None:
    """Of 0.8 and 0.4: the pairs of a positive and a negative, each with its probability."""
    pairs = {(0.8, 0.4): 0.8 * 0.6, (0.4, 0.8): 0.4 * 0.2}
    own = (0.8 * 0.2 + 0.4 * 0.6) / 2
    total = (0.8 + 0.4) * (0.2 + 0.6)
    expected = (pairs[0.8, 0.4] + own) / total
    assert expected_auc(np.array([0.8, 0.4])).value[0] == pytest.approx(expected)


def test_the_range_holds_what_happens_if_scores_are_calibrated() -> None:
    """In about nineteen of twenty windows, for the AUC and for the base rate."""
    held = {"auc": 0, "base_rate": 0}
    for seed in range(60):
        _, now, _ = two_windows(600, seed)
        found = backtest_of(now.scores, grades_of(now.scores), now.labels)
        for measure in held:
            held[measure] += found[measure]["held"]
    assert min(held.values()) >= 0.85 * 60


def test_the_backtest_shows_a_concept_drift_that_no_estimate_can_see() -> None:
    """The scores look as ever; what happened does not."""
    then, now, _ = two_windows(3_000, 0, dead=0)
    backtest = backtest_of(now.scores, grades_of(now.scores), now.labels)
    verdict = judge(then.scores, now.scores, backtest)
    assert verdict.status is Status.OK
    assert backtest["auc"]["held"] is False
    assert "did not hold" in verdict.sentence


def test_a_population_that_is_harder_to_rank_is_worth_a_look_and_never_more() -> None:
    """However much is lost: it is an estimate."""
    rng = np.random.default_rng(0)
    then, now = rng.beta(0.5, 2, 5_000), rng.beta(20, 80, 5_000)
    verdict = judge(then, now)
    assert verdict.status is Status.WATCH
    assert verdict.sentence.startswith("An estimate that assumes calibrated scores and no concept")


def test_windows_in_which_nothing_happened_are_calm() -> None:
    """At most one in twenty is worth a look."""
    found = []
    for seed in range(60):
        then, now, _ = two_windows(400, seed)
        found.append(judge(then.scores, now.scores).status)
    assert found.count(Status.WATCH) <= 3


def test_too_few_answers_decide_nothing() -> None:
    """On either side; the sentence says how many it takes."""
    for then, now in ((300, 10), (10, 300)):
        verdict = judge(np.full(then, 0.5), np.full(now, 0.5))
        assert verdict.status is Status.UNDECIDED
        assert "200" in verdict.sentence


def test_certain_scores_and_a_missing_grade_have_no_number_instead_of_a_wrong_one() -> None:
    """Nobody is graded A, and nobody can be positive."""
    found = expect(np.zeros(300), np.full(300, "D"))
    assert np.isnan(found.auc.observed)
    assert found.grade_a_lift is None
