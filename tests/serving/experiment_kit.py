"""Experiments started in a home, and their users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.home import Home
from tidemill.objective.experimenting import DeclaredExperiment

FOUR = [
    {"name": "live", "share": "40%", "serve": "champion"},
    {"name": "next", "share": "30%", "serve": "challenger"},
    {"name": "simple", "share": "20%", "serve": "rule"},
    {"name": "none", "share": "10%", "serve": "nothing"},
]
"""Every kind of arm."""
STARTED = datetime(2026, 3, 1, tzinfo=UTC)


def start(home: Home, objective: str, challenger: str | None = "2", **declared: Any) -> Experiment:
    """Start an experiment of all four kinds of arms unless `declared` says otherwise."""
    block = DeclaredExperiment.model_validate(declared or {"arms": FOUR})
    versions: dict[Any, str | None] = {"challenger": challenger}
    return ExperimentBook(home).start(objective, block, versions, STARTED)


def user_in(experiment: Experiment, arm: str | None, users: int = 60) -> str:
    """Some stored user of an arm."""
    return users_in(experiment, arm, users)[0]


def users_in(experiment: Experiment, arm: str | None, users: int = 60) -> list[str]:
    """The stored users of an arm; None for those that take no part."""

    def name(user: str) -> str | None:
        found = experiment.assign(user)
        return None if found is None else found.name

    return [user for user in (f"u{number}" for number in range(users)) if name(user) == arm]
