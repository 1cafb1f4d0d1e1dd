"""What earns a point of the rubric, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tidemill.events.plan import DEFAULT_PLAN
from tidemill.events.plan.schema import EventPlan, PlanSpec, TrackingPlan
from tidemill.home import Home
from tidemill.objective import Objective, resolve_objective
from tidemill.promotions import Promotion
from tidemill.score.confirmations import Confirmation
from tidemill.score.facts import ScoreFacts, gather
from tidemill.score.findings import Finding
from tidemill.score.rubric import RUBRIC, TESTS, Section
from tidemill.score.scoring import interpret, score

AT = datetime(2026, 4, 1, tzinfo=UTC)
EVERYTHING = (
    *("data quality", "training/serving skew", "drift", "performance", "base rate"),
    *("segments", "feature decay"),
)
NUMBERS = {
    "rows": 900,
    "auc": {"observed": 0.81, "promised": 0.83},
    "model_version": "1",
}


@pytest.fixture
def facts(
    home: Home,
    know_objective: Callable[..., None],
    make_live: Callable[..., None],
    write_verdict: Callable[..., Path],
) -> Callable[..., ScoreFacts]:
    """`facts(days_ago=(0, 7), status="ok")`: a live model, and monitor runs so many days ago."""

    def build(days_ago: tuple[int, ...] = (), status: str = "ok", **changes: Any) -> ScoreFacts:
        know_objective()
        make_live()
        for days in days_ago:
            at = (AT - timedelta(days=days)).isoformat()
            write_verdict(at, dict.fromkeys(EVERYTHING, (status, "So.", NUMBERS)))
        declared = resolve_objective(home, "buying")
        return replace(gather(home, declared, AT), **changes)

    return build


def version(number: str, *aliases: str, gate: str = "better", **tags: str) -> Mapping[str, Any]:
    return {
        "version": number,
        "aliases": list(aliases),
        "tags": {"tidemill.gate": gate, "tidemill.promoted": gate, **tags},
    }


def promotion(number: str, reason: str) -> Promotion:
    return Promotion(AT, number, "1", "ann@laptop", reason)


TWO = (version("2"), version("1", "champion"))


def finding(known: ScoreFacts, test: str) -> Finding:
    check = TESTS[test].check
    assert check is not None
    return check(known)


def points(known: ScoreFacts, test: str) -> float:
    return finding(known, test).points


def test_the_rubric_has_four_times_seven_tests() -> None:
    """28, each with a name of its own."""
    assert len(TESTS) == len(RUBRIC) == 28
    assert {sum(test.section == s for test in RUBRIC) for s in Section} == {7}


WATCHED = ("data-invariants", "skew", "prediction-quality", "staleness", "slices")


@pytest.mark.parametrize("test", WATCHED)
def test_a_concern_that_is_judged_again_and_again_is_a_point(
    test: str, facts: Callable[..., ScoreFacts]
) -> None:
    """And names the newest verdict."""
    known = facts((0, 7))
    assert points(known, test) == 1
    evidence = finding(known, test).evidence[0]
    assert (known.home.root / evidence.source).exists()
    assert evidence.at == "2026-04-01"


@pytest.mark.parametrize("test", WATCHED)
def test_a_concern_that_was_judged_once_is_half_a_point(
    test: str, facts: Callable[..., ScoreFacts]
) -> None:
    """Once is by hand."""
    assert points(facts((0,)), test) == 0.5


@pytest.mark.parametrize("test", [*WATCHED, "offline-online", "single-example"])
def test_old_verdicts_are_worth_nothing(test: str, facts: Callable[..., ScoreFacts]) -> None:
    """Fifteen days with windows of seven: more than two windows were never looked at."""
    assert points(facts((15, 22, 29)), test) == 0


@pytest.mark.parametrize("test", [*WATCHED, "features-beneficial", "offline-online"])
def test_an_alarm_is_worth_nothing_whatever_a_person_says(
    test: str, facts: Callable[..., ScoreFacts]
) -> None:
    """The newest result counts."""
    known = facts((0, 7), status="act")
    said = Confirmation(test, "Ann", "looked at it", AT, known.objective.hash)
    (line,) = [each for each in score(known, {test: said}).lines if each.test.name == test]
    assert (line.finding.points, line.finding.basis) == (0, "failing")


def test_undecided_verdicts_are_none(facts: Callable[..., ScoreFacts]) -> None:
    """A monitor that could not say is no test."""
    assert points(facts((0, 7), status="undecided"), "data-invariants") == 0


def test_runs_after_the_instant_are_not_known(facts: Callable[..., ScoreFacts]) -> None:
    """A replayed past is scored as it was."""
    assert facts((-7, -14)).runs == ()


def test_an_empty_home_scores_nothing(home: Home, know_objective: Callable[..., None]) -> None:
    """Zeros where nothing was tested, and no registry is made by asking."""
    know_objective()
    found = score(gather(home, resolve_objective(home, "buying"), AT), {})
    assert found.total == 0
    assert sum(found.sums.values()) == 0
    assert not home.mlflow_database.exists()


def test_expectations_are_whole_with_a_plan_of_the_predicted_event(
    facts: Callable[..., ScoreFacts],
) -> None:
    """What is learnt from data alone is half."""
    planned = TrackingPlan.of(PlanSpec(events={"bought": EventPlan()}))
    other = TrackingPlan.of(PlanSpec(events={"visited": EventPlan()}))
    known = facts((0, 7))
    earned = [
        points(replace(known, plan=plan), "feature-expectations")
        for plan in (DEFAULT_PLAN, other, planned)
    ]
    assert earned == [0.5, 0.5, 1]


def test_a_receiver_that_was_reached_makes_changes_known(
    facts: Callable[..., ScoreFacts],
) -> None:
    """Named is not reached."""
    known = facts((0, 7))
    document = known.objective.model_dump(mode="json", exclude_none=True)
    document["spec"]["monitoring"]["notify"] = [{"url_from": {"env": "PAGER_URL"}}]
    named = replace(known, objective=Objective.model_validate(document))
    reached = replace(named, notified={"delivered_at": "2026-03-31T09:00:00+00:00"})
    earned = [points(each, "dependency-changes") for each in (known, named, reached)]
    assert earned == [0.5, 0.5, 1]


@pytest.mark.parametrize(
    ("versions", "lower", "earned"), [(TWO, 0.08, 1), (TWO[1:], 0.08, 0.5), (TWO, -0.01, 0)]
)
def test_the_simple_rule_must_be_beaten_by_the_live_version(
    versions: Any, lower: float, earned: float, facts: Callable[..., ScoreFacts]
) -> None:
    """At every training; beyond doubt."""
    gain = {"difference": 0.12, "lower": lower, "upper": 0.15}
    known = facts(versions=versions, evaluation={"over_baseline": gain})
    assert points(known, "simpler-model") == earned


@pytest.mark.parametrize(
    ("versions", "reason", "earned"),
    [(TWO, "better", 1), (TWO[1:], "first model", 0.5), (TWO, "by hand: trust me", 0), ((), "", 0)],
)
def test_the_gate_counts_where_it_was_not_passed_by(
    versions: Any, reason: str, earned: float, facts: Callable[..., ScoreFacts]
) -> None:
    """A version that a person made live against it was not validated."""
    known = facts(versions=versions, promotions=(promotion("1", reason),))
    assert points(known, "quality-gate") == earned


def test_a_rollback_counts_when_it_can_be_and_was_done(
    facts: Callable[..., ScoreFacts],
) -> None:
    """At hand is half; a version whose files are gone is nothing."""
    there = (version("2"), version("1", "previous"))
    gone = (version("1", "champion"), version("9", "previous"))
    done = (promotion("1", "rollback: it was slow"),)
    known = facts()
    earned = [
        points(replace(known, versions=versions, promotions=promotions), "rollback")
        for versions, promotions in ((TWO, ()), (gone, done), (there, ()), (there, done))
    ]
    assert earned == [0, 0, 0.5, 1]


def test_a_shadow_is_a_canary_for_the_version_that_was_in_it(
    facts: Callable[..., ScoreFacts],
) -> None:
    """And while the objective asks for one; before that it is a trial."""
    shadowed = (version("1", "champion", **{"tidemill.shadow_since": "2026-03-01"}),)
    known = facts(versions=shadowed, promotions=(promotion("1", "after 7d in the shadow: fine"),))
    document = known.objective.model_dump(mode="json", exclude_none=True)
    document["spec"]["serving"]["shadow"] = "7d"
    asked = replace(known, objective=Objective.model_validate(document))
    earned = [points(each, "canary") for each in (replace(known, versions=TWO), known, asked)]
    assert earned == [0, 0.5, 1]


def test_a_won_experiment_is_a_canary_and_an_effect(facts: Callable[..., ScoreFacts]) -> None:
    """Of the live version alone, and as a canary while the objective asks for one."""
    won = promotion("1", "experiment orders-1: new, better by orders: +4.1% (+1.2% to +7.0%)")
    known = facts(promotions=(won,))
    document = known.objective.model_dump(mode="json", exclude_none=True)
    arms = [
        {"name": "a", "share": "90%", "serve": "champion"},
        {"name": "b", "share": "10%", "serve": "challenger"},
    ]
    document["spec"]["experiment"] = {"arms": arms, "promote": True}
    asked = replace(known, objective=Objective.model_validate(document))
    other = replace(asked, promotions=(won, promotion("2", "by hand")))
    assert [points(each, "canary") for each in (known, asked, other)] == [0, 1, 0]
    assert [points(each, "offline-online") for each in (asked, other)] == [1, 0]


def test_what_staleness_costs_takes_three_ages(facts: Callable[..., ScoreFacts]) -> None:
    """Two points are no curve."""
    known = facts((0, 7, 14))
    earned = [points(replace(known, runs=known.runs[:n]), "staleness-impact") for n in (0, 2, 3)]
    assert earned == [0, 0.5, 1]


def test_parts_of_a_test_are_half_a_point_however_often(
    facts: Callable[..., ScoreFacts],
) -> None:
    """The power of features alone, some hyperparameters, the same metric online."""
    known = facts((0, 7, 14), versions=TWO)
    for test in ("features-beneficial", "hyperparameters", "offline-online", "single-example"):
        assert points(known, test) == 0.5


@pytest.mark.parametrize(
    "measured", [{"guarded": [{"name": "a"}]}, {"slices": {"users": [{"slice": "new"}]}}]
)
def test_slices_of_training_alone_are_half_a_point(
    measured: dict[str, Any], facts: Callable[..., ScoreFacts]
) -> None:
    """They say nothing about the time since."""
    known = facts(evaluation=measured)
    assert points(known, "slices") == 0.5
    assert points(replace(known, evaluation={"slices": {"users": []}}), "slices") == 0


def test_a_confirmation_is_half_a_point_and_never_more(
    facts: Callable[..., ScoreFacts],
) -> None:
    """It adds nothing to what was found automatically."""
    known = facts((0, 7))
    said = {t: Confirmation(t, "Ann", "see wiki", AT, known.objective.hash) for t in TESTS}
    lines = {line.test.name: line.finding for line in score(known, said).lines}
    assert (lines["privacy"].points, lines["privacy"].basis) == (0.5, "confirmed")
    assert "Ann: see wiki" in lines["privacy"].sentence
    assert lines["skew"].basis == "automatic"


def test_the_score_is_the_smallest_of_four_sums(facts: Callable[..., ScoreFacts]) -> None:
    """Not their mean: a chain breaks at its weakest link."""
    found = score(facts((0, 7), versions=TWO), {})
    assert found.total == min(found.sums.values()) < max(found.sums.values())
    document = found.to_json()
    assert document["score"] == found.total
    assert sum(test["points"] for test in document["tests"]) == sum(document["sections"].values())


@pytest.mark.parametrize(
    ("total", "words"),
    [
        (0, "research project"),
        (0.5, "serious holes"),
        (1, "serious holes"),
        (1.5, "first pass"),
        (3, "reasonably tested"),
        (5, "strong"),
        (5.5, "exceptional"),
    ],
)
def test_a_score_is_read_as_in_the_paper(total: float, words: str) -> None:
    """Intervals are closed above."""
    assert words in interpret(total)


def test_the_newest_runs_are_read(facts: Callable[..., ScoreFacts]) -> None:
    """An hourly monitor leaves thousands."""
    assert len(facts(tuple(range(0, 70))).runs) == 60
