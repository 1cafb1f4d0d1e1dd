"""What follows from an experiment's verdict: its challenger goes live, goes, or waits.

Only experiments that were declared with `promote` are acted on. Killed anywhere, the next call
goes on from what the registry and the book say.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.experiments.standing import Standing
from tidemill.home import Home
from tidemill.outcome import Outcome, TrainingOutcome

if TYPE_CHECKING:
    from tidemill.registry import Registry


def challenger_of(experiment: Experiment) -> str | None:
    """Version of the challenger that is to go live by the verdict; None where none is."""
    if not experiment.declared.get("promote"):
        return None
    return next((arm.version for arm in experiment.arms if arm.serve == "challenger"), None)


def settle_launch(home: Home, standing: Standing, now: datetime) -> str | None:
    """Do what the `standing` of the running experiment asks for, and end it; says what was done.

    None where nothing was to do: nothing is decided, another experiment runs, or it promotes
    nobody.
    """
    book = ExperimentBook(home)
    with home.lock(f"launch-{standing.objective}"):
        running = book.running(standing.objective)
        version = None if running is None else challenger_of(running)
        if running is None or version is None or running.number != standing.number:
            return None
        from tidemill.registry import Registry  # imports mlflow

        registry = Registry(home)
        done = _settled(registry, running, version, standing)
        if done is None:
            return None
        outcome, because = done
        book.end(running.objective, because, now)
        registry.end_challenge(running.objective)
        registry.record_outcome(running.objective, TrainingOutcome(now, outcome, because, version))
        return because


def stop_experiment(home: Home, objective: str, because: str, at: datetime) -> Experiment | None:
    """End the running experiment by hand; its challenger, if any, stays where it was before. None
    when none is running."""
    ended = ExperimentBook(home).end(objective, because, at)
    if ended is not None and any(arm.serve == "challenger" for arm in ended.arms):
        from tidemill.registry import Registry  # imports mlflow

        Registry(home).end_challenge(objective)
    return ended


def _settled(
    registry: Registry, running: Experiment, version: str, standing: Standing
) -> tuple[Outcome, str] | None:
    since = [p for p in registry.promotions(running.objective) if p.at > running.started_at]
    if since and since[-1].version == version:
        return "promoted", f"version {version} is live: {since[-1].reason}"
    if since:
        return "refused", (
            f"{standing.experiment} ended: version {since[-1].version} went live meanwhile, "
            f"so version {version} has lost the champion it was compared with"
        )
    if standing.step == "promote":
        registry.promote(running.objective, version, standing.sentence)
        return "promoted", standing.sentence
    return ("refused", standing.sentence) if standing.step == "roll back" else None
