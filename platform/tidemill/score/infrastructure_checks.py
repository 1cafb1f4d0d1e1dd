"""What Tidemill tests by itself of the rubric's section on infrastructure."""

from __future__ import annotations

from tidemill.bundle import MODEL_FILE
from tidemill.score.evidence import (
    decided,
    judged_versions,
    monitored,
    verdict_evidence,
    version_evidence,
    won_experiment,
)
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import Evidence, Finding, failing, full, half, nothing

_GATE, _PROMOTED, _SHADOWED = "tidemill.gate", "tidemill.promoted", "tidemill.shadow_since"
_FROM_SHADOW = "in the shadow"


def pipeline_integrated(facts: ScoreFacts) -> Finding:
    """Training asserts its way to the gate, serving its way back to the events; full with both."""
    judged = judged_versions(facts)
    served = monitored(facts, "training/serving skew")
    if served.basis == "failing":
        return served
    if judged < 2 or served.points == 0:
        if not judged and served.points == 0:
            return nothing("No training has come to the gate yet.")
        return half(
            f"{judged} trainings came from events to the gate. {served.sentence}", *served.evidence
        )
    newest = version_evidence(facts, facts.versions[0]["version"], _GATE)
    return Finding(
        served.points,
        "automatic",
        f"{judged} trainings came from events to the gate, and served vectors are rebuilt from "
        "events at every monitor run.",
        (newest, *served.evidence),
    )


def quality_before_serving(facts: ScoreFacts) -> Finding:
    """Full when the gate let the live version through and has judged more than one."""
    if facts.live is None:
        return nothing("Nothing is live.")
    version = facts.live.version
    judged = judged_versions(facts)
    if not judged:
        return nothing("The registry holds no judgement of the gate.")
    evidence = version_evidence(facts, version, _PROMOTED)
    first = next((each for each in facts.promotions if each.version == version), None)
    reason = evidence.value if first is None else first.reason
    if reason.startswith("by hand"):
        return failing(f"Version {version} was promoted by hand, past the gate.", evidence)
    if judged < 2:
        return half("The gate has judged one version so far.", evidence)
    return full(f"The gate has judged {judged} versions before any could be served.", evidence)


def single_examples(facts: ScoreFacts) -> Finding:
    """Half a point: each served vector is rebuilt from its events, but not the graph's inside."""
    found = decided(facts, "training/serving skew")
    if not found or not facts.is_fresh(found[0][0]):
        return nothing("No served example was rebuilt lately.")
    run, verdict = found[0]
    rows = verdict.evidence.get("rows", 0)
    return half(
        f"{rows} served examples were rebuilt from their events value by value; what happens "
        "inside the model is for a person to look at.",
        verdict_evidence(facts, run, verdict),
    )


def canary(facts: ScoreFacts) -> Finding:
    """Full when the live version came out of the champion's shadow, or won an experiment, as every
    next one has to."""
    won, declared = won_experiment(facts), facts.objective.spec.experiment
    if won is not None and declared is not None and declared.promote:
        return full("The live version answered some users, and won, before it took over.", won)
    shadowed = [each for each in facts.versions if each["tags"].get(_SHADOWED)]
    if not shadowed:
        return nothing("No version was scored on live traffic before it could take over.")
    evidence = version_evidence(facts, shadowed[0]["version"], _SHADOWED)
    proven = facts.live is not None and any(
        each.version == facts.live.version and _FROM_SHADOW in each.reason
        for each in facts.promotions
    )
    if not proven or facts.objective.spec.serving.shadow is None:
        return half("A challenger was scored beside the champion; the live one was not.", evidence)
    return full("The live version was scored beside the champion before it took over.", evidence)


def rollback(facts: ScoreFacts) -> Finding:
    """Full when the previous version is at hand and a rollback was done once."""
    name = facts.objective.name
    previous = next((each for each in facts.versions if "previous" in each["aliases"]), None)
    if previous is None:
        return nothing("There is no previous version to go back to.")
    version = previous["version"]
    file = facts.home.served(name) / version / MODEL_FILE
    if not file.exists():
        return nothing(f"The files of version {version} are not beside the live one.")
    there = Evidence(f"serving/{name}/{version}/{MODEL_FILE}", "", "at hand")
    done = [each for each in facts.promotions if each.reason.startswith("rollback")]
    if not done:
        return half(f"Version {version} is at hand, and no rollback was ever tried.", there)
    newest = done[-1]
    words = f"version {newest.version} in place of {newest.instead_of}, by {newest.by}"
    proof = Evidence(f"registry {name}, promotions", f"{newest.at:%Y-%m-%d}", words)
    return full(f"Version {version} is at hand, and a rollback was done.", there, proof)
