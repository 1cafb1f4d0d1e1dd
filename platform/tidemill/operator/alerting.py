"""What an Objective that is an alert asks for: its monitor, and nothing else."""

from __future__ import annotations

from typing import Any

from tidemill.cluster.api import KubernetesApi
from tidemill.objective.status import ObjectiveStatus
from tidemill.operator.deletion import clear
from tidemill.operator.kubeflow import Kubeflow
from tidemill.operator.manifests.inference_service import service_name


def retire_model(
    api: KubernetesApi, kubeflow: Kubeflow, owner: dict[str, Any], status: ObjectiveStatus
) -> None:
    """Remove what is left of a time when the Objective predicted something: its endpoint, its
    schedule and its runs. The model's versions stay in the registry.

    Raises KubeflowError or ClusterError when one of them does not answer.
    """
    if status.serving.version or status.serving.candidate:
        name = service_name(owner["metadata"]["name"])
        if api.get("InferenceService", name) is not None:
            api.delete("InferenceService", name)
    if status.training.run or status.training.schedule:
        clear(kubeflow, owner)
