"""What Tidemill tests by itself of the rubric's section on monitoring."""

from __future__ import annotations

from tidemill.score.evidence import judged_versions, monitored
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import Evidence, Finding, better, half, nothing


def dependency_changes(facts: ScoreFacts) -> Finding:
    """Full when changes of the events are looked for, and somebody is told and has been reached."""
    watched = monitored(facts, "data quality")
    if watched.points == 0:
        return watched
    if not facts.objective.spec.monitoring.notify:
        return half(
            "Stopped and renamed events are found, and nobody is told: spec.monitoring.notify "
            "names no receiver.",
            *watched.evidence,
        )
    delivered = facts.notified.get("delivered_at")
    if delivered is None:
        return half("Receivers are named, and none was reached yet.", *watched.evidence)
    source = f"monitoring/{facts.objective.name}/notifications/state.json"
    reached = Evidence(source, delivered[:10], "a notification arrived")
    return Finding(
        watched.points,
        "automatic",
        f"Stopped and renamed events are found, and receivers are told. {watched.sentence}",
        (*watched.evidence, reached),
    )


def data_invariants(facts: ScoreFacts) -> Finding:
    """Events and served vectors against earlier windows and the test window."""
    return monitored(facts, "data quality")


def training_serving_skew(facts: ScoreFacts) -> Finding:
    """Served vectors against their rebuild, bit by bit."""
    return monitored(facts, "training/serving skew")


def not_stale(facts: ScoreFacts) -> Finding:
    """The age of what was learnt, judged by what it costs."""
    found = monitored(facts, "performance")
    if facts.live is None or found.points == 0:
        return found
    age = (facts.at - facts.live.data_until).days
    until = f"{facts.live.data_until:%Y-%m-%d}"
    learnt = Evidence(f"serving/{facts.objective.name}/current", until, f"{age} days old")
    return Finding(
        found.points,
        "automatic",
        f"The live model was judged on data until {until}. {found.sentence}",
        (*found.evidence, learnt),
    )


def numerically_stable(facts: ScoreFacts) -> Finding:
    """Full when both happen: parity before registering, scores again from rebuilt vectors."""
    versions = judged_versions(facts)
    rescored = monitored(facts, "training/serving skew")
    if rescored.basis == "failing":
        return rescored
    if not versions:
        return nothing("No version is registered, so none was compared with its export.")
    parity = Evidence(
        f"registry {facts.objective.name}", "", f"{versions} versions, each equal to its export"
    )
    if versions < 2 or rescored.points == 0:
        return half(
            "No model is registered whose export gives other numbers, or none at all. "
            f"{rescored.sentence}",
            parity,
        )
    return Finding(
        rescored.points,
        "automatic",
        "No model is registered whose export gives other numbers, or none at all, and served "
        "scores are computed again at every monitor run.",
        (parity, *rescored.evidence),
    )


def prediction_quality(facts: ScoreFacts) -> Finding:
    """Full with outcomes; an estimate before they are known is worth half."""
    measured = monitored(facts, "performance")
    estimated = monitored(facts, "estimated performance")
    if measured.points or measured.basis == "failing" or not estimated.points:
        return measured
    return better(measured, half(estimated.sentence, *estimated.evidence))
