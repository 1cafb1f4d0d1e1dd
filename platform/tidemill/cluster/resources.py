"""The kinds of Kubernetes objects that Tidemill reads or writes, and where the API serves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tidemill.errors import ClusterError
from tidemill.objective.schema import API_VERSION

OBJECTIVE_LABEL = "tidemill.dev/objective"
"""On everything that is made for an Objective: its name."""
ROLLOUT_ANNOTATION = "tidemill.dev/rollout"
"""A new value tries a champion again that was rolled back."""
TRAIN_ANNOTATION = "tidemill.dev/train"
"""On an Objective: a new value asks for a training run."""


@dataclass(frozen=True)
class Resource:
    """One kind, as the API server's paths and messages call it."""

    api_version: str
    plural: str
    namespaced: bool = True
    comes_with: str = "Kubernetes"
    """What to install where it is missing."""

    @property
    def group(self) -> str:
        """API group; empty for the core."""
        return self.api_version.partition("/")[0] if "/" in self.api_version else ""

    @property
    def qualified(self) -> str:
        """As kubectl spells it: `objectives.tidemill.dev`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """URL path of one object, or of all of them in the namespace."""
        root = "/apis" if self.group else "/api"
        place = ["namespaces", namespace] if self.namespaced else []
        parts = [*place, self.plural, name, *subresource.split("/")]
        return f"{root}/{self.api_version}/" + "/".join(quote(part) for part in parts if part)


_KSERVE = "KServe 0.17 or newer"
_TIDEMILL = "the Tidemill chart (its CRDs come first)"

KINDS: Mapping[str, Resource] = {
    "Objective": Resource(API_VERSION, "objectives", comes_with=_TIDEMILL),
    "InferenceService": Resource(
        "serving.kserve.io/v1beta1", "inferenceservices", comes_with=_KSERVE
    ),
    "ClusterServingRuntime": Resource(
        "serving.kserve.io/v1alpha1", "clusterservingruntimes", False, _KSERVE
    ),
    "ScaledObject": Resource("keda.sh/v1alpha1", "scaledobjects", comes_with="KEDA 2"),
    "CronJob": Resource("batch/v1", "cronjobs"),
    "Job": Resource("batch/v1", "jobs"),
    "Deployment": Resource("apps/v1", "deployments"),
    "HorizontalPodAutoscaler": Resource("autoscaling/v2", "horizontalpodautoscalers"),
    "Lease": Resource("coordination.k8s.io/v1", "leases"),
    "Pod": Resource("v1", "pods"),
    "Service": Resource("v1", "services"),
    "ServiceAccount": Resource("v1", "serviceaccounts"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Secret": Resource("v1", "secrets"),
    "PersistentVolumeClaim": Resource("v1", "persistentvolumeclaims"),
    "Event": Resource("v1", "events"),
    "Namespace": Resource("v1", "namespaces", namespaced=False),
    "CustomResourceDefinition": Resource(
        "apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False
    ),
}
"""By `kind`."""


def resource_of(kind: str) -> Resource:
    """Where `kind` is served. Raises ClusterError for a kind Tidemill does not use."""
    try:
        return KINDS[kind]
    except KeyError:
        raise ClusterError(
            f"'{kind}' is not a kind of object that Tidemill handles",
            hint=f"handled: {', '.join(sorted(KINDS))}",
        ) from None


def resource_of_manifest(manifest: Mapping[str, Any]) -> Resource:
    """As `resource_of`; the apiVersion must be the one that Tidemill writes."""
    kind = str(manifest.get("kind", ""))
    resource = resource_of(kind)
    if manifest.get("apiVersion") != resource.api_version:
        raise ClusterError(
            f"{kind} has apiVersion '{manifest.get('apiVersion')}'",
            hint=f"write 'apiVersion: {resource.api_version}'",
        )
    return resource
