"""Questions that several checks ask of the same facts."""

from __future__ import annotations

from tidemill.experiments.standing import BY_EXPERIMENT
from tidemill.report.history import MonitorRun, Verdict
from tidemill.score.facts import ScoreFacts
from tidemill.score.findings import Evidence, Finding, failing, full, half, nothing

_DECIDED = ("ok", "watch", "act")


def decided(facts: ScoreFacts, concern: str) -> list[tuple[MonitorRun, Verdict]]:
    """Runs that came to a verdict on a concern, newest first."""
    return [
        (run, verdict)
        for run in facts.runs
        for verdict in run.verdicts
        if verdict.concern == concern and verdict.status in _DECIDED
    ]


def monitored(facts: ScoreFacts, concern: str) -> Finding:
    """A full point for a concern that is judged again and again, lately, and is not on alarm."""
    found = decided(facts, concern)
    if not found:
        return nothing(f"No monitor run has come to a verdict on {concern} yet.")
    run, verdict = found[0]
    if not facts.is_fresh(run):
        return nothing(
            f"The last verdict on {concern} is of {run.at:%Y-%m-%d}, more than two windows ago."
        )
    evidence = verdict_evidence(facts, run, verdict)
    if verdict.status == "act":
        return failing(f"The monitor is on alarm about {concern}.", evidence)
    if len(found) == 1:
        return half(f"The monitor has judged {concern} once so far.", evidence)
    return full(f"The monitor has judged {concern} {len(found)} times.", evidence)


def verdict_evidence(facts: ScoreFacts, run: MonitorRun, verdict: Verdict) -> Evidence:
    """Where a verdict stands."""
    source = f"{run.folder.relative_to(facts.home.root)}/verdict.json"
    return Evidence(source, f"{run.at:%Y-%m-%d}", f"{verdict.concern} {verdict.status}")


def judged_versions(facts: ScoreFacts) -> int:
    """How many registered versions the gate has judged."""
    return sum(bool(found["tags"].get("tidemill.gate")) for found in facts.versions)


def version_evidence(facts: ScoreFacts, version: str, tag: str) -> Evidence:
    """What the registry says about a version."""
    found = next((each for each in facts.versions if each["version"] == version), None)
    said = "" if found is None else found["tags"].get(tag, "")
    return Evidence(f"registry {facts.objective.name} version {version}, {tag}", "", said)


def won_experiment(facts: ScoreFacts) -> Evidence | None:
    """The promotion of the live version, if it won an experiment for that."""
    live = None if facts.live is None else facts.live.version
    newest = facts.promotions[-1] if facts.promotions else None
    if newest is None or newest.version != live or not newest.reason.startswith(BY_EXPERIMENT):
        return None
    source = f"registry {facts.objective.name}, promotions"
    return Evidence(source, f"{newest.at:%Y-%m-%d}", newest.reason)


def bundle_file(facts: ScoreFacts, file: str) -> str:
    """A file of the live version's bundle, below the home."""
    version = "current" if facts.live is None else facts.live.version
    return f"serving/{facts.objective.name}/{version}/{file}"
