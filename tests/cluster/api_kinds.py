"""What the API double serves: the built-in kinds, and those of the definitions it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind of object; written down apart from the client's own table, to find its errors."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    has_status: bool = True
    short_names: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


BUILT_IN = (
    Kind("", "v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",)),
    Kind("", "v1", "Pod", "pods", short_names=("po",)),
    Kind("", "v1", "Service", "services", short_names=("svc",)),
    Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",)),
    Kind("", "v1", "ConfigMap", "configmaps", has_status=False, short_names=("cm",)),
    Kind("", "v1", "Secret", "secrets", has_status=False),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", has_status=False),
    Kind("", "v1", "Event", "events", has_status=False),
    Kind("apps", "v1", "Deployment", "deployments", short_names=("deploy",)),
    Kind("batch", "v1", "Job", "jobs"),
    Kind("batch", "v1", "CronJob", "cronjobs", short_names=("cj",)),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("coordination.k8s.io", "v1", "Lease", "leases", has_status=False),
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd",),
    ),
)
CUSTOM = (
    Kind("tidemill.dev", "v1alpha1", "Objective", "objectives", short_names=("obj",)),
    Kind("serving.kserve.io", "v1beta1", "InferenceService", "inferenceservices"),
    Kind(
        "serving.kserve.io",
        "v1alpha1",
        "ClusterServingRuntime",
        "clusterservingruntimes",
        namespaced=False,
        has_status=False,
    ),
    Kind("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
)
"""Kinds that an ApiDouble starts with, unless told otherwise."""


def definition_of(kind: Kind) -> Manifest:
    """The CustomResourceDefinition that makes a kind served."""
    subresources = {"subresources": {"status": {}}} if kind.has_status else {}
    names = {"kind": kind.kind, "plural": kind.plural, "shortNames": list(kind.short_names)}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.qualified},
        "spec": {
            "group": kind.group,
            "names": {**names, "singular": kind.kind.lower()},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [{"name": kind.version, "served": True, "storage": True, **subresources}],
        },
    }


def kinds_of(definition: Manifest) -> list[Kind]:
    """The kinds that a CustomResourceDefinition makes served, one for each version."""
    spec = definition["spec"]
    names = spec["names"]
    return [
        Kind(
            spec["group"],
            version["name"],
            names["kind"],
            names["plural"],
            spec["scope"] == "Namespaced",
            "status" in version.get("subresources", {}),
            tuple(names.get("shortNames", [])),
        )
        for version in spec["versions"]
        if version.get("served")
    ]


def discover(path: str, kinds: Iterable[Kind]) -> Manifest | None:
    """The answer to /version, /api, /apis and what lies below; None for any other path."""
    root, *rest = path.strip("/").split("/")
    if (root, rest) == ("version", []):
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0-double"}
    if (root, rest) == ("api", []):
        return {"kind": "APIVersions", "versions": ["v1"]}
    if (root, rest) == ("apis", []):
        groups = sorted({kind.group for kind in kinds} - {""})
        listed = [_group(group, kinds) for group in groups]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}
    if (root, len(rest)) == ("apis", 1) and any(kind.group == rest[0] for kind in kinds):
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(rest[0], kinds)}
    if (root, len(rest)) in (("api", 1), ("apis", 2)):
        return _resources("/".join(rest), kinds)
    return None


def _group(group: str, kinds: Iterable[Kind]) -> Manifest:
    versions = sorted({kind.version for kind in kinds if kind.group == group})
    listed = [{"groupVersion": f"{group}/{name}", "version": name} for name in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[-1]}


def _resources(api_version: str, kinds: Iterable[Kind]) -> Manifest | None:
    found = [kind for kind in kinds if kind.api_version == api_version]
    if not found:
        return None
    listed = [entry for kind in found for entry in _resource(kind)]
    same = {"kind": "APIResourceList", "apiVersion": "v1"}
    return {**same, "groupVersion": api_version, "resources": listed}


def _resource(kind: Kind) -> list[Manifest]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    entry = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs,
    }
    status = {**entry, "name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]}
    whole = {**entry, "shortNames": list(kind.short_names)}
    return [whole, status] if kind.has_status else [whole]
