"""What the cluster can do, found by looking."""

from __future__ import annotations

import threading
import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tidemill.cluster.api import KubernetesApi

Mode = Literal["Standard", "Knative"]
MODES: tuple[Mode, ...] = get_args(Mode)

KNATIVE = "serving.knative.dev"
KEDA = "keda.sh"
GATEWAY = "gateway.networking.k8s.io"
_SERVICE_CRD = "inferenceservices.serving.kserve.io"
_FRESH_SECONDS = 30.0


@dataclass(frozen=True)
class Capabilities:
    """Which of the parts we can work with are installed."""

    kserve: bool = False
    knative: bool = False
    keda: bool = False
    standard_canary: bool = False
    """KServe splits traffic in Standard mode: it knows `spec.canary` and there is a Gateway API."""
    runtime: bool = False
    """Our ClusterServingRuntime is there."""


def find_capabilities(
    groups: Set[str], service_crd: dict[str, Any] | None, *, runtime: bool
) -> Capabilities:
    """From the API groups served and the CustomResourceDefinition of InferenceService, if any."""
    return Capabilities(
        kserve=service_crd is not None,
        knative=KNATIVE in groups,
        keda=KEDA in groups,
        standard_canary=GATEWAY in groups and _knows_canary(service_crd),
        runtime=runtime,
    )


def _knows_canary(crd: dict[str, Any] | None) -> bool:
    versions = [] if crd is None else crd["spec"]["versions"]
    for version in versions:
        root = version.get("schema", {}).get("openAPIV3Schema", {}).get("properties", {})
        if version["name"] == "v1beta1":
            return "canary" in root.get("spec", {}).get("properties", {})
    return False


class CapabilityCache:
    """Looks again twice a minute: parts are installed and removed while the operator runs."""

    def __init__(self, api: KubernetesApi, runtime: str) -> None:
        self._api = api
        self._runtime = runtime
        self._looking = threading.Lock()
        self._found = Capabilities()
        self._looked_at = -_FRESH_SECONDS

    def find(self) -> Capabilities:
        """What the cluster can do. Raises ClusterError when it cannot be asked."""
        with self._looking:
            if time.monotonic() >= self._looked_at + _FRESH_SECONDS:
                self._found = self._look()
                self._looked_at = time.monotonic()
            return self._found

    def _look(self) -> Capabilities:
        crd = self._api.get("CustomResourceDefinition", _SERVICE_CRD)
        runtime = None
        if crd is not None:
            runtime = self._api.get("ClusterServingRuntime", self._runtime)
        return find_capabilities(self._api.groups(), crd, runtime=runtime is not None)
