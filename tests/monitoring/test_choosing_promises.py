"""Served lists against what was promised of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tidemill.recommendation.bundle import RecommenderMetadata
from tidemill.recommendation.interests import InterestDefinition, InterestEvent
from tidemill_monitoring.choosing.answers import ShownList
from tidemill_monitoring.choosing.quality_of_lists import judge_hits, judge_lists
from tidemill_monitoring.verdicts import Status, Verdict


def promise(ndcg: float) -> RecommenderMetadata:
    fields: dict[str, Any] = {
        "objective": "next",
        "objective_hash": "0",
        "interests": InterestDefinition(events=(InterestEvent(event="bought"),), horizon_us=1),
        "items": ("a", "b"),
        "contexts": (),
        "count": 2,
        "at_most": {},
        "randomise": 0,
        "repeats": True,
        "is_factored": False,
        "model": "popularity",
        "horizon_days": 7,
        "metrics": {"ndcg": ndcg},
        "training_cutoffs": (),
        "test_cutoffs": (),
        "data_fingerprint": "",
        "seed": 0,
        "packages": {},
    }
    return RecommenderMetadata(**fields)


def lists(count: int, score: float = 0.5) -> list[ShownList]:
    return [ShownList(str(n), 0, 1, "1", ("a", "b"), (score, score)) for n in range(count)]


def happened(count: int, share_of_first: float) -> list[frozenset[str]]:
    """Everybody took one thing: a share the first of the list, the others nothing of it."""
    took = np.random.default_rng(0).random(count) < share_of_first
    return [frozenset({"a" if each else "elsewhere"}) for each in took]


def judge(ndcg: float, promised: float, users: int = 1000) -> Verdict:
    return judge_lists(lists(users), happened(users, ndcg), promise(promised))


@pytest.mark.parametrize(
    ("observed", "status"), [(0.5, Status.OK), (0.44, Status.WATCH), (0.3, Status.ACT)]
)
def test_a_loss_is_judged_by_what_is_surely_lost(observed: float, status: Status) -> None:
    """Of 0.5 promised: nothing, about a tenth, two fifths."""
    verdict = judge(observed, promised=0.5)
    assert verdict.status is status
    assert abs(verdict.evidence["ndcg"]["observed"] - observed) < 0.04


def test_a_better_list_than_promised_is_no_alarm() -> None:
    """Only losses are."""
    assert judge(0.9, promised=0.5).status is Status.OK


def test_few_users_decide_nothing() -> None:
    """And the sentence says how many are needed."""
    verdict = judge(0.1, promised=0.5, users=150)
    assert verdict.status is Status.UNDECIDED
    assert "150 of 150 users" in verdict.sentence


def test_users_who_did_nothing_are_left_out() -> None:
    """As in the test window: a list cannot be right for who does nothing."""
    did = [*happened(300, 1.0), *[frozenset[str]()] * 700]
    verdict = judge_lists(lists(1000), did, promise(1.0))
    assert (verdict.status, verdict.evidence["users"]) == (Status.OK, 300)


def test_probabilities_are_held_against_what_was_taken_up() -> None:
    """Two places of 0.25 each promise half an item a user."""
    did = happened(1000, 0.5)
    assert judge_hits(lists(1000, 0.25), did, is_offer=False).status is Status.OK
    verdict = judge_hits(lists(1000, 0.5), did, is_offer=False)
    assert verdict.status is Status.ACT
    assert "probabilities are not" in verdict.sentence
