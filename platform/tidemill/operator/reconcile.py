"""Brings one Objective's world to what it declares. Level-triggered: looks, compares, acts.

Nothing is remembered between calls but what the Objective's status says, so an operator may be
stopped anywhere and started again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from tidemill.cluster.api import KubernetesApi
from tidemill.errors import ClusterError, TidemillError
from tidemill.objective import Objective
from tidemill.objective.status import (
    Condition,
    MonitoringStatus,
    ObjectiveStatus,
    Phase,
    ServingStatus,
    TrainingStatus,
)
from tidemill.operator.alerting import retire_model
from tidemill.operator.capabilities import CapabilityCache
from tidemill.operator.conditions import (
    ASPECTS,
    BAD_NEWS,
    NOT_DEGRADED,
    TO_REPEAT,
    Aspect,
    Finding,
    cannot_tell,
    changes,
    find_alert_phase,
    find_phase,
    to_conditions,
)
from tidemill.operator.deletion import hold, let_go
from tidemill.operator.events import post_event
from tidemill.operator.experiments import decision_event, lift_of
from tidemill.operator.kubeflow import Kubeflow, KubeflowError
from tidemill.operator.model_registry import Champion, ModelRegistry
from tidemill.operator.monitoring import pursue_monitoring
from tidemill.operator.resource import read_objective, read_status
from tidemill.operator.serving import pursue_serving
from tidemill.operator.settings import OperatorSettings
from tidemill.operator.training import TrainingPlans, pursue_training, trained_finding


def utc_now() -> datetime:
    """Now, to the second, as Kubernetes keeps times."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Outcome:
    """What a call came to."""

    phase: Phase | None
    """None when the Objective is gone."""
    is_settled: bool = True
    """False when a part did not answer, so that the call should be repeated soon."""
    verdict: MonitoringStatus | None = None
    """The monitor's newest; None when the Objective is gone, or cannot be read."""


@dataclass
class _Turn:
    """One look at one Objective: what is known, and what was found so far."""

    owner: dict[str, Any]
    objective: Objective
    status: ObjectiveStatus
    now: datetime
    findings: dict[Aspect, Finding] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)

    def found(self, *findings: Finding) -> None:
        for finding in findings:
            self.findings[finding.aspect] = finding

    def update(self, **news: Any) -> None:
        self.status = self.status.model_copy(update=news)


