"""An objective's past, run by run: what was measured, and what changed in between. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tidemill.experiments.running import Experiment
from tidemill.report.facts import Version
from tidemill.report.history import MonitorRun

_ORDER = ("data quality", "training/serving skew", "drift", "performance", "base rate")


@dataclass(frozen=True)
class Point:
    """One measurement."""

    at: datetime
    value: float | None
    """None where the run could not measure it."""
    lower: float | None = None
    upper: float | None = None
    status: str = "ok"
    """What the run said about the concern."""


@dataclass(frozen=True)
class Happening:
    """Something to mark: a promotion, an experiment, an alarm, its end, or a wish for a
    retraining."""

    at: datetime
    kind: Literal["promotion", "act", "watch", "ok", "retraining", "experiment"]
    title: str
    words: str


def concerns(runs: Sequence[MonitorRun]) -> list[str]:
    """Every concern that was ever judged, in reading order."""
    found = {verdict.concern: None for run in runs for verdict in run.verdicts}
    return [c for c in _ORDER if c in found] + [c for c in found if c not in _ORDER]


def status_of(run: MonitorRun, concern: str) -> str | None:
    """None where the run did not look."""
    return next((v.status for v in run.verdicts if v.concern == concern), None)


def measured(runs: Sequence[MonitorRun], concern: str, *keys: str) -> list[Point]:
    """A number of each run's evidence; a mapping gives `observed` with its interval."""
    return [_point(run, concern, _lookup(run.evidence(concern), keys)) for run in runs]


def rates(runs: Sequence[MonitorRun]) -> list[Point]:
    """Share of the users who had the outcome."""
    points = []
    for run in runs:
        found = run.evidence("base rate")
        interval = {"observed": found.get("rate"), **{k: found.get(k) for k in ("lower", "upper")}}
        points.append(_point(run, "base rate", interval))
    return points


def largest_effects(runs: Sequence[MonitorRun]) -> list[Point]:
    """Effect of the feature that moved most."""
    points = []
    for run in runs:
        effects = [each["effect"] for each in run.evidence("drift").get("top_features", [])]
        points.append(_point(run, "drift", max(effects, default=None)))
    return points


def happenings(
    runs: Sequence[MonitorRun],
    versions: Sequence[Version],
    experiments: Sequence[Experiment] = (),
) -> list[Happening]:
    """What changed from run to run, newest first; `runs` are oldest first."""
    found = [happening for each in experiments for happening in _of_experiment(each)]
    standing: dict[str, str] = {}
    before: MonitorRun | None = None
    for run in runs:
        if before is not None and run.model_version != before.model_version:
            found.append(_promotion(run, before, versions))
        found += _turns(run, standing)
        if run.retrain:
            found.append(_retraining(run, versions))
        before = run
    return sorted(found, key=lambda each: each.at)[::-1]


def _turns(run: MonitorRun, standing: dict[str, str]) -> Iterator[Happening]:
    """Verdicts that are not what they were; an undecided one changes nothing."""
    for verdict in run.verdicts:
        status = verdict.status
        if status not in ("ok", "watch", "act"):
            continue
        earlier, standing[verdict.concern] = standing.get(verdict.concern, "ok"), status
        if status != earlier:
            title = f"{verdict.concern}: {earlier} to {status}"
            yield Happening(run.at, status, title, verdict.sentence)  # type: ignore[arg-type]  # checked above


def _promotion(run: MonitorRun, before: MonitorRun, versions: Sequence[Version]) -> Happening:
    """In event time: the first run that found another version live."""
    found = next((each for each in versions if each.version == run.model_version), None)
    reason = "" if found is None or found.promoted is None else found.promoted
    title = f"version {run.model_version} in place of {before.model_version}"
    return Happening(run.at, "promotion", title, reason)


def _of_experiment(experiment: Experiment) -> Iterator[Happening]:
    arms = ", ".join(f"{arm.name} {arm.share:.1%}" for arm in experiment.arms)
    begun = f"experiment {experiment.name} began"
    yield Happening(experiment.started_at, "experiment", begun, arms)
    if experiment.ended_at is not None:
        ended = f"experiment {experiment.name} ended"
        yield Happening(experiment.ended_at, "experiment", ended, experiment.ended_because)


def _retraining(run: MonitorRun, versions: Sequence[Version]) -> Happening:
    trained = [v for v in versions if v.reason and run.reason.startswith(v.reason)]
    outcome = "; ".join(
        f"version {each.version} was trained for it and "
        + ("promoted" if each.promoted is not None else f"refused: {each.gate}")
        for each in trained
    )
    title = "a retraining was called for, to answer " + ", ".join(run.concerns)
    return Happening(run.at, "retraining", title, outcome)


def _lookup(evidence: Mapping[str, Any], keys: Sequence[str]) -> Any:
    found: Any = evidence
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _point(run: MonitorRun, concern: str, found: Any) -> Point:
    status = status_of(run, concern) or "undecided"
    if not isinstance(found, Mapping):
        return Point(run.at, found, status=status)
    observed, lower, upper = (found.get(key) for key in ("observed", "lower", "upper"))
    return Point(run.at, observed, lower, upper, status)
