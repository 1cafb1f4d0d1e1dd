"""The CronJob that judges a served model, or watches what an alert is about."""

from __future__ import annotations

from typing import Any

from tidemill.objective import Objective
from tidemill.objective.alerting import OBJECTIVE_VARIABLE
from tidemill.objective.notifying import NOTIFY_VARIABLE, write_receivers
from tidemill.operator.manifests.common import HOME, child_metadata, child_name, labels
from tidemill.operator.settings import OperatorSettings

_LONGEST_NAME = 52
"""Kubernetes appends 11 characters to a CronJob's name for its Jobs."""
_USER = 10001
_DEADLINE_SECONDS = 3600
_TERMINATION_LOG = "/dev/termination-log"


def monitor_name(objective: str) -> str:
    """Name of the CronJob."""
    return child_name(objective, _LONGEST_NAME, "-monitor")


def monitor_cron_job(
    owner: dict[str, Any], objective: Objective, settings: OperatorSettings
) -> dict[str, Any]:
    """The manifest, for an objective with a monitoring schedule.

    A run's verdict is its container's termination message, so the monitor needs no rights on the
    API server, and the operator alone decides what follows.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": child_metadata(owner, monitor_name(objective.name), "monitoring"),
        "spec": {
            "schedule": objective.spec.monitoring.schedule,
            "timeZone": "Etc/UTC",
            # A run that is still going sees the newer data in its next turn.
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {"labels": labels(objective.name, "monitoring")},
                "spec": {
                    "backoffLimit": 1,
                    "activeDeadlineSeconds": _DEADLINE_SECONDS,
                    "template": {
                        "metadata": {"labels": labels(objective.name, "monitoring")},
                        "spec": _pod(objective, settings),
                    },
                },
            },
        },
    }


def _pod(objective: Objective, settings: OperatorSettings) -> dict[str, Any]:
    pod = {
        "restartPolicy": "Never",
        "serviceAccountName": settings.monitoring.serviceAccount,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(objective, settings)],
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": settings.homeClaim}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    if settings.monitoring.imagePullSecrets:
        secrets = settings.monitoring.imagePullSecrets
        pod["imagePullSecrets"] = [{"name": name} for name in secrets]
    return pod


def _container(objective: Objective, settings: OperatorSettings) -> dict[str, Any]:
    sources: list[dict[str, Any]] = [{"configMapRef": {"name": settings.environment.configMap}}]
    if settings.environment.secret:
        secret = {"name": settings.environment.secret, "optional": True}
        sources.append({"secretRef": secret})
    monitor = ["monitor", objective.name, "--at=now", f"--window={settings.monitoring.window}"]
    return {
        "name": "monitor",
        "image": settings.monitoring.image,
        "imagePullPolicy": settings.monitoring.pullPolicy,
        "args": [*monitor, f"--termination-log={_TERMINATION_LOG}"],
        "envFrom": sources,
        "env": [*_receivers(objective), *_declared(objective)],
        "terminationMessagePath": _TERMINATION_LOG,
        # A crash that wrote no verdict shows its last lines instead.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": settings.monitoring.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": HOME},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        ],
    }


def _declared(objective: Objective) -> list[dict[str, Any]]:
    """An alert as declared now: no training brings it into the home."""
    if objective.spec.alert is None:
        return []
    # The kubelet would take $(NAME) in somebody's condition for a variable.
    text = objective.model_dump_json(exclude_none=True).replace("$", "$$")
    return [{"name": OBJECTIVE_VARIABLE, "value": text}]


def _receivers(objective: Objective) -> list[dict[str, Any]]:
    """Whom to tell, as declared now, and where the kubelet finds their URLs."""
    receivers = objective.spec.monitoring.notify
    keys = {r.url_from.variable: r.url_from.secret for r in receivers if r.url_from.secret}
    found: list[dict[str, Any]] = [{"name": NOTIFY_VARIABLE, "value": write_receivers(receivers)}]
    for variable, secret in keys.items():
        # A Secret that is missing must not keep the monitor from running: it says so itself.
        reference = {"name": secret.name, "key": secret.key, "optional": True}
        found.append({"name": variable, "valueFrom": {"secretKeyRef": reference}})
    return found