class Reconciler:
    """One for all Objectives; safe to call from several threads for different names."""

    def __init__(
        self,
        settings: OperatorSettings,
        api: KubernetesApi,
        kubeflow: Kubeflow,
        registry: ModelRegistry,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings = settings
        self._api = api
        self._kubeflow = kubeflow
        self._registry = registry
        self._clock = clock
        self._capabilities = CapabilityCache(api, settings.runtime)
        self._training = TrainingPlans(settings, kubeflow)

    def reconcile(self, name: str) -> Outcome:
        """Take the next step for the Objective `name`.

        Raises TidemillError when the API server cannot be reached, or refuses.
        """
        owner = self._api.get("Objective", name)
        if owner is None:
            return Outcome(None)
        if "deletionTimestamp" in owner["metadata"]:
            let_go(self._api, self._kubeflow, owner)
            return Outcome(None)
        owner = hold(self._api, owner)
        before = read_status(owner)
        try:
            objective = read_objective(owner)
        except ValidationError as error:
            self._refuse(owner, before, error)
            return Outcome(Phase.FAILED)
        turn = _Turn(owner, objective, before, self._clock())
        if objective.spec.alert is None:
            self._pursue_model(turn)
        else:
            self._pursue_alert(turn)
        self._report(turn, before)
        reasons = {finding.reason for finding in turn.findings.values()}
        is_settled = not reasons & TO_REPEAT
        return Outcome(turn.status.phase, is_settled, turn.status.monitoring)

    def _pursue_model(self, turn: _Turn) -> None:
        champion = self._find_champion(turn)
        # Training comes last: a Kubeflow that hangs must not keep a champion waiting.
        self._serve(turn, champion)
        self._monitor(turn, has_something=bool(turn.status.serving.version))
        self._train(turn, champion)

    def _pursue_alert(self, turn: _Turn) -> None:
        self._monitor(turn, has_something=True)
        try:
            retire_model(self._api, self._kubeflow, turn.owner, turn.status)
        except KubeflowError as error:
            turn.found(cannot_tell("Compiled", "KubeflowUnreachable", error))
        except ClusterError as error:
            turn.found(cannot_tell("Serving", "NotApplied", error))
        else:
            no_model = {"training": TrainingStatus(), "serving": ServingStatus()}
            turn.update(**no_model, modelVersion="", quality="", url="")

    def _find_champion(self, turn: _Turn) -> Champion | None:
        try:
            return self._registry.champion(turn.objective.name)
        except TidemillError as error:
            turn.found(cannot_tell("Trained", "RegistryUnreachable", error))
            return None

    def _train(self, turn: _Turn, champion: Champion | None) -> None:
        name = turn.objective.name
        try:
            plan = self._training.plan(name)
            turn.found(Finding("Compiled", True, "Uploaded", f"pipeline {plan.version_name}"))
            training = pursue_training(
                self._kubeflow,
                plan,
                turn.owner,
                turn.objective,
                turn.status.training,
                turn.status.monitoring,
                lambda: self._registry.outcome(name),
                turn.now,
            )
            turn.update(training=training)
        except KubeflowError as error:
            self._training.forget()
            refused = 400 <= error.status < 500
            reason = "KubeflowRefused" if refused else "KubeflowUnreachable"
            turn.found(cannot_tell("Compiled", reason, error))
        except TidemillError as error:
            turn.found(cannot_tell("Trained", "RegistryUnreachable", error))
        if "Trained" not in turn.findings:
            turn.found(trained_finding(turn.status.training, champion, name))

    def _serve(self, turn: _Turn, champion: Champion | None) -> None:
        try:
            served = pursue_serving(
                self._api,
                self._settings,
                self._capabilities.find(),
                turn.owner,
                turn.objective,
                turn.status.serving,
                None if champion is None else champion.version,
                turn.now,
            )
        except ClusterError as error:
            turn.found(cannot_tell("Serving", "NotApplied", error), NOT_DEGRADED)
            return
        turn.found(*served.findings)
        turn.update(serving=served.serving, url=served.url)
        if served.event is not None:
            turn.events.append(served.event)
        version = served.serving.version
        if champion is not None and champion.version == version and champion.quality:
            turn.update(quality=champion.quality)
        elif version != turn.status.modelVersion:
            turn.update(quality="")
        turn.update(modelVersion=version)

    def _monitor(self, turn: _Turn, *, has_something: bool) -> None:
        status = turn.status
        try:
            monitored = pursue_monitoring(
                self._api,
                self._settings,
                turn.owner,
                turn.objective,
                status.monitoring,
                has_something,
            )
        except ClusterError as error:
            turn.found(cannot_tell("Monitored", "NotApplied", error))
            return
        turn.found(monitored.finding)
        turn.update(monitoring=monitored.monitoring, drift=monitored.monitoring.drift)
        if monitored.experiment is not None:
            turn.events += decision_event(status.experiment, monitored.experiment)
            turn.update(experiment=monitored.experiment, lift=lift_of(monitored.experiment))

    def _report(self, turn: _Turn, before: ObjectiveStatus) -> None:
        """Write the status if it is news, and say what changed as events."""
        findings = [turn.findings[aspect] for aspect in ASPECTS if aspect in turn.findings]
        generation = turn.owner["metadata"]["generation"]
        conditions = to_conditions(before.conditions, findings, generation, turn.now)
        turn.update(
            observedGeneration=generation,
            type=turn.objective.type,
            phase=_phase(turn),
            conditions=conditions,
        )
        self._write(turn.owner, before, turn.status)
        for condition in filter(_has_news, changes(before.conditions, conditions)):
            is_bad = condition.reason in BAD_NEWS
            post_event(self._api, turn.owner, condition.reason, condition.message, is_bad)
        for reason, message in turn.events:
            post_event(self._api, turn.owner, reason, message, is_warning=reason == "RolledBack")

    def _refuse(
        self, owner: dict[str, Any], before: ObjectiveStatus, error: ValidationError
    ) -> None:
        """Say what is wrong; what runs already goes on running."""
        wrong = "; ".join(
            f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()
        )
        finding = Finding("Compiled", False, "Invalid", wrong)
        now, generation = self._clock(), owner["metadata"]["generation"]
        others = [known for known in before.conditions if known.type != "Compiled"]
        conditions = [*to_conditions(before.conditions, [finding], generation, now), *others]
        news = {"phase": Phase.FAILED, "conditions": conditions, "observedGeneration": generation}
        self._write(owner, before, before.model_copy(update=news))

    def _write(
        self, owner: dict[str, Any], before: ObjectiveStatus, after: ObjectiveStatus
    ) -> None:
        if after == before:
            return
        status = after.model_dump(mode="json")
        self._api.patch(
            "Objective", owner["metadata"]["name"], {"status": status}, subresource="status"
        )


def _phase(turn: _Turn) -> Phase:
    if turn.objective.spec.alert is not None:
        return find_alert_phase(turn.findings["Monitored"])
    serving = turn.status.serving
    return find_phase(turn.findings, serving.version, serving.candidate)


def _has_news(condition: Condition) -> bool:
    """That all is well is no event."""
    return bool(condition.message)
