"""A new champion takes over carefully, and goes back when it does not work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemill.objective.status import ServingStatus
from tidemill.operator.manifests.inference_service import Traffic
from tidemill.operator.rollout import Observed, Step, answer_request, next_step
from tidemill.operator.settings import Canary

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = Canary(percent=10, minutes=10, readyMinutes=5, maxErrorRate=0.02)


def step(
    serving: ServingStatus,
    champion: str | None,
    observed: Observed | None = None,
    minutes: float = 0,
    is_split: bool = False,
) -> Step:
    now = NOW + timedelta(minutes=minutes)
    return next_step(serving, champion, observed or Observed(), now, POLICY, is_split)


ROLLING = ServingStatus(version="3", candidate="4", since=NOW)


def test_nothing_is_served_before_the_first_champion() -> None:
    """No champion, no traffic."""
    assert step(ServingStatus(), None).traffic(0) is None


def test_the_first_champion_takes_all_traffic_at_once() -> None:
    """There is nothing to compare it with."""
    begun = step(ServingStatus(), "1")
    assert begun.serving.candidate == "1"
    assert begun.traffic(0) == Traffic("1")
    assert begun.event is not None
    assert begun.event[0] == "RolloutStarted"


def test_a_first_champion_that_is_ready_is_the_version() -> None:
    """Ready means served."""
    done = step(ServingStatus(candidate="1", since=NOW), "1", Observed(ready=True), 1)
    assert done.serving == ServingStatus(version="1")


def test_a_first_champion_that_never_gets_ready_has_nothing_to_go_back_to() -> None:
    """It keeps the traffic, with the cause beside it."""
    stuck = step(ServingStatus(candidate="1", since=NOW), "1", Observed(problem="OOMKilled"), 6)
    assert stuck.serving.candidate == "1"
    assert "OOMKilled" in stuck.serving.cause
    assert stuck.traffic(0) == Traffic("1")


def test_a_canary_gets_its_share_while_it_is_watched() -> None:
    """The version before keeps the rest."""
    watched = step(ROLLING, "4", Observed(ready=True), 5, is_split=True)
    assert watched.traffic(10) == Traffic("3", "4", 10)


def test_a_canary_that_did_well_takes_everything() -> None:
    """After the minutes of the policy."""
    done = step(ROLLING, "4", Observed(ready=True, error_rate=0.0), 10, is_split=True)
    assert done.serving == ServingStatus(version="4")
    assert done.event == ("RolledOut", "version 4 takes all requests")


def test_a_rolling_update_that_nobody_can_watch_is_done_when_ready() -> None:
    """Waiting without looking helps nobody."""
    assert step(ROLLING, "4", Observed(ready=True), 1).serving.version == "4"


def test_a_rolling_update_is_watched_where_errors_are_measured() -> None:
    """Prometheus is there, so the policy's minutes count."""
    assert step(ROLLING, "4", Observed(ready=True, error_rate=0.0), 1).serving.candidate == "4"
    assert step(ROLLING, "4", Observed(ready=True, error_rate=0.0), 10).serving.version == "4"


@pytest.mark.parametrize("is_split", [True, False])
def test_errors_roll_back_at_once(is_split: bool) -> None:
    """However short it has run."""
    back = step(ROLLING, "4", Observed(ready=True, error_rate=0.05), 1, is_split)
    assert back.serving == ServingStatus(
        version="3", rejected="4", cause="5.0% of its requests failed"
    )
    assert back.traffic(10) == Traffic("3")


def test_a_version_that_does_not_get_ready_in_time_is_rolled_back() -> None:
    """The pods' own words are the cause."""
    patient = step(ROLLING, "4", Observed(problem="ImagePullBackOff"), 4)
    assert patient.serving == ROLLING
    back = step(ROLLING, "4", Observed(problem="ImagePullBackOff"), 5)
    assert back.serving.rejected == "4"
    assert "ImagePullBackOff" in back.serving.cause


def test_a_rejected_champion_is_not_tried_again() -> None:
    """Or it would go in circles; another champion is tried."""
    rejected = ServingStatus(version="3", rejected="4", cause="errors")
    assert step(rejected, "4").serving == rejected
    assert step(rejected, "5").serving.candidate == "5"


def test_a_rollback_by_hand_in_the_middle_ends_the_rollout() -> None:
    """The champion is the served version again."""
    assert step(ROLLING, "3").serving == ServingStatus(version="3")


def test_a_newer_champion_in_the_middle_starts_its_own_rollout() -> None:
    """The clock starts anew."""
    begun = step(ROLLING, "5", minutes=3)
    assert begun.serving.candidate == "5"
    assert begun.serving.since == NOW + timedelta(minutes=3)


def test_an_unknown_champion_lets_a_rollout_go_on() -> None:
    """The registry may be out of reach for a while; what is in hand is still judged."""
    assert step(ROLLING, None).serving == ROLLING
    assert step(ROLLING, None, Observed(ready=True), 1).serving.version == "4"
    assert step(ROLLING, None, Observed(problem="no room"), 6).serving.rejected == "4"


def test_an_unknown_champion_leaves_a_served_version_alone() -> None:
    """No champion known is not the same as no champion."""
    served = ServingStatus(version="3")
    assert step(served, None).serving == served


def test_a_request_tries_a_rejected_champion_again() -> None:
    """Once for each value of the annotation."""
    rejected = ServingStatus(version="3", rejected="4", cause="no room")
    asked = answer_request(rejected, "again")
    assert step(asked, "4").serving.candidate == "4"
    back = step(asked, "4").serving.model_copy(update={"candidate": "", "rejected": "4"})
    assert answer_request(back, "again") == back
