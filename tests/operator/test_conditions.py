"""Conditions say since when; the phase says it in a word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tidemill.objective.status import Phase
from tidemill.operator.conditions import Aspect, Finding, changes, find_phase, to_conditions

THEN = datetime(2026, 3, 1, tzinfo=UTC)
NOW = THEN + timedelta(hours=1)


def world(
    trained: str = "Promoted", serving: bool = True, degraded: bool = False
) -> dict[Aspect, Finding]:
    return {
        "Compiled": Finding("Compiled", True, "Uploaded", ""),
        "Trained": Finding("Trained", trained == "Promoted", trained, ""),
        "Serving": Finding("Serving", serving, "Ready" if serving else "NoModel", ""),
        "Degraded": Finding("Degraded", degraded, "AsPromised", ""),
    }


def test_the_time_stays_while_the_status_stays() -> None:
    """A new reason alone is no transition."""
    first = to_conditions([], [Finding("Trained", False, "Running", "")], 1, THEN)
    second = to_conditions(first, [Finding("Trained", False, "NotReady", "12 of 50")], 2, NOW)
    third = to_conditions(second, [Finding("Trained", True, "Promoted", "")], 2, NOW)
    assert [second[0].lastTransitionTime, third[0].lastTransitionTime] == [THEN, NOW]


def test_only_news_becomes_an_event() -> None:
    """A new message alone is not news."""
    before = to_conditions([], [Finding("Trained", False, "Running", "run a")], 1, THEN)
    same = to_conditions(before, [Finding("Trained", False, "Running", "run b")], 1, NOW)
    other = to_conditions(before, [Finding("Trained", False, "NotReady", "")], 1, NOW)
    assert changes(before, same) == []
    assert [found.reason for found in changes(before, other)] == ["NotReady"]


@pytest.mark.parametrize(
    ("state", "version", "candidate", "phase"),
    [
        (world(), "3", "", Phase.SERVING),
        (world(), "3", "4", Phase.ROLLING_OUT),
        (world(degraded=True), "3", "4", Phase.DEGRADED),
        (world("Running", serving=False), "", "", Phase.TRAINING),
        (world("Running"), "3", "", Phase.SERVING),
        (world("NotReady", serving=False), "", "", Phase.REFUSED),
        (world("Refused", serving=False), "", "", Phase.REFUSED),
        (world("RunFailed", serving=False), "", "", Phase.FAILED),
        (world("RunFailed"), "3", "", Phase.SERVING),
        (world("NotStarted", serving=False), "", "", Phase.PENDING),
        (world(serving=False), "3", "", Phase.DEGRADED),
    ],
)
def test_the_phase_is_what_a_person_wants_to_know_first(
    state: dict[Aspect, Finding], version: str, candidate: str, phase: Phase
) -> None:
    """A live endpoint outweighs a training that failed."""
    assert find_phase(state, version, candidate) is phase
