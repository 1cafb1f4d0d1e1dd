"""The base rate: how often the outcome happens now, against training."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tidemill_monitoring.base_rate import judge_base_rate, usual_rate
from tidemill_monitoring.earlier import EarlierWindow
from tidemill_monitoring.intervals import wilson_interval
from tidemill_monitoring.verdicts import Status, Verdict


def judge(rate: float, trained: float = 0.2, predicted: float = 0.2, users: int = 2_000) -> Verdict:
    labels = np.arange(users) < rate * users
    return judge_base_rate(labels, np.full(users, predicted), usual_rate(trained, users))


@pytest.mark.parametrize(
    ("now", "status"),
    [(0.20, Status.OK), (0.21, Status.OK), (0.25, Status.WATCH), (0.30, Status.ACT)],
)
def test_the_verdict_grows_with_the_ratio(now: float, status: Status) -> None:
    """From 20% in training, and as predicted: the same, x1.05, x1.25 and x1.5."""
    assert judge(now).status is status


def test_a_rate_that_the_scores_foresaw_is_only_worth_a_look() -> None:
    """x2.5, but predicted: the features explain it, and a retraining would add nothing."""
    verdict = judge(0.5, predicted=0.48)
    assert verdict.status is Status.WATCH
    assert "moved with it" in verdict.sentence
    assert judge(0.5, predicted=0.2).status is Status.ACT


def test_a_rate_that_a_small_sample_cannot_place_raises_no_alarm() -> None:
    """The same x1.5 on 250 users of a 4% outcome is within its interval."""
    assert judge(0.06, trained=0.04, predicted=0.04, users=250).status is Status.OK


def test_a_rate_trained_on_few_users_is_itself_uncertain() -> None:
    """x1.3 against 300 users of training proves nothing that it proves against 30,000."""
    labels = np.arange(2_000) < 260
    usual = [usual_rate(0.1, users) for users in (300, 30_000)]
    few, many = (judge_base_rate(labels, np.full(2_000, 0.1), each) for each in usual)
    assert (few.status, many.status) == (Status.OK, Status.WATCH)


def calm_window(rate: float, status: Status = Status.OK, users: int = 2_000) -> EarlierWindow:
    at = datetime(2025, 1, 1, tzinfo=UTC)
    return EarlierWindow(at, {"base rate": status}, {}, frozenset(), (rate, users))


def test_calm_windows_make_the_usual_rate_surer() -> None:
    """x1.3 is chance against one window of 1,000 users, and not against five more of 2,000."""
    labels, scores = np.arange(2_000) < 260, np.full(2_000, 0.1)
    earlier = [calm_window(0.1)] * 5
    alone, beside = (
        judge_base_rate(labels, scores, usual_rate(0.1, 1_000, each)) for each in ([], earlier)
    )
    assert (alone.status, beside.status) == (Status.OK, Status.WATCH)
    assert "10.0% in 5 windows since then." in beside.sentence


@pytest.mark.parametrize("status", [Status.WATCH, Status.ACT])
def test_a_window_whose_rate_was_unusual_teaches_nothing(status: Status) -> None:
    """Otherwise what began with an alarm would end as the usual."""
    usual = usual_rate(0.1, 1_000, [calm_window(0.2, status)])
    assert (usual.windows, usual.all_users) == (0, 1_000)


def test_under_two_hundred_users_nothing_is_decided() -> None:
    """The sentence says how many there are and how many it takes."""
    verdict = judge(0.5, users=100)
    assert verdict.status is Status.UNDECIDED
    assert "100" in verdict.sentence
    assert "200" in verdict.sentence


def test_the_interval_of_no_hits_is_not_empty() -> None:
    """Zero of 100 may still be 3.7% (Wilson)."""
    low, high = wilson_interval(0, 100)
    assert low == 0.0
    assert high == pytest.approx(0.037, abs=0.001)
