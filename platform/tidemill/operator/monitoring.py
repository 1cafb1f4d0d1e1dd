"""Keeps the monitor of an Objective, and reads what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidemill.cluster.api import KubernetesApi
from tidemill.cluster.resources import OBJECTIVE_LABEL
from tidemill.objective import Objective
from tidemill.objective.status import ExperimentStatus, MonitoringStatus
from tidemill.operator.conditions import Finding
from tidemill.operator.manifests.common import is_as_declared, signed
from tidemill.operator.manifests.monitor import monitor_cron_job, monitor_name
from tidemill.operator.settings import OperatorSettings
from tidemill.operator.verdicts import MonitorOutcome, newest_verdict


@dataclass(frozen=True)
class Monitored:
    """What is known about the running model."""

    monitoring: MonitoringStatus
    finding: Finding
    experiment: ExperimentStatus | None = None
    """None where the newest run has said nothing about one."""


def pursue_monitoring(
    api: KubernetesApi,
    settings: OperatorSettings,
    owner: dict[str, Any],
    objective: Objective,
    monitoring: MonitoringStatus,
    has_something: bool,
) -> Monitored:
    """Put the CronJob right, and take over the newest verdict.

    `has_something` says whether there is anything to watch: a model that answers, or an alert.
    """
    name = monitor_name(objective.name)
    live = api.get("CronJob", name)
    if not has_something or objective.spec.monitoring.schedule is None:
        if live is not None:
            api.delete("CronJob", name)
        # What an earlier monitor asked for must not outlive it.
        return Monitored(MonitoringStatus(), _NO_SCHEDULE if has_something else _NOTHING_TO_WATCH)
    wanted = signed(monitor_cron_job(owner, objective, settings))
    if live is None or not is_as_declared(live, wanted):
        api.apply(wanted)
    chosen = f"{OBJECTIVE_LABEL}={objective.name},app.kubernetes.io/component=monitoring"
    outcome = newest_verdict(api.list("Pod", labels=chosen))
    heard = monitoring if outcome is None or outcome.verdict is None else outcome.verdict
    experiment = None if outcome is None else outcome.experiment
    return Monitored(heard, _finding(objective.name, heard, outcome), experiment)


def _finding(name: str, monitoring: MonitoringStatus, outcome: MonitorOutcome | None) -> Finding:
    if outcome is not None and outcome.failure:
        message = f"{outcome.failure}; see `tidemill logs {name} --of monitoring --context …`"
        return Finding("Monitored", False, "MonitorFailed", message)
    if not monitoring.status:
        return Finding("Monitored", None, "Waiting", "the first run has not ended yet")
    reason = {"ok": "Ok", "watch": "Watch", "act": "Act"}.get(monitoring.status, "Undecided")
    follows = f"; {monitoring.reason}" if monitoring.status == "act" else ""
    return Finding("Monitored", True, reason, f"{monitoring.sentence}{follows}")


_NOTHING_TO_WATCH = Finding("Monitored", False, "NoModel", "nothing answers yet")
_NO_SCHEDULE = Finding(
    "Monitored",
    False,
    "NoSchedule",
    "spec.monitoring.schedule is not set, so nobody watches it",
)
