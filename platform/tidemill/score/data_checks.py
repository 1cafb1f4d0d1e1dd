"""What Tidemill tests by itself of the rubric's section on data."""

from __future__ import annotations

from tidemill.score.evidence import decided, monitored, verdict_evidence
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import Evidence, Finding, failing, half, nothing


def feature_expectations(facts: ScoreFacts) -> Finding:
    """Full with a plan of the predicted event, and a monitor that compares with the test window."""
    watched = monitored(facts, "data quality")
    event = facts.objective.target.event
    if watched.points == 0:
        return watched
    planned = facts.plan.spec.events
    if event not in planned:
        unplanned = "any event" if event is None else f"`{event}`"
        return half(
            f"Expectations are learnt from the test window alone: the tracking plan says nothing "
            f"about {unplanned}.",
            *watched.evidence,
        )
    plan = Evidence("events/plan.yaml", "", f"{len(planned)} events planned")
    return Finding(
        watched.points,
        "automatic",
        f"Events are checked against the tracking plan, features against the test window. "
        f"{watched.sentence}",
        (*watched.evidence, plan),
    )


def features_beneficial(facts: ScoreFacts) -> Finding:
    """Half a point at best: each feature's power alone is measured, not what it adds."""
    found = decided(facts, "feature decay")
    if not found:
        return nothing("What each feature contributes is not measured again after training.")
    run, verdict = found[0]
    if not facts.is_fresh(run):
        return nothing(f"The power of features was last measured on {run.at:%Y-%m-%d}.")
    evidence = verdict_evidence(facts, run, verdict)
    if verdict.status == "act":
        return failing("Features that ranked the outcome do so no more.", evidence)
    return half(
        "The power of each feature alone is measured at every run; what it adds to the others is "
        "not.",
        evidence,
    )
