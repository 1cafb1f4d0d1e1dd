"""Which of the lists that were shown are judged, and by what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tidemill.recommendation.shown import Shown
from tidemill_monitoring.choosing.answers import ShownAnswers, read_answers
from tidemill_monitoring.served import to_us

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def shown(
    user: str | None, days_ago: float, *items: str, version: str = "1", **changes: Any
) -> Shown:
    cutoff = to_us(NOW - timedelta(days=days_ago))
    facts: dict[str, Any] = {
        "prediction_id": "p",
        "requested_at": cutoff,
        "objective": "next",
        "model_version": version,
        "users": [user],
        "cutoffs": np.array([cutoff]),
        "checksums": [7],
        "cold_start": np.array([False]),
        "items": [list(items)],
        "scores": [[0.5] * len(items)],
        "probabilities": [[1.0] * len(items)],
        "k": len(items),
        "filters": {},
        "exclude": [],
    }
    return Shown(**{**facts, **changes})


def read(*log: Shown) -> ShownAnswers:
    return read_answers(log, at=NOW, window=WEEK, known_at=NOW - 2 * WEEK)


def test_the_last_list_of_a_user_is_judged() -> None:
    """One row per user: who asks often counts no more than who asks once."""
    (judged,) = read(shown("ann", 16, "a"), shown("ann", 15, "b"), shown("ann", 2, "c")).closed
    assert judged.items == ("b",)


def test_lists_whose_horizon_is_open_are_not_judged() -> None:
    """What will come of them is not known."""
    found = read(shown("ann", 13, "a"), shown("bob", 3, "b"))
    assert found.closed == []
    assert [each.user for each in found.recent] == ["bob"]
    assert found.first_cutoff == NOW - timedelta(days=13)


def test_the_version_that_answered_most_is_judged() -> None:
    """Lists of two versions are two promises."""
    log = [shown(user, 15, "a", version="2") for user in ("ann", "bob")]
    judged = read(*log, shown("cid", 15, "a", version="1")).closed
    assert {each.version for each in judged} == {"2"}


def test_lists_narrowed_by_the_caller_are_not_judged() -> None:
    """The promise was about the whole catalogue."""
    assert read(shown("ann", 15, "a", filters={"item.brand": ["own"]})).closed == []


def test_cold_answers_are_counted_and_not_judged() -> None:
    """They have no history to compare, and nobody to follow."""
    cold = {"cold_start": np.array([True]), "cutoffs": np.array([0]), "checksums": [0]}
    found = read(shown("new", 1, "a", **cold), shown(None, 2, "a", **cold), shown("ann", 1, "b"))
    assert (found.answers, found.cold, len(found.recent)) == (3, 2, 1)


def test_what_other_arms_were_shown_is_not_the_champion_s() -> None:
    """Of an experiment, the lists of rules and of arms that got none are not judged."""
    arm: dict[str, Any] = {"experiment": "next-1", "arms": ["x"], "arm_probabilities": [0.5]}
    found = read(
        shown("ann", 15, "a", **arm, serves=["champion"]),
        shown("bob", 15, "b", **arm, serves=["rule"]),
        shown("cat", 15, **arm, serves=["nothing"]),
        shown("dan", 15, "d", version="2", **arm, serves=["challenger"]),
    )
    assert [each.user for each in found.closed] == ["ann"]
