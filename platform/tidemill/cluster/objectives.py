"""Objectives on a cluster: applied, listed, read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from tidemill.cluster.api import KubernetesApi
from tidemill.errors import ClusterError
from tidemill.objective import Objective
from tidemill.objective.problems import nearest
from tidemill.objective.status import ObjectiveStatus

Applied = Literal["created", "configured", "unchanged"]
_MANAGER = "tidemill-cli"


@dataclass(frozen=True)
class ClusterObjective:
    """An Objective of a cluster and what its operator says about it."""

    name: str
    created: datetime
    status: ObjectiveStatus


def apply_objective(api: KubernetesApi, objective: Objective) -> Applied:
    """Declare it as it stands in its file; fields of ours that left the file leave the cluster."""
    own = objective.metadata.namespace
    if own not in (None, api.namespace):
        raise ClusterError(
            f"'{objective.name}' belongs to namespace {own}, not to {api.namespace}",
            hint=f"add --namespace {own}, or take the namespace out of the file",
        )
    before = api.get("Objective", objective.name)
    after = api.apply(objective.model_dump(mode="json", exclude_unset=True), manager=_MANAGER)
    if before is None:
        return "created"
    is_same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"]
    return "unchanged" if is_same else "configured"


def list_objectives(api: KubernetesApi) -> list[ClusterObjective]:
    """All of the namespace, by name."""
    return [_read(found) for found in api.list("Objective")]


def read_predicting(api: KubernetesApi, name: str) -> ClusterObjective:
    """As `read_objective`; raises ClusterError for an alert too, which has no model."""
    found = read_objective(api, name)
    if found.status.type == "alert":
        raise ClusterError(
            f"'{name}' is an alert: it watches a metric and has no model",
            hint=f"`tidemill status {name}` with the same --context shows what it says",
        )
    return found


def read_objective(api: KubernetesApi, name: str) -> ClusterObjective:
    """The one of this name. Raises ClusterError, with the nearest name, where there is none."""
    found = api.get("Objective", name)
    if found is None:
        known = [each["metadata"]["name"] for each in api.list("Objective")]
        hint = nearest(name, known) if known else "declare it with `tidemill apply FILE`"
        raise ClusterError(
            f"no objective is called '{name}' in namespace {api.namespace}", hint, status=404
        )
    return _read(found)


def _read(found: dict[str, Any]) -> ClusterObjective:
    metadata = found["metadata"]
    try:
        status = ObjectiveStatus.model_validate(found.get("status") or {})
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ClusterError(
            f"the status of '{metadata['name']}' cannot be read: {place} is not known here",
            hint="use the tidemill release that the cluster's operator is of",
        ) from error
    created = datetime.fromisoformat(metadata["creationTimestamp"])
    return ClusterObjective(metadata["name"], created, status)
