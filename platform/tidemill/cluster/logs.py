"""What the pods of an objective printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from tidemill.cluster.api import KubernetesApi
from tidemill.cluster.objectives import read_objective
from tidemill.cluster.predictions import find_endpoint
from tidemill.cluster.resources import OBJECTIVE_LABEL
from tidemill.errors import ClusterError

Pod = dict[str, Any]
_SHOWN = {"serving": 3, "monitoring": 1}
"""Newest pods whose logs are read; of a training run, those of all steps."""
_MAIN = ("kserve-container", "main")
"""KServe's and Argo's names for the container that is not a helper of theirs."""


Source = Literal["training", "serving", "monitoring"]
"""Whose logs."""


@dataclass(frozen=True)
class PodLog:
    """The last lines of one pod, or why there are none."""

    pod: str
    text: str
    problem: str = ""


def read_logs(api: KubernetesApi, objective: str, source: Source) -> Iterator[PodLog]:
    """Logs of the newest pods, the oldest of them first. Raises ClusterError without pods."""
    pods = newest_pods(api.list("Pod", labels=_selector(api, objective, source)), source)
    if not pods:
        raise ClusterError(
            f"there is no pod of {source} for '{objective}'",
            hint=f"`tidemill status {objective}` with the same --context says where it stands; "
            "pods of ended runs are removed after a while",
        )
    for pod in pods:
        yield _read(api, pod)


def newest_pods(pods: list[Pod], source: Source) -> list[Pod]:
    """The pods worth reading, in the order they were created."""
    in_order = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    if source == "training":
        # Kubeflow's drivers decide what a step gets; the step itself is another pod.
        steps = [pod for pod in in_order if "-driver-" not in pod["metadata"]["name"]]
        return steps or in_order
    return in_order[-_SHOWN[source] :]


def _selector(api: KubernetesApi, objective: str, source: Source) -> str:
    if source == "serving":
        endpoint = find_endpoint(api, objective)
        return f"serving.kserve.io/inferenceservice={endpoint['metadata']['name']}"
    found = read_objective(api, objective)
    if source == "monitoring":
        return f"app.kubernetes.io/component=monitoring,{OBJECTIVE_LABEL}={objective}"
    if not found.status.training.run:
        raise ClusterError(
            f"no training of '{objective}' was started yet",
            hint=f"`tidemill status {objective}` with the same --context says why",
        )
    return f"pipeline/runid={found.status.training.run}"


def _read(api: KubernetesApi, pod: Pod) -> PodLog:
    name = pod["metadata"]["name"]
    containers = [container["name"] for container in pod["spec"]["containers"]]
    container = next((main for main in _MAIN if main in containers), containers[0])
    try:
        return PodLog(name, api.pod_log(name, container=container))
    except ClusterError as error:
        if error.status not in (400, 404):  # it waits to start, or is gone since the listing
            raise
        return PodLog(name, "", error.message)
