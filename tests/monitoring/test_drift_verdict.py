"""The drift verdict connects features, events and scores."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from tidemill_monitoring.drift import ColumnDrift
from tidemill_monitoring.drift_verdict import judge_drift, separating_power, too_few_users
from tidemill_monitoring.verdicts import Status, Verdict
from tidemill_monitoring.volumes import Renaming, VolumeChange


def column(name: str, effect: float) -> ColumnDrift:
    return ColumnDrift(name, effect, effect, 0.001, 0.05, 0.1, effect >= 0.1, effect >= 0.05)


def judge(
    *columns: ColumnDrift, score: float = 0.0, power: float = 0.2, changes: tuple = ()
) -> Verdict:
    return judge_drift(
        columns,
        column("score", score),
        (2000, 2000),
        power={c.name: power for c in columns},
        events={"order__count_7d": "order", "visit__count_7d": "visit"},
        changes=changes,
    )


def test_a_drifted_feature_is_named_with_its_event() -> None:
    """Which feature, from which event, how much, and what would have been too little."""
    verdict = judge(column("order__count_7d", 0.4), column("visit__count_7d", 0.01), score=0.06)
    assert verdict.status is Status.ACT
    assert "`order__count_7d`" in verdict.sentence
    assert [group["event"] for group in verdict.evidence["events"]] == ["order"]


def test_drift_is_connected_to_a_renamed_event() -> None:
    """The cause found by data quality is told next to its effect."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    change = VolumeChange("order", "stopped", 0, 9.0, at, Renaming("Order", at, 9, 9, 1))
    verdict = judge(column("order__count_7d", 0.4), changes=(change,))
    assert "`order` was probably renamed to `Order`" in verdict.sentence


def test_drift_that_leaves_the_scores_is_only_worth_a_look() -> None:
    """A campaign or a season moves features of everybody and is no fault."""
    assert judge(column("order__count_7d", 0.4)).status is Status.WATCH


def test_losing_the_event_of_a_useful_feature_calls_for_action() -> None:
    """Even before the scores move; a feature that ranks nobody may go."""
    change = VolumeChange("order", "stopped", 0, 9.0, datetime(2024, 1, 1, tzinfo=UTC))
    drifted = column("order__count_7d", 0.4)
    assert judge(drifted, changes=(change,)).status is Status.ACT
    assert judge(drifted, changes=(change,), power=0.01).status is Status.WATCH


def test_moving_scores_make_any_drift_matter() -> None:
    """The same feature calls for action when the scores moved with it."""
    drifted = column("order__count_7d", 0.4)
    assert judge(drifted, score=0.06, power=0.01).status is Status.ACT
    assert judge(score=0.2).status is Status.ACT


def test_nothing_drifted_is_ok() -> None:
    """An effect below the floor is no drift."""
    assert judge(column("order__count_7d", 0.01)).status is Status.OK


def test_too_few_users_say_how_many_are_needed() -> None:
    """Undecided names the short side and the number."""
    verdict = too_few_users(2000, 35)
    assert verdict.status is Status.UNDECIDED
    assert "35 served users" in verdict.sentence
    assert "200" in verdict.sentence


def test_separating_power_is_the_distance_from_a_coin() -> None:
    """A feature equal to the outcome has 0.5, one unrelated to it next to nothing."""
    labels = np.random.default_rng(0).random(2000) < 0.3
    noise = np.random.default_rng(1).normal(size=2000)
    values = np.column_stack([labels, noise, np.where(labels, np.nan, 1)]).astype(np.float32)
    exact, none, missing = separating_power(values, labels)
    assert (exact, missing) == (0.5, 0.5)
    assert none < 0.05
