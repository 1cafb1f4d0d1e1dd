"""Gives a challenger its arm of an experiment, which decides whether it goes live."""

from __future__ import annotations

from datetime import UTC, datetime

from tidemill.experiments.running import Experiment, ExperimentBook
from tidemill.home import Home
from tidemill.objective import Objective
from tidemill_pipelines.going_live import go_to_the_test


def is_launched(objective: Objective) -> bool:
    """Whether a challenger goes live by an experiment's verdict alone."""
    return objective.spec.experiment is not None and objective.spec.experiment.promote


def refusal_of(home: Home, objective: Objective, version: str) -> str | None:
    """Why `version` cannot have its arm now: another challenger's experiment must first decide.

    Starting over with each new challenger would never decide about any.
    """
    running = ExperimentBook(home).running(objective.name)
    if running is None:
        return None
    tested = [arm.version for arm in running.arms if arm.serve == "challenger"]
    if not tested or tested == [version]:
        return None
    return f"experiment {running.name} is still deciding about version {tested[0]}"


def launch(home: Home, objective: Objective, version: str, at: datetime | None) -> Experiment:
    """Start the declared experiment with `version` as the challenger.

    What it reads online and does not find there is computed as of `at`, or of the log's own now.
    Raises BundleError, and starts nothing, when the version is not registered.
    """
    declared = objective.spec.experiment
    assert declared is not None, "is_launched has been asked"  # noqa: S101 - for mypy
    go_to_the_test(home, objective.name, version, at)
    return ExperimentBook(home).start(
        objective.name, declared, {"challenger": version}, datetime.now(UTC)
    )
