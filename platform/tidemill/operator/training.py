"""Keeps runs and the schedule in Kubeflow Pipelines equal to what an Objective declares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidemill.objective import Objective
from tidemill.objective.status import MonitoringStatus, TrainingStatus
from tidemill.operator.conditions import Finding
from tidemill.operator.kubeflow import Kubeflow, Run, Version
from tidemill.operator.manifests.common import HOME
from tidemill.operator.model_registry import Champion
from tidemill.operator.pipeline import compiled_training, pipeline_name, version_name
from tidemill.operator.settings import OperatorSettings
from tidemill.operator.triggers import Trigger, due_run, run_prefix
from tidemill.outcome import TrainingOutcome

_SUCCEEDED = "SUCCEEDED"


@dataclass(frozen=True)
class TrainingPlan:
    """What a run of one Objective is started with."""

    experiment: str
    version: Version
    version_name: str

    def parameters(self, objective: Objective, reason: str) -> dict[str, str]:
        """Parameters of the pipeline; without `at` a run is as of its own start."""
        declared = objective.model_dump_json(exclude_none=True)
        return {"objective": declared, "at": "", "home": HOME, "reason": reason}


class TrainingPlans:
    """Uploads the compiled pipeline once; all Objectives of a namespace share it."""

    def __init__(self, settings: OperatorSettings, kubeflow: Kubeflow) -> None:
        self._kubeflow = kubeflow
        self._pipeline = pipeline_name(settings.namespace)
        self._ir = compiled_training(
            image=settings.pipeline.image,
            pull_policy=settings.pipeline.pullPolicy,
            home_claim=settings.homeClaim,
            config_map=settings.environment.configMap,
            secret=settings.environment.secret,
            image_pull_secrets=settings.pipeline.imagePullSecrets,
        )
        self._version: Version | None = None

    def plan(self, objective: str) -> TrainingPlan:
        """The plan of `objective`. Raises KubeflowError."""
        name = version_name(self._ir)
        if self._version is None:
            self._version = self._kubeflow.ensure_version(self._pipeline, name, self._ir)
        return TrainingPlan(objective, self._version, name)

    def forget(self) -> None:
        """Look the version up again; somebody may have deleted it."""
        self._version = None


def pursue_training(
    kubeflow: Kubeflow,
    plan: TrainingPlan,
    owner: dict[str, Any],
    objective: Objective,
    training: TrainingStatus,
    monitoring: MonitoringStatus,
    outcome: Callable[[], TrainingOutcome | None],
    now: datetime,
) -> TrainingStatus:
    """Follow the newest run, start the one that is due, keep the schedule; returns the status."""
    training = keep_schedule(kubeflow, plan, owner, objective, training)
    training = _follow(kubeflow, training, outcome)
    if is_running(training):
        return training
    trigger = due_run(owner, objective, training, monitoring, now)
    return (
        training if trigger is None else _start(kubeflow, plan, objective, training, trigger, now)
    )


def is_running(training: TrainingStatus) -> bool:
    """Whether the newest run has not ended yet."""
    return bool(training.run) and not training.result


def keep_schedule(
    kubeflow: Kubeflow,
    plan: TrainingPlan,
    owner: dict[str, Any],
    objective: Objective,
    training: TrainingStatus,
) -> TrainingStatus:
    """One recurring run if there is a schedule, none otherwise, none of an older definition."""
    cron = objective.spec.training.schedule
    if cron is None and not training.schedule:
        return training
    wanted = "" if cron is None else _schedule_name(plan, owner, objective, cron)
    for found in kubeflow.schedules(f"{run_prefix(owner)}-schedule-"):
        if found.name != wanted:
            kubeflow.delete_schedule(found.id)
    if cron is not None:
        parameters = plan.parameters(objective, "scheduled")
        kubeflow.ensure_schedule(plan.experiment, wanted, plan.version, cron, parameters)
    return training.model_copy(update={"schedule": wanted})


def _schedule_name(
    plan: TrainingPlan, owner: dict[str, Any], objective: Objective, cron: str
) -> str:
    """The definition is part of the name: Kubeflow cannot change a recurring run."""
    definition = f"{plan.version.version} {cron} {objective.hash}"
    digest = hashlib.sha256(definition.encode()).hexdigest()[:8]
    return f"{run_prefix(owner)}-schedule-{digest}"


def _follow(
    kubeflow: Kubeflow, training: TrainingStatus, outcome: Callable[[], TrainingOutcome | None]
) -> TrainingStatus:
    if not is_running(training):
        return _hear(training, outcome())
    run = kubeflow.run(training.run)
    if run is None:
        gone = f"run {training.run} is gone from Kubeflow Pipelines"
        return training.model_copy(update={"state": "", "result": "failed", "outcome": gone})
    if not run.ended:
        return training.model_copy(update={"state": run.state})
    result, sentence = _result(run, outcome(), training)
    update = {"state": run.state, "result": result, "outcome": sentence}
    return training.model_copy(update=update)


def _hear(training: TrainingStatus, found: TrainingOutcome | None) -> TrainingStatus:
    """Scheduled runs are Kubeflow's own; what they came to is in the registry all the same."""
    if found is None or (training.started is not None and found.at < training.started):
        return training
    return training.model_copy(update={"result": found.outcome, "outcome": found.reason})


def _result(run: Run, found: TrainingOutcome | None, training: TrainingStatus) -> tuple[str, str]:
    """What the run's own steps recorded, if they did, else what Kubeflow says of it."""
    is_own = found is not None and (training.started is None or found.at >= training.started)
    if found is not None and is_own:
        return found.outcome, found.reason
    if run.state == _SUCCEEDED:
        return "failed", "the run succeeded but recorded no outcome in MLflow"
    return "failed", f"{run.state.lower()}: {run.error or 'no step said why'}"


def _start(
    kubeflow: Kubeflow,
    plan: TrainingPlan,
    objective: Objective,
    training: TrainingStatus,
    trigger: Trigger,
    now: datetime,
) -> TrainingStatus:
    run = kubeflow.ensure_run(
        plan.experiment, trigger.name, plan.version, plan.parameters(objective, trigger.reason)
    )
    begun = {
        "name": trigger.name,
        "run": run.id,
        "state": run.state,
        "reason": trigger.reason,
        # A run that was found again began before; a server's clock may be ahead of ours.
        "started": min(run.created or now, now),
        "result": "",
        "outcome": "",
    }
    return training.model_copy(update={**begun, **trigger.updates})


def trained_finding(training: TrainingStatus, champion: Champion | None, name: str) -> Finding:
    """Whether there is a model, and what the newest run has to say."""
    again = f"try again with `tidemill train {name} --context …`, or a new value of the annotation "
    again += "`tidemill.dev/train`"
    if champion is not None:
        quality = f", {champion.quality}" if champion.quality else ""
        newest = f"; newest run: {training.outcome}" if training.outcome else ""
        message = f"version {champion.version}{quality}{newest}"
        return Finding("Trained", True, "Promoted", message)
    if is_running(training):
        message = f"run {training.name} ({training.reason}) is {training.state.lower() or 'queued'}"
        return Finding("Trained", False, "Running", message)
    if training.result == "not_ready":
        return Finding("Trained", False, "NotReady", f"{training.outcome}; asked again every day")
    if training.result == "refused":
        return Finding("Trained", False, "Refused", f"{training.outcome}; {again}")
    if training.result:
        return Finding("Trained", False, "RunFailed", f"{training.outcome}; {again}")
    return Finding("Trained", False, "NotStarted", "no run was started yet")
