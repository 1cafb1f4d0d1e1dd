"""The data quality verdict names what broke and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tidemill_monitoring.quality import DeadFeatures, find_dead_features, judge_quality
from tidemill_monitoring.verdicts import Status, Verdict
from tidemill_monitoring.volumes import Renaming, VolumeChange

STOP = datetime(2017, 12, 5, tzinfo=UTC)
RENAMED = VolumeChange(
    "order_completed", "stopped", 10, 350.0, STOP, Renaming("Order Completed", STOP, 50, 49, 1.0)
)
ALIVE = DeadFeatures()
APPEARED = VolumeChange("beacon", "appeared", 500, 0.0, STOP)


def judge(*changes: VolumeChange, dead: DeadFeatures = ALIVE, **known: object) -> Verdict:
    facts: dict = {
        "earlier_windows": 8,
        "event_names": 5,
        "trained_until": STOP - timedelta(days=30),
        "horizon": timedelta(days=28),
        "target_event": "coupon_redeemed",
    }
    return judge_quality(changes, dead, **{**facts, **known})


def test_a_renaming_is_told_in_one_sentence() -> None:
    """Old name, day, new name, and the day from which training can learn it."""
    verdict = judge(RENAMED)
    assert verdict.status is Status.ACT
    for words in ("`order_completed` stopped on 2017-12-05", "`Order Completed`", "2018-01-02"):
        assert words in verdict.sentence


def test_losing_the_objectives_own_event_is_said() -> None:
    """Without the target event no outcome can be seen."""
    assert "objective's own event" in judge(RENAMED, target_event="order_completed").sentence


def test_a_change_the_model_was_trained_with_is_settled() -> None:
    """After a retraining on the new name the old name is no alarm any more."""
    verdict = judge(RENAMED, trained_until=STOP + timedelta(days=30))
    assert verdict.status is Status.OK
    assert verdict.evidence["changes"][0]["settled"]


def test_a_new_event_name_is_only_worth_a_look() -> None:
    """New tracking is ordinary business."""
    assert judge(APPEARED).status is Status.WATCH


def test_a_log_too_short_to_judge_is_undecided() -> None:
    """Neither ok nor alarm: the sentence says what is missing."""
    verdict = judge(earlier_windows=0)
    assert verdict.status is Status.UNDECIDED
    assert "four windows" in verdict.sentence


def test_disappeared_and_frozen_features_are_told_apart() -> None:
    """All missing is an alarm, all equal worth a look, all zero a lull."""
    rng = np.random.default_rng(0)
    before = rng.normal(size=(500, 4)).astype(np.float32)
    now = rng.normal(size=(500, 4)).astype(np.float32)
    now[:, 0], now[:, 1], now[:, 2] = np.nan, 3.0, 0.0
    dead = find_dead_features(before, now, ["gone", "stuck", "lull", "fine"])
    assert dead == DeadFeatures(("gone",), frozen=("stuck",), silent=("lull",))
    assert judge(dead=dead).status is Status.ACT
    assert judge(dead=DeadFeatures(frozen=("stuck",))).status is Status.WATCH
    assert judge(dead=DeadFeatures(silent=("lull",))).status is Status.OK


def test_a_stopped_event_names_the_features_that_are_zero_because_of_it() -> None:
    """The same silence that is a lull in good times belongs to the incident in bad ones."""
    verdict = judge(RENAMED, dead=DeadFeatures(silent=("order_completed__count_7d",)))
    assert "`order_completed__count_7d`" in verdict.sentence


def test_a_feature_that_was_always_nearly_constant_is_not_frozen() -> None:
    """One user in a thousand had a value; none of 500 now is chance."""
    before = np.zeros((1000, 1), dtype=np.float32)
    before[0] = 1.0
    assert find_dead_features(before, np.zeros((500, 1), np.float32), ["rare"]) == DeadFeatures()
