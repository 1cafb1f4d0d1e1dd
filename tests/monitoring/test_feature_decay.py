"""Features that lost their power are named, when the model pays for it and only then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from windows_kit import FEATURES, NAMES, ORIGINS, model, two_windows

from tidemill.evaluation import roc_auc
from tidemill_monitoring.decay.features import MATTERED, judge_decay, measure_powers
from tidemill_monitoring.decay.influence import Sides, auc_of_columns, standard_errors
from tidemill_monitoring.verdicts import Status, Verdict


def judge(users: int, seed: int, dead: int | None = None) -> Verdict:
    then, now, _ = two_windows(users, seed, dead=dead)
    return judge_decay(then, now, NAMES, ORIGINS, model)


def test_windows_in_which_nothing_happened_are_calm() -> None:
    """At most one in twenty is worth a look, none calls for action."""
    found = [judge(users, seed).status for users in (300, 1000) for seed in range(40)]
    assert found.count(Status.OK) >= 0.95 * len(found)
    assert Status.ACT not in found


def test_a_feature_that_means_nothing_any_more_is_found_and_named_with_its_worth() -> None:
    """The strongest of six, at 3,000 users, in nine of ten windows at least."""
    found = [judge(3_000, seed, dead=0) for seed in range(10)]
    caught = [verdict for verdict in found if verdict.status in (Status.WATCH, Status.ACT)]
    assert len(caught) >= 9
    assert all([lost["name"] for lost in v.evidence["lost"]] == ["f0"] for v in caught)
    assert "`f0` (AUC 0.7" in caught[0].sentence
    assert caught[0].evidence["worth"]["then"] > 0.05 > caught[0].evidence["worth"]["now"]
    assert caught[0].evidence["lost"][0]["event"] == "event_f0"


def test_a_loss_that_the_model_does_not_feel_is_told_and_no_alarm() -> None:
    """A campaign's features rank the outcome while it runs; a model that ignores them is fine."""
    then, now, _ = two_windows(3_000, 0)
    campaign = then.vectors.copy()
    campaign[:, 20] += 2 * then.labels
    verdict = judge_decay(replace(then, vectors=campaign), now, NAMES, ORIGINS, model)
    assert [lost["name"] for lost in verdict.evidence["lost"]] == ["f20"]
    assert verdict.status is Status.OK
    assert "no loss that is sure and large enough" in verdict.sentence


def test_features_that_never_mattered_cannot_decay() -> None:
    """Their power at training is below the least that counts."""
    then, now, _ = two_windows(2_000, 1, dead=0)
    lost = [power for power in measure_powers(then, now, NAMES) if power.is_lost]
    assert all(power.power_then >= MATTERED for power in lost)


def test_the_error_of_an_auc_is_that_of_resampled_users() -> None:
    """Users with several rows are drawn as a whole (Obuchowski 1997)."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(300), 3)
    values = (rng.normal(size=300)[users] + 0.3 * rng.normal(size=900)).astype(np.float32)
    labels = rng.random(900) < 1 / (1 + np.exp(-values))
    found = auc_of_columns(labels, values[:, None])
    assert found.value[0] == pytest.approx(roc_auc(labels, values))
    by_user = np.add.reduceat(found.influence, np.arange(0, 900, 3), axis=0)
    rows = np.arange(900).reshape(300, 3)
    drawn = [rows[rng.integers(0, 300, 300)].ravel() for _ in range(400)]
    spread = np.std([roc_auc(labels[draw], values[draw]) for draw in drawn])
    assert standard_errors(by_user)[0] == pytest.approx(spread, rel=0.15)


def test_the_error_of_a_change_is_that_of_resampling_the_users_of_both_windows() -> None:
    """Users are the same in both, so what they share cancels."""
    then, now, _ = two_windows(400, 0)
    first, second = (
        auc_of_columns(then.labels, then.vectors),
        auc_of_columns(now.labels, now.vectors),
    )
    one = np.ones(FEATURES)
    change = Sides.of(then.users, now.users).combine(first, second, (one, -0.5 * one))
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(300):
        rows = rng.integers(0, 400, 400)
        before = auc_of_columns(then.labels[rows], then.vectors[rows]).value
        drawn.append(before - 0.5 * auc_of_columns(now.labels[rows], now.vectors[rows]).value)
    spread = np.std(drawn, axis=0)
    assert np.median(standard_errors(change.influence) / spread) == pytest.approx(1, abs=0.07)


def test_constant_and_missing_features_are_no_trouble() -> None:
    """They rank nothing, then and now."""
    then, now, _ = two_windows(500, 2)
    for side in (then, now):
        side.vectors[:, 10], side.vectors[:, 11] = 1.0, np.nan
    powers = {power.name: power for power in measure_powers(then, now, NAMES)}
    assert powers["f10"].power_then == powers["f11"].power_then == 0
    assert len(powers) == FEATURES


@pytest.mark.parametrize(("users", "needed"), [(0, "200"), (150, "200"), (220, "20 with")])
def test_too_few_outcomes_decide_nothing(users: int, needed: str) -> None:
    """The sentence says how many there are and how many it takes."""
    then, now, _ = two_windows(400, 0)
    few = now.take(np.arange(400) < users)
    verdict = judge_decay(then, replace(few, labels=few.labels & False), NAMES, ORIGINS, model)
    assert verdict.status is Status.UNDECIDED
    assert needed in verdict.sentence
