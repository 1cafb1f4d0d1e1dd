"""The end of an Objective. Kubernetes removes the children; what lives in Kubeflow Pipelines is
ours to remove, and a finalizer makes Kubernetes wait for it.

The model's versions stay in the registry: they are the record of what was served.
"""

from __future__ import annotations

import logging
from typing import Any

from tidemill.cluster.api import KubernetesApi
from tidemill.operator.events import post_event
from tidemill.operator.kubeflow import Kubeflow, KubeflowError
from tidemill.operator.resource import read_status
from tidemill.operator.triggers import run_prefix

logger = logging.getLogger("tidemill.operator")

FINALIZER = "tidemill.dev/operator"


def hold(api: KubernetesApi, owner: dict[str, Any]) -> dict[str, Any]:
    """Ask Kubernetes to wait for us when the Objective is deleted; returns it as it is then."""
    held = owner["metadata"].get("finalizers", [])
    return owner if FINALIZER in held else _set_finalizers(api, owner, [*held, FINALIZER])


def let_go(api: KubernetesApi, kubeflow: Kubeflow, owner: dict[str, Any]) -> None:
    """Remove the schedule and end the runs of a deleted Objective, then let Kubernetes remove it.

    Raises KubeflowError, and lets nothing go, when something was made there and it does not answer.
    """
    held = owner["metadata"].get("finalizers", [])
    if FINALIZER not in held:
        return
    try:
        clear(kubeflow, owner)
    except KubeflowError as error:
        if _was_noted(owner):
            message = f"the schedule and runs are to be removed first: {error.message}"
            post_event(api, owner, "DeletionWaits", message, is_warning=True, once=True)
            raise
        logger.warning("%s: deleted without asking Kubeflow: %s", owner["metadata"]["name"], error)
    _set_finalizers(api, owner, [name for name in held if name != FINALIZER])


def clear(kubeflow: Kubeflow, owner: dict[str, Any]) -> None:
    """Remove the schedules of an Objective, and end its runs. Raises KubeflowError."""
    for schedule in kubeflow.schedules(f"{run_prefix(owner)}-"):
        kubeflow.delete_schedule(schedule.id)
    kubeflow.terminate_runs(owner["metadata"]["name"])


def _was_noted(owner: dict[str, Any]) -> bool:
    """Whether the status knows of anything that was made in Kubeflow."""
    training = read_status(owner).training
    return bool(training.run or training.schedule)


def _set_finalizers(api: KubernetesApi, owner: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Conditional on what was read, so that nobody else's finalizer is lost."""
    metadata = owner["metadata"]
    change = {"finalizers": names, "resourceVersion": metadata["resourceVersion"]}
    return api.patch("Objective", metadata["name"], {"metadata": change})
